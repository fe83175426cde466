"""Accounts, codes and letters, as their ports promise them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.faults import Conflict
from chassis.identity import Vault
from chassis.listing import Condition, Once
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.trust_store.sql import SqlTrustStore
from user_svc.domain.account import Account, Fact, FactKind, Role, State
from user_svc.domain.code import address_taken_letter, new_code
from user_svc.domain.faults import AccountChanged, LastAdmin
from user_svc.domain.names import new_id
from user_svc.domain.session import open_session
from user_svc.domain.trust import Revocation
from user_svc.ports.accounts import (
    AccountStore,
    AddressTaken,
    AlreadyDone,
    Change,
    LetterStore,
    PhoneTaken,
    SessionsEnded,
)
from user_svc.transport.mapping import user_records

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=10)


@dataclass
class Stores:
    """The stores of one database, opened as in production."""

    database: Database
    accounts: AccountStore
    letters: LetterStore
    sessions: SqlSessionStore
    trust: SqlTrustStore
    published: list[None]


Opening = Callable[[], Awaitable[Stores]]


@pytest.fixture(params=SQL_ENGINES)
def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> Opening:
    """Opens the same stores each time that it is called."""
    url = sql_place(request.param, "user_svc.schema")

    async def open_() -> Stores:
        database = await open_database(url, "user_svc.schema", SystemClock())
        vault = Vault(b"k" * 32)
        published: list[None] = []
        accounts = SqlAccountStore(database, vault, user_records, lambda: published.append(None))
        return Stores(
            database,
            accounts,
            SqlLetterStore(database, vault),
            SqlSessionStore(database, vault),
            SqlTrustStore(database, vault),
            published,
        )

    return open_


@pytest.fixture
async def stores(opening: Opening) -> AsyncIterator[Stores]:
    """Stores with nothing in them."""
    opened = await opening()
    yield opened
    await opened.database.close()


def an_account(email: str = "ada@example.org", **fields: object) -> Account:
    """An account that nobody else has."""
    made = Account(new_id(), str(uuid.uuid4()), email, "hash", NOW, NOW)
    return replace(made, **fields)  # type: ignore[arg-type]


def an_admin(email: str) -> Account:
    """An admin who can act."""
    return an_account(email, verified=True, roles=frozenset({Role.ADMIN}))


async def test_an_account_comes_back_as_it_was_stored(stores: Stores) -> None:
    account = an_account(
        "Ada@Example.org",
        phone_number="+4930123456",
        given_name="Ada 🦊",
        family_name="O'Neil; DROP TABLE users",
        roles=frozenset({Role.ADMIN}),
        create_time=NOW + timedelta(milliseconds=7),
    )
    await stores.accounts.add(Change(account, [Fact(FactKind.REGISTERED, account)]))
    assert await stores.accounts.get(account.id) == account
    assert await stores.accounts.by_email("ADA@example.ORG ") == account
    assert stores.published


async def test_an_address_is_unique_whatever_its_case(stores: Stores) -> None:
    await stores.accounts.add(Change(an_account("Ada@Example.org")))
    with pytest.raises(AddressTaken):
        await stores.accounts.add(Change(an_account("aDA@example.ORG")))


async def test_a_phone_number_is_unique_but_many_have_none(stores: Stores) -> None:
    await stores.accounts.add(Change(an_account("a@example.org")))
    await stores.accounts.add(Change(an_account("b@example.org")))
    await stores.accounts.add(Change(an_account("c@example.org", phone_number="+4930123456")))
    with pytest.raises(PhoneTaken):
        await stores.accounts.add(Change(an_account("d@example.org", phone_number="+4930123456")))
    known = await stores.accounts.by_email("a@example.org")
    assert known is not None
    taking = replace(known, phone_number="+4930123456", version=2)
    with pytest.raises(PhoneTaken):
        await stores.accounts.save(Change(taking))


async def test_of_many_who_take_one_address_at_once_one_gets_it(stores: Stores) -> None:
    outcomes = await asyncio.gather(
        *(stores.accounts.add(Change(an_account("Ada@example.org"))) for _ in range(8)),
        return_exceptions=True,
    )
    assert [one for one in outcomes if one is None] == [None]
    assert all(isinstance(one, AddressTaken) for one in outcomes if one is not None)


async def test_what_is_refused_leaves_nothing_behind(stores: Stores) -> None:
    await stores.accounts.add(Change(an_account()))
    again = an_account()
    code, letter = new_code(again.email, NOW, LIFETIME)
    with pytest.raises(AddressTaken):
        await stores.accounts.add(
            Change(again, [Fact(FactKind.REGISTERED, again)], code=code, letter=letter)
        )
    assert await stores.letters.next_due() is None
    assert await stores.accounts.get(again.id) is None


async def test_a_request_is_carried_out_once(stores: Stores) -> None:
    once = Once.of("", "CreateUser", str(uuid.uuid4()), "ada")
    assert once is not None
    account = an_account()
    await stores.accounts.add(Change(account, once=once))
    with pytest.raises(AlreadyDone):
        await stores.accounts.add(Change(an_account("else@example.org"), once=once))
    with pytest.raises(AlreadyDone):
        await stores.accounts.save(Change(account.renamed("A", "B", NOW), once=once))
    with pytest.raises(AlreadyDone):
        await stores.accounts.send(address_taken_letter("x@example.org", NOW, LIFETIME), once, NOW)
    other = Once.of("", "CreateUser", once.request_id, "somebody else")
    with pytest.raises(Conflict) as refused:
        await stores.accounts.add(Change(an_account("else@example.org"), once=other))
    assert refused.value.reason == "REQUEST_ID_REUSED"


async def test_a_change_of_a_version_that_is_gone_is_refused(stores: Stores) -> None:
    account = an_account()
    await stores.accounts.add(Change(account))
    outcomes = await asyncio.gather(
        *(stores.accounts.save(Change(account.renamed(f"Ada {n}", "", NOW))) for n in range(6)),
        return_exceptions=True,
    )
    assert [one for one in outcomes if one is None] == [None]
    assert sum(isinstance(one, AccountChanged) for one in outcomes) == 5
    with pytest.raises(AccountChanged):
        await stores.accounts.save(Change(an_account("nobody@example.org", version=2)))


async def test_somebody_stays_an_admin_however_many_go_at_once(stores: Stores) -> None:
    admins = [an_admin(f"admin{n}@example.org") for n in range(4)]
    for admin in admins:
        await stores.accounts.add(Change(admin))
    outcomes = await asyncio.gather(
        *(
            stores.accounts.save(Change(admin.revoked(Role.ADMIN, NOW), keeps_an_admin=True))
            for admin in admins
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, LastAdmin) for one in outcomes) == 1
    assert outcomes.count(None) == 3


async def test_a_disabled_admin_is_none_who_could_stay(stores: Stores) -> None:
    disabled = replace(an_admin("a@example.org"), state=State.DISABLED)
    acting = an_admin("b@example.org")
    await stores.accounts.add(Change(disabled))
    await stores.accounts.add(Change(acting))
    with pytest.raises(LastAdmin):
        await stores.accounts.save(Change(acting.disabled(NOW), keeps_an_admin=True))
    assert await stores.accounts.get(acting.id) == acting


async def test_a_change_ends_sessions_and_revokes_in_the_same_step(stores: Stores) -> None:
    account = an_account()
    await stores.accounts.add(Change(account))
    session, _ = open_session(account.id, NOW, timedelta(days=1), "", "")
    kept, _ = open_session(account.id, NOW, timedelta(days=1), "", "")
    for one in (session, kept):
        await stores.sessions.add(one, 10)
    until = NOW + timedelta(minutes=16)
    revocation = Revocation(str(uuid.uuid4()), account.name, "", NOW, until, NOW)
    await stores.accounts.save(
        Change(
            account.disabled(NOW),
            revocation=revocation,
            sessions=SessionsEnded(NOW, until, keep=kept.id),
        )
    )
    told = await stores.trust.revocations(NOW, NOW)
    assert {(one.user, one.session) for one in told} == {
        (account.name, ""),
        (account.name, session.name),
    }
    assert [one.id for one in await stores.sessions.open_of(account.id, NOW, None, 10)] == [kept.id]


async def test_accounts_are_listed_newest_first_by_pages(stores: Stores) -> None:
    made = []
    for n in range(7):
        # Pairs of the same instant, which the identifier tells apart.
        account = an_account(f"p{n}@example.org", create_time=NOW + timedelta(seconds=n // 2))
        made.append(account)
        await stores.accounts.add(Change(account))
    expected = sorted(made, key=lambda one: (one.create_time, one.id), reverse=True)
    found: list[Account] = []
    after = None
    while page := await stores.accounts.find([], after, 3):
        found += page
        after = page[-1].create_time, page[-1].id
    assert found == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition("state", "=", "DISABLED"), {"c_%@example.org"}),
        (Condition("state", "!=", "DISABLED"), {"a@example.org", "B@example.org"}),
        (Condition("verified", "=", True), {"B@example.org"}),
        (Condition("verified", "!=", True), {"a@example.org", "c_%@example.org"}),
        (Condition("email", "=", "b@EXAMPLE.org"), {"B@example.org"}),
        (Condition("email", "!=", "b@EXAMPLE.org"), {"a@example.org", "c_%@example.org"}),
        (Condition("email", ":", "_%"), {"c_%@example.org"}),
        (Condition("email", ":", "' OR 1=1 --"), set()),
    ],
)
async def test_accounts_are_found_by_conditions(
    stores: Stores, condition: Condition, expected: set[str]
) -> None:
    await stores.accounts.add(Change(an_account("a@example.org")))
    await stores.accounts.add(Change(an_account("B@example.org", verified=True)))
    await stores.accounts.add(Change(an_account("c_%@example.org", state=State.DISABLED)))
    found = await stores.accounts.find([condition], None, 10)
    assert {one.email for one in found} == expected


async def test_a_code_is_good_once_however_many_use_it(stores: Stores) -> None:
    account = an_account()
    code, letter = new_code(account.email, NOW, LIFETIME)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    verified = Change(account.shown_to_be_theirs(NOW))
    outcomes = await asyncio.gather(
        *(stores.accounts.try_code(account.id, letter.digits, NOW, verified) for _ in range(5))
    )
    assert sorted(outcomes) == [False, False, False, False, True]
    now_stored = await stores.accounts.get(account.id)
    assert now_stored is not None
    assert now_stored.verified


async def test_a_code_is_dead_after_five_attempts_also_if_they_are_at_once(stores: Stores) -> None:
    account = an_account()
    code, letter = new_code(account.email, NOW, LIFETIME)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    wrong = f"{(int(letter.digits) + 1) % 10**6:06d}"
    outcomes = await asyncio.gather(
        *(stores.accounts.try_code(account.id, wrong, NOW, None) for _ in range(5))
    )
    assert not any(outcomes)
    assert not await stores.accounts.try_code(account.id, letter.digits, NOW, None)


async def test_a_code_ends_and_a_new_one_replaces_it(stores: Stores) -> None:
    account = an_account()
    code, letter = new_code(account.email, NOW, LIFETIME)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    assert not await stores.accounts.try_code(account.id, letter.digits, NOW + LIFETIME, None)
    later = NOW + LIFETIME
    code2, letter2 = new_code(account.email, later, LIFETIME)
    await stores.accounts.replace_code(account.id, code2, letter2)
    if letter.digits != letter2.digits:
        assert not await stores.accounts.try_code(account.id, letter.digits, later, None)
    assert await stores.accounts.try_code(account.id, letter2.digits, later, None)


async def test_a_code_that_fits_an_account_that_has_changed_is_not_used_up(stores: Stores) -> None:
    account = an_account()
    code, letter = new_code(account.email, NOW, LIFETIME)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    stale = Change(account.shown_to_be_theirs(NOW))
    renamed = account.renamed("Ada", "", NOW)
    await stores.accounts.save(Change(renamed))
    with pytest.raises(AccountChanged):
        await stores.accounts.try_code(account.id, letter.digits, NOW, stale)
    good = Change(renamed.shown_to_be_theirs(NOW))
    assert await stores.accounts.try_code(account.id, letter.digits, NOW, good)


async def test_a_code_of_nobody_is_false(stores: Stores) -> None:
    assert not await stores.accounts.try_code("", "123456", NOW, None)


async def test_letters_are_leased_postponed_and_dropped(stores: Stores) -> None:
    letters = [address_taken_letter(f"{n}@example.org", NOW, LIFETIME) for n in range(3)]
    for n, letter in enumerate(letters):
        await stores.accounts.send(letter, None, NOW + timedelta(seconds=n))
    first = await stores.letters.next_due()
    assert first is not None
    assert first <= NOW
    lease_end = NOW + timedelta(seconds=30)
    late = NOW + timedelta(seconds=5)
    assert await stores.letters.due(late, lease_end, 2) == [(letters[0], 0), (letters[1], 0)]
    assert await stores.letters.due(late, lease_end, 5) == [(letters[2], 0)]
    assert await stores.letters.due(late, lease_end, 5) == []
    await stores.letters.postpone(letters[0].delivery_id, late + timedelta(seconds=1))
    await stores.letters.drop(letters[1].delivery_id)
    again = late + timedelta(seconds=1)
    assert await stores.letters.due(again, lease_end, 5) == [(letters[0], 1)]
    # Nobody said what became of the third one: when its lease ends it is due again.
    assert (letters[2], 0) in await stores.letters.due(lease_end, lease_end + LIFETIME, 5)


async def test_letters_that_the_dead_had_are_reclaimed(stores: Stores) -> None:
    letter = address_taken_letter("ada@example.org", NOW, LIFETIME)
    await stores.accounts.send(letter, None, NOW)
    assert await stores.letters.due(NOW, NOW + LIFETIME, 5)
    assert await stores.letters.reclaim(NOW) == 1
    assert await stores.letters.due(NOW, NOW + LIFETIME, 5) == [(letter, 0)]


async def test_two_workers_never_hold_one_letter(stores: Stores) -> None:
    for n in range(10):
        await stores.accounts.send(
            address_taken_letter(f"{n}@example.org", NOW, LIFETIME), None, NOW
        )
    lease_end = NOW + timedelta(seconds=30)
    taken = await asyncio.gather(*(stores.letters.due(NOW, lease_end, 4) for _ in range(5)))
    ids = [letter.delivery_id for one in taken for letter, _ in one]
    assert len(ids) == len(set(ids)) == 10


async def test_everything_is_there_after_a_restart_and_the_code_is_sealed(
    opening: Opening,
) -> None:
    first = await opening()
    account = an_account()
    code, letter = new_code(account.email, NOW, LIFETIME)
    await first.accounts.add(Change(account, code=code, letter=letter))
    stored = await what_is_stored(first.database)
    await first.database.close()
    assert account.email.encode() in stored
    assert letter.digits.encode() not in stored.replace(account.uid.encode(), b"")
    second = await opening()
    assert await second.accounts.get(account.id) == account
    [(found, _)] = await second.letters.due(NOW, NOW + LIFETIME, 5)
    assert found == letter
    assert await second.accounts.try_code(account.id, found.digits, NOW, None)
    await second.database.close()
