"""Invitations, as their port promises them, on every SQL engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.bus import Record
from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.invitation_store.sql import SqlInvitationStore
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.domain.account import Account
from user_svc.domain.code import Addressee, invitation_letter
from user_svc.domain.contact import email, phone
from user_svc.domain.faults import InvitationInvalid, TooManyInvitations
from user_svc.domain.invitation import Invitation, InvitationFact, Use, digest_of, new_code
from user_svc.domain.names import new_id
from user_svc.ports.accounts import AddressTaken, Change, Removal
from user_svc.ports.invitations import InvitationStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MANY = 10


@dataclass
class Stores:
    """The stores of one installation."""

    database: Database
    accounts: SqlAccountStore
    invitations: InvitationStore
    letters: SqlLetterStore
    told: list[tuple[InvitationFact, str]] = field(default_factory=list)

    async def made(self, code: str, number: int = 1, **more: object) -> Invitation:
        """An invitation that is stored."""
        invitation = Invitation(
            id=f"inv{number}",
            digest=digest_of(code),
            user_id="root",
            create_time=NOW + timedelta(seconds=number // 2),
            expire_time=NOW + 7 * DAY,
        )
        invitation = replace(invitation, **more)
        await self.invitations.add(invitation, None, most=MANY)
        return invitation


def account_of(name: str, **more: object) -> Account:
    """Somebody who is about to sign up."""
    made = Account(
        id=new_id(),
        uid=new_id(),
        email=f"{name}@example.org",
        password_hash="$hash",
        create_time=NOW,
        update_time=NOW,
    )
    return replace(made, **more)


def use(code: str, name: str) -> Use:
    """Somebody signs up with a code."""
    return Use(digest_of(code), email(f"{name}@example.org"))


@pytest.fixture(params=SQL_ENGINES)
async def stores(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Stores]:
    """Stores with nothing in them."""
    url = sql_place(request.param, "user_svc.schema")
    database = await open_database(url, "user_svc.schema", SystemClock())
    vault = Vault(b"k" * 32)
    told: list[tuple[InvitationFact, str]] = []

    def encode(kind: InvitationFact, one: Invitation, _now: datetime) -> list[Record]:
        told.append((kind, one.name))
        return [Record("allocator.users.facts.v1", one.name, b"", {})]

    yield Stores(
        database,
        SqlAccountStore(database, vault, lambda fact: [], lambda: None),
        SqlInvitationStore(database, vault, encode, lambda: None),
        SqlLetterStore(database, vault),
        told,
    )
    await database.close()


async def test_what_is_stored_comes_back_whole(stores: Stores) -> None:
    made = await stores.made(new_code(), title="für Ada 🦊", email="ada@example.org", max_uses=1)
    assert await stores.invitations.get(made.id) == made
    assert await stores.invitations.get("none") is None
    assert stores.told == [(InvitationFact.CREATED, made.name)]


async def test_lists_come_newest_first_and_by_pages(stores: Stores) -> None:
    made = [await stores.made(new_code(), number) for number in range(1, 6)]
    expected = sorted(made, key=lambda one: (one.create_time, one.id), reverse=True)
    found: list[Invitation] = []
    after = None
    while page := await stores.invitations.find(after, 2):
        found += page
        after = (page[-1].create_time, page[-1].id)
    assert found == expected


async def test_the_letter_is_stored_with_it_and_the_code_is_sealed(stores: Stores) -> None:
    code = new_code()
    letter = invitation_letter(Addressee(email("ada@example.org")), code, NOW + 7 * DAY)
    invitation = Invitation("inv1", digest_of(code), "root", NOW, NOW + 7 * DAY)
    await stores.invitations.add(invitation, letter, most=MANY)
    assert code.encode() not in await what_is_stored(stores.database)
    [(found, attempts)] = await stores.letters.due(NOW, NOW + DAY, 10)
    assert (found, attempts) == (letter, 0)


async def test_more_than_may_be_open_are_refused(stores: Stores) -> None:
    for number in range(1, MANY + 1):
        ended = number == 1
        await stores.made(new_code(), number, expire_time=NOW - DAY if ended else NOW + DAY)
    await stores.made(new_code(), 20)
    with pytest.raises(TooManyInvitations):
        await stores.made(new_code(), 21)
    assert await stores.invitations.get("inv21") is None


async def test_a_use_is_counted_with_the_account_or_not_at_all(stores: Stores) -> None:
    code = new_code()
    made = await stores.made(code, max_uses=2)
    await stores.accounts.add(Change(account_of("ada"), use=use(code, "ada")))
    with pytest.raises(AddressTaken):
        await stores.accounts.add(Change(account_of("ada"), use=use(code, "bob")))
    assert (await stores.invitations.get(made.id)).use_count == 1
    with pytest.raises(InvitationInvalid):
        await stores.accounts.add(Change(account_of("eve"), use=use(new_code(), "eve")))
    assert await stores.accounts.by_email("eve@example.org") is None


async def test_of_many_at_once_each_use_is_counted(stores: Stores) -> None:
    code = new_code()
    made = await stores.made(code, max_uses=4)
    outcomes = await asyncio.gather(
        *(
            stores.accounts.add(Change(account_of(f"p{n}"), use=use(code, f"p{n}")))
            for n in range(12)
        ),
        return_exceptions=True,
    )
    assert outcomes.count(None) == 4
    assert {type(one) for one in outcomes if one is not None} == {InvitationInvalid}
    assert (await stores.invitations.get(made.id)).use_count == 4
    found = await stores.accounts.find([], [("create_time", True)], None, 20)
    assert len(found) == 4


async def test_the_same_contact_again_is_no_further_use(stores: Stores) -> None:
    code = new_code()
    made = await stores.made(code)
    letter = invitation_letter(Addressee(email("ada@example.org")), "x", NOW + DAY)
    for number in range(3):
        one = replace(letter, delivery_id=f"{number:036d}")
        await stores.accounts.send(one, None, NOW, use(code, "ADA" if number else "ada"))
    assert (await stores.invitations.get(made.id)).use_count == 1
    assert await stores.invitations.can_be_used(use(code, "ada"), NOW)
    assert not await stores.invitations.can_be_used(use(code, "bob"), NOW)
    with pytest.raises(InvitationInvalid):
        await stores.accounts.send(replace(letter, delivery_id="9" * 36), None, NOW, use(code, "b"))
    assert len(await stores.letters.due(NOW, NOW + DAY, 10)) == 3


async def test_who_can_use_it_is_who_was_invited_while_it_lasts(stores: Stores) -> None:
    anybody, one = new_code(), new_code()
    await stores.made(anybody, 1, max_uses=9)
    await stores.made(one, 2, email="Ada@example.org")
    can = stores.invitations.can_be_used
    end = NOW + 7 * DAY
    assert await can(use(anybody, "bob"), end - timedelta(milliseconds=1))
    assert not await can(use(anybody, "bob"), end)
    assert await can(Use(digest_of(anybody), phone("+4930123456")), NOW)
    assert await can(use(one, "ADA"), NOW)
    assert not await can(use(one, "bob"), NOW)
    assert not await can(Use(digest_of(one), phone("+4930123456")), NOW)
    assert not await can(use(new_code(), "ada"), NOW)


async def test_what_is_withdrawn_is_gone_once(stores: Stores) -> None:
    code = new_code()
    made = await stores.made(code, max_uses=9)
    await stores.accounts.add(Change(account_of("ada"), use=use(code, "ada")))
    outcomes = await asyncio.gather(*(stores.invitations.delete(made.id, NOW) for _ in range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    assert not await stores.invitations.can_be_used(use(code, "ada"), NOW)
    assert (InvitationFact.DELETED, made.name) in stores.told


async def test_old_ones_are_swept_and_so_are_those_of_who_has_gone(stores: Stores) -> None:
    codes = [new_code() for _ in range(3)]
    admin = account_of("root", email_verified=True)
    await stores.accounts.add(Change(admin))
    await stores.made(codes[0], 1, expire_time=NOW + DAY)
    kept = await stores.made(codes[1], 2)
    await stores.made(codes[2], 3, user_id=admin.id)
    for number, code in enumerate(codes):
        await stores.accounts.add(Change(account_of(f"p{number}"), use=use(code, f"p{number}")))
    await stores.accounts.remove(Removal(admin, NOW, NOW + DAY))
    assert await stores.invitations.sweep(NOW + 2 * DAY) == 1
    assert [one.id for one in await stores.invitations.find(None, 10)] == [kept.id]
    marks = await stores.database.read(
        lambda connection: (
            connection.exec_driver_sql("SELECT invitation_id FROM invitation_uses").scalars().all()
        )
    )
    assert marks == [kept.id]
