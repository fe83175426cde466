"""Accounts, codes and letters, as their ports promise them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

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
from user_svc.domain.code import (
    Addressee,
    Code,
    Letter,
    Purpose,
    address_changed_letter,
    address_taken_letter,
    new_code,
)
from user_svc.domain.contact import ContactKind, email, phone
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
    Removal,
    SessionsEnded,
)
from user_svc.schema.tables import METADATA, USERS
from user_svc.transport.mapping import user_records

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=10)
NEWEST_FIRST = [("create_time", True)]
PHONE = "+4930123456"


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
            SqlSessionStore(database, vault, lambda session: [], lambda: None),
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


def an_account(address: str = "ada@example.org", **fields: object) -> Account:
    """An account that nobody else has."""
    made = Account(new_id(), str(uuid.uuid4()), address, "hash", NOW, NOW)
    return replace(made, **fields)  # type: ignore[arg-type]


def a_code(address: str, now: datetime = NOW) -> tuple[Code, Letter]:
    """A code that goes to an address, and its letter."""
    return new_code(Addressee(email(address)), Purpose.SIGN_UP, now, LIFETIME)


def a_note(address: str) -> Letter:
    """A letter without a code."""
    return address_taken_letter(Addressee(email(address)), NOW, LIFETIME)


async def tried(
    store: AccountStore,
    account: Account,
    digits: str,
    now: datetime = NOW,
    change: Change | None = None,
) -> bool:
    """Whether the digits are the code with which the account was made."""
    return await store.try_code(
        account.id, Purpose.SIGN_UP, account.first_contact, digits, now=now, change=change
    )


def an_admin(address: str) -> Account:
    """An admin who can act."""
    return an_account(address, email_verified=True, roles=frozenset({Role.ADMIN}))


async def test_an_account_comes_back_as_it_was_stored(stores: Stores) -> None:
    account = an_account(
        "Ada@Example.org",
        phone_number="+4930123456",
        given_name="Ada 🦊",
        family_name="O'Neil; DROP TABLE users",
        language_code="de",
        disable_reason="Mines coins.",
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
    mine = {"phone_number": PHONE, "phone_verified": True}
    await stores.accounts.add(Change(an_account("a@example.org")))
    await stores.accounts.add(Change(an_account("b@example.org")))
    await stores.accounts.add(Change(an_account("c@example.org", **mine)))
    with pytest.raises(PhoneTaken):
        await stores.accounts.add(Change(an_account("d@example.org", **mine)))
    known = await stores.accounts.by_email("a@example.org")
    assert known is not None
    with pytest.raises(PhoneTaken):
        await stores.accounts.save(Change(known.with_contact(phone(PHONE), NOW)))
    assert await stores.accounts.get(known.id) == known


async def test_a_contact_that_is_not_claimed_keeps_nobody_out(stores: Stores) -> None:
    loose = an_account("a@example.org", phone_number=PHONE)
    by_phone = an_account(
        "A@example.org", phone_number=PHONE, phone_verified=True, signed_up_by=ContactKind.PHONE
    )
    await stores.accounts.add(Change(loose))
    await stores.accounts.add(Change(by_phone))
    assert await stores.accounts.by_contact(phone(PHONE)) == by_phone
    assert await stores.accounts.by_contact(email("A@EXAMPLE.org")) == loose
    assert await stores.accounts.get(loose.id) == loose
    assert await stores.accounts.get(by_phone.id) == by_phone
    with pytest.raises(AddressTaken):
        await stores.accounts.save(Change(by_phone.with_contact(email("a@example.org"), NOW)))


async def test_a_number_of_a_first_release_gives_way_to_whoever_shows_it(stores: Stores) -> None:
    old, new = an_account("old@example.org", email_verified=True), an_account("new@example.org")
    for one in (old, new):
        await stores.accounts.add(Change(one))
    # As it was stored then: in the unique column, though it was never verified.
    as_then = update(USERS).where(USERS.c.id == old.id).values(phone_number=PHONE)
    await stores.database.write(lambda connection: connection.execute(as_then).rowcount)
    assert await stores.accounts.by_contact(phone(PHONE)) is None
    shown = new.with_contact(phone(PHONE), NOW)
    await stores.accounts.save(Change(shown))
    assert await stores.accounts.by_contact(phone(PHONE)) == shown
    assert await stores.accounts.get(old.id) == replace(old, phone_number=PHONE)


async def test_of_many_who_claim_one_number_at_once_one_gets_it(stores: Stores) -> None:
    people = [an_account(f"p{n}@example.org") for n in range(6)]
    for one in people:
        await stores.accounts.add(Change(one))
    outcomes = await asyncio.gather(
        *(stores.accounts.save(Change(one.with_contact(phone(PHONE), NOW))) for one in people),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(one, PhoneTaken) for one in outcomes) == 5


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
    code, letter = a_code(again.email, NOW)
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
        await stores.accounts.send(a_note("x@example.org"), once, NOW)
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
    while page := await stores.accounts.find([], NEWEST_FIRST, after, 3):
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
        (Condition("role", "=", "ADMIN"), {"B@example.org"}),
        (Condition("role", "!=", "ADMIN"), {"a@example.org", "c_%@example.org"}),
        (Condition("phone_number", "=", PHONE), {"a@example.org"}),
        (Condition("phone_number", ":", "4930"), {"a@example.org"}),
        (Condition("phone_number", "!=", PHONE), {"B@example.org", "c_%@example.org"}),
        (Condition("create_time", ">", NOW), {"c_%@example.org"}),
        (Condition("create_time", "<=", NOW), {"a@example.org", "B@example.org"}),
        (Condition("create_time", "=", NOW), {"a@example.org", "B@example.org"}),
        (Condition("create_time", "!=", NOW), {"c_%@example.org"}),
    ],
)
async def test_accounts_are_found_by_conditions(
    stores: Stores, condition: Condition, expected: set[str]
) -> None:
    await stores.accounts.add(Change(an_account("a@example.org", phone_number=PHONE)))
    await stores.accounts.add(Change(an_admin("B@example.org")))
    later = NOW + timedelta(seconds=1)
    await stores.accounts.add(
        Change(an_account("c_%@example.org", state=State.DISABLED, create_time=later))
    )
    found = await stores.accounts.find([condition], NEWEST_FIRST, None, 10)
    assert {one.email for one in found} == expected


async def test_a_code_is_good_once_however_many_use_it(stores: Stores) -> None:
    account = an_account()
    code, letter = a_code(account.email, NOW)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    verified = Change(account.shown_to_be_theirs(NOW))
    outcomes = await asyncio.gather(
        *(tried(stores.accounts, account, letter.digits, NOW, verified) for _ in range(5))
    )
    assert sorted(outcomes) == [False, False, False, False, True]
    now_stored = await stores.accounts.get(account.id)
    assert now_stored is not None
    assert now_stored.verified


async def test_a_code_is_dead_after_five_attempts_also_if_they_are_at_once(stores: Stores) -> None:
    account = an_account()
    code, letter = a_code(account.email, NOW)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    wrong = f"{(int(letter.digits) + 1) % 10**6:06d}"
    outcomes = await asyncio.gather(
        *(tried(stores.accounts, account, wrong, NOW, None) for _ in range(5))
    )
    assert not any(outcomes)
    assert not await tried(stores.accounts, account, letter.digits, NOW, None)


async def test_a_code_ends_and_a_new_one_replaces_it(stores: Stores) -> None:
    account = an_account()
    code, letter = a_code(account.email, NOW)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    assert not await tried(stores.accounts, account, letter.digits, NOW + LIFETIME, None)
    later = NOW + LIFETIME
    code2, letter2 = a_code(account.email, later)
    await stores.accounts.replace_code(account.id, code2, letter2)
    if letter.digits != letter2.digits:
        assert not await tried(stores.accounts, account, letter.digits, later, None)
    assert await tried(stores.accounts, account, letter2.digits, later, None)


async def test_a_code_that_fits_an_account_that_has_changed_is_not_used_up(stores: Stores) -> None:
    account = an_account()
    code, letter = a_code(account.email, NOW)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    stale = Change(account.shown_to_be_theirs(NOW))
    renamed = account.renamed("Ada", "", NOW)
    await stores.accounts.save(Change(renamed))
    with pytest.raises(AccountChanged):
        await tried(stores.accounts, account, letter.digits, NOW, stale)
    good = Change(renamed.shown_to_be_theirs(NOW))
    assert await tried(stores.accounts, account, letter.digits, NOW, good)


async def test_a_code_of_nobody_is_false(stores: Stores) -> None:
    assert not await tried(stores.accounts, an_account(id=""), "123456")


async def test_a_code_counts_for_its_purpose_and_its_contact_only(stores: Stores) -> None:
    account = an_account()
    await stores.accounts.add(Change(account))
    code, letter = new_code(Addressee(phone(PHONE)), Purpose.NEW_CONTACT, NOW, LIFETIME)
    await stores.accounts.replace_code(account.id, code, letter)
    assert await stores.accounts.code_of(account.id, Purpose.NEW_CONTACT) == code
    assert await stores.accounts.code_of(account.id, Purpose.SIGN_UP) is None
    assert not await tried(stores.accounts, account, letter.digits)
    for contact, right in ((email("ada@example.org"), False), (phone(PHONE), True)):
        assert right is await stores.accounts.try_code(
            account.id, Purpose.NEW_CONTACT, contact, letter.digits, now=NOW, change=None
        )


async def test_a_change_may_end_every_code(stores: Stores) -> None:
    account = an_account()
    code, letter = a_code(account.email)
    await stores.accounts.add(Change(account, code=code, letter=letter))
    await stores.accounts.save(Change(account.with_password("other", NOW), ends_codes=True))
    assert not await tried(stores.accounts, account, letter.digits)


async def test_codes_that_nobody_gets_are_stored_without_an_account(stores: Stores) -> None:
    for address in ("a@example.org", "b@example.org"):
        code, _ = a_code(address)
        await stores.accounts.replace_code("-", code, None)
    assert await stores.letters.next_due() is None
    assert not await tried(stores.accounts, an_account(id=""), "123456")


async def test_what_is_kept_of_a_person_goes_with_the_account(stores: Stores) -> None:
    account, other = an_account(), an_account("other@example.org")
    code, letter = new_code(
        Addressee(email(account.email), account.name), Purpose.PASSWORD_RESET, NOW, LIFETIME
    )
    await stores.accounts.add(Change(account, code=code, letter=letter))
    await stores.accounts.add(Change(other))
    session, _ = open_session(account.id, NOW, timedelta(days=1), "a browser", "192.0.2.77")
    await stores.sessions.add(session, 10)
    until = NOW + timedelta(minutes=16)
    await stores.accounts.remove(Removal(account, NOW, until))
    assert await stores.accounts.get(account.id) is None
    assert await stores.accounts.by_email(account.email) is None
    assert await stores.accounts.code_of(account.id, Purpose.PASSWORD_RESET) is None
    assert await stores.sessions.get(session.id) is None
    assert await stores.letters.next_due() is None
    assert (account.name, "", until) in {
        (one.user, one.session, one.issued_before)
        for one in await stores.trust.revocations(NOW, NOW)
    }
    assert await stores.accounts.get(other.id) == other
    rows = await stores.database.read(
        lambda connection: [
            str(row)
            for table in METADATA.sorted_tables
            for row in connection.execute(select(table))
        ]
    )
    for trace in (account.email, "192.0.2.77", "a browser"):
        assert trace not in "".join(rows)


async def test_the_name_of_an_account_that_has_ended_is_not_used_again(stores: Stores) -> None:
    account = an_account()
    await stores.accounts.add(Change(account))
    await stores.accounts.remove(Removal(account, NOW, NOW))
    with pytest.raises(AccountChanged):
        await stores.accounts.add(Change(account))
    again = an_account()
    await stores.accounts.add(Change(again))
    assert await stores.accounts.by_email(account.email) == again


async def test_an_account_ends_once_and_in_the_version_that_is_known(stores: Stores) -> None:
    account = an_account()
    await stores.accounts.add(Change(account))
    changed = account.renamed("Ada", "", NOW)
    await stores.accounts.save(Change(changed))
    with pytest.raises(AccountChanged):
        await stores.accounts.remove(Removal(account, NOW, NOW))
    outcomes = await asyncio.gather(
        *(stores.accounts.remove(Removal(changed, NOW, NOW)) for _ in range(4)),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 1
    assert sum(isinstance(one, AccountChanged) for one in outcomes) == 3


async def test_the_last_admin_cannot_go_however_many_go_at_once(stores: Stores) -> None:
    admins = [an_admin(f"admin{n}@example.org") for n in range(4)]
    assert not await stores.accounts.has_admin()
    for admin in admins:
        await stores.accounts.add(Change(admin))
    outcomes = await asyncio.gather(
        *(stores.accounts.remove(Removal(admin, NOW, NOW)) for admin in admins),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 3
    assert sum(isinstance(one, LastAdmin) for one in outcomes) == 1
    assert await stores.accounts.has_admin()


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([("email", False)], "abcd"),
        ([("email", True)], "dcba"),
        ([("update_time", True), ("email", False)], "bdac"),
        ([("create_time", False), ("email", True)], "dbca"),
    ],
)
async def test_accounts_are_listed_in_an_order_by_pages(
    stores: Stores, order: list[tuple[str, bool]], expected: str
) -> None:
    times = {"a": (1, 1), "b": (0, 2), "c": (1, 1), "d": (0, 2)}
    for letter in "cadb":
        created, updated = times[letter]
        account = an_account(
            f"{letter.upper()}@example.org",
            create_time=NOW + timedelta(seconds=created),
            update_time=NOW + timedelta(seconds=updated),
        )
        await stores.accounts.add(Change(account))
    found = ""
    after = None
    while page := await stores.accounts.find([], order, after, 1):
        [one] = page
        found += one.email[0].lower()
        parts = {
            "email": one.email.lower(),
            "create_time": one.create_time,
            "update_time": one.update_time,
        }
        after = (*(parts[field] for field, _ in order), one.id)
    assert found == expected


async def test_a_letter_comes_back_as_it_was_stored(stores: Stores) -> None:
    to = Addressee(phone(PHONE), "users/ada", "de")
    note = address_changed_letter(to, email("new@example.org"), NOW, LIFETIME)
    assert note.new_contact == "n***@example.org"
    _, code = new_code(to, Purpose.PASSWORD_RESET, NOW, LIFETIME)
    await stores.accounts.send(note, None, NOW)
    await stores.accounts.send(code, None, NOW + timedelta(milliseconds=1))
    late = NOW + timedelta(seconds=1)
    found = await stores.letters.due(late, late + LIFETIME, 5)
    assert [letter for letter, _ in found] == [note, code]


async def test_letters_are_leased_postponed_and_dropped(stores: Stores) -> None:
    letters = [a_note(f"{n}@example.org") for n in range(3)]
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
    letter = a_note("ada@example.org")
    await stores.accounts.send(letter, None, NOW)
    assert await stores.letters.due(NOW, NOW + LIFETIME, 5)
    assert await stores.letters.reclaim(NOW) == 1
    assert await stores.letters.due(NOW, NOW + LIFETIME, 5) == [(letter, 0)]


async def test_two_workers_never_hold_one_letter(stores: Stores) -> None:
    for n in range(10):
        await stores.accounts.send(a_note(f"{n}@example.org"), None, NOW)
    lease_end = NOW + timedelta(seconds=30)
    taken = await asyncio.gather(*(stores.letters.due(NOW, lease_end, 4) for _ in range(5)))
    ids = [letter.delivery_id for one in taken for letter, _ in one]
    assert len(ids) == len(set(ids)) == 10


async def test_everything_is_there_after_a_restart_and_the_code_is_sealed(
    opening: Opening,
) -> None:
    first = await opening()
    account = an_account()
    code, letter = a_code(account.email, NOW)
    await first.accounts.add(Change(account, code=code, letter=letter))
    stored = await what_is_stored(first.database)
    await first.database.close()
    assert account.email.encode() in stored
    assert letter.digits.encode() not in stored.replace(account.uid.encode(), b"")
    second = await opening()
    assert await second.accounts.get(account.id) == account
    [(found, _)] = await second.letters.due(NOW, NOW + LIFETIME, 5)
    assert found == letter
    assert await tried(second.accounts, account, found.digits)
    await second.database.close()
