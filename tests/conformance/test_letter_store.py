"""Letters that wait, as their port promises them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.identity.vault import VaultBroken
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.domain.code import Addressee, Letter, LetterKind
from user_svc.domain.contact import Contact, ContactKind
from user_svc.ports.accounts import AccountStore, LetterStore
from user_svc.transport.mapping import user_records

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE_END = NOW + 30 * SECOND
LAST_INSTANT = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@dataclass
class Post:
    """The letters of one process, and the accounts from which they come."""

    database: Database
    accounts: AccountStore
    letters: LetterStore

    async def send(self, *letters: Letter, at: datetime = NOW) -> None:
        """Stores letters that are due then."""
        for letter in letters:
            await self.accounts.send(letter, None, at)


Opening = Callable[..., Awaitable[Post]]


@pytest.fixture(params=SQL_ENGINES)
async def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opening]:
    """Opens the same store each time that it is called, as one more process would."""
    url = sql_place(request.param, "user_svc.schema")
    opened: list[Database] = []

    async def open_(vault_key: bytes = b"k" * 32) -> Post:
        database = await open_database(url, "user_svc.schema", SystemClock())
        opened.append(database)
        vault = Vault(vault_key)
        accounts = SqlAccountStore(database, vault, user_records, lambda: None)
        return Post(database, accounts, SqlLetterStore(database, vault))

    yield open_
    for database in opened:
        await database.close()


@pytest.fixture
async def post(opening: Opening) -> Post:
    """A store with nothing in it."""
    return await opening()


def a_letter(email: str = "ada@example.org", digits: str = "012345") -> Letter:
    """A letter that nobody else has sent."""
    kind = LetterKind.VERIFICATION_CODE if digits else LetterKind.ADDRESS_TAKEN
    to = Addressee(Contact(ContactKind.EMAIL, email))
    return Letter(str(uuid.uuid4()), to, kind, NOW + timedelta(minutes=10), digits)


async def test_where_nothing_waits_there_is_nothing_to_do(post: Post) -> None:
    assert await post.letters.due(NOW, LEASE_END, 10) == []
    assert await post.letters.next_due() is None
    assert await post.letters.reclaim(NOW) == 0


@pytest.mark.parametrize(
    "letter",
    [
        a_letter(digits=""),
        a_letter(digits="000000"),
        a_letter("🦊@exämple.org", "🦊" * 6),
        a_letter("a" * 242 + "@example.org", "9" * 72),
        a_letter("'; DROP TABLE letters; --@example.org"),
        replace(a_letter(), expire_time=LAST_INSTANT),
    ],
)
async def test_a_letter_comes_back_as_it_was_sent(post: Post, letter: Letter) -> None:
    await post.send(letter)
    assert await post.letters.due(NOW, LEASE_END, 10) == [(letter, 0)]


async def test_a_letter_is_due_at_once_also_where_the_clock_is_behind(post: Post) -> None:
    letter = a_letter()
    await post.send(letter, at=NOW)
    behind = NOW - timedelta(minutes=2)
    first = await post.letters.next_due()
    assert first is not None
    assert first <= behind
    assert await post.letters.due(behind, LEASE_END, 10) == [(letter, 0)]


async def test_a_postponed_letter_is_due_at_its_time_and_not_before(post: Post) -> None:
    letter = a_letter()
    await post.send(letter, at=NOW)
    await post.letters.due(NOW, LEASE_END, 10)
    await post.letters.postpone(letter.delivery_id, NOW + SECOND)
    just_before = NOW + SECOND - timedelta(milliseconds=1)
    assert await post.letters.next_due() == NOW + SECOND
    assert await post.letters.due(just_before, LEASE_END, 10) == []
    assert await post.letters.due(NOW + SECOND, LEASE_END, 10) == [(letter, 1)]


async def test_the_oldest_are_taken_first_and_no_more_than_asked_for(post: Post) -> None:
    letters = [a_letter(f"{n}@example.org") for n in range(5)]
    for n in (3, 0, 4, 2, 1):
        await post.send(letters[n], at=NOW + n * SECOND)
    late = NOW + 10 * SECOND
    assert await post.letters.due(late, LEASE_END, 3) == [(one, 0) for one in letters[:3]]
    assert await post.letters.due(late, LEASE_END, 3) == [(one, 0) for one in letters[3:]]


async def test_a_letter_is_nobody_elses_until_its_lease_ends(post: Post) -> None:
    letter = a_letter()
    await post.send(letter)
    await post.letters.due(NOW, LEASE_END, 10)
    assert await post.letters.next_due() == LEASE_END
    just_before = LEASE_END - timedelta(milliseconds=1)
    assert await post.letters.due(just_before, LEASE_END + SECOND, 10) == []
    # To be taken is no attempt: whoever took it has not said that it failed.
    assert await post.letters.due(LEASE_END, LEASE_END + SECOND, 10) == [(letter, 0)]


async def test_each_postponement_is_one_attempt_more(post: Post) -> None:
    letter, other = a_letter(), a_letter("grace@example.org")
    await post.send(letter, other)
    await post.letters.due(NOW, LEASE_END, 10)
    for n in range(1, 4):
        await post.letters.postpone(letter.delivery_id, NOW + n * SECOND)
        assert await post.letters.next_due() == NOW + n * SECOND
        assert await post.letters.due(NOW + n * SECOND, LEASE_END, 10) == [(letter, n)]


async def test_a_letter_that_was_dropped_is_gone_also_when_it_is_dropped_again(post: Post) -> None:
    letter, other = a_letter(), a_letter("grace@example.org")
    await post.send(letter, other)
    for _ in range(2):
        await post.letters.drop(letter.delivery_id)
    # Somebody whose lease had ended comes late: that brings nothing back.
    await post.letters.postpone(letter.delivery_id, NOW)
    assert await post.letters.due(NOW, LEASE_END, 10) == [(other, 0)]


@pytest.mark.parametrize("delivery_id", ["", "nobodys", "🦊", "' OR 1=1 --", "%", "x" * 10_000])
async def test_what_happens_to_no_letter_changes_none(post: Post, delivery_id: str) -> None:
    letter = a_letter()
    await post.send(letter)
    await post.letters.postpone(delivery_id, LAST_INSTANT)
    await post.letters.drop(delivery_id)
    assert await post.letters.due(NOW, LEASE_END, 10) == [(letter, 0)]


async def test_processes_at_once_never_hold_one_letter(opening: Opening) -> None:
    posts = [await opening() for _ in range(3)]
    sent = [a_letter(f"{n}@example.org") for n in range(30)]
    await posts[0].send(*sent)
    taken = await asyncio.gather(
        *(post.letters.due(NOW, LEASE_END, 4) for _ in range(4) for post in posts)
    )
    ids = [letter.delivery_id for some in taken for letter, _ in some]
    assert len(ids) == len(set(ids))
    assert set(ids) == {letter.delivery_id for letter in sent}


async def test_attempts_that_fail_at_once_are_each_counted(opening: Opening) -> None:
    posts = [await opening() for _ in range(2)]
    letter = a_letter()
    await posts[0].send(letter)
    await asyncio.gather(
        *(post.letters.postpone(letter.delivery_id, NOW) for _ in range(5) for post in posts)
    )
    assert await posts[0].letters.due(NOW, LEASE_END, 10) == [(letter, 10)]


async def test_letters_and_their_attempts_are_there_after_a_restart(opening: Opening) -> None:
    before = await opening()
    letter, leased = a_letter(), a_letter("grace@example.org")
    await before.send(letter)
    await before.letters.postpone(letter.delivery_id, NOW + SECOND)
    await before.send(leased)
    await before.letters.due(NOW, LEASE_END, 10)
    await before.database.close()
    after = await opening()
    assert await after.letters.due(NOW + SECOND, LEASE_END + SECOND, 10) == [(letter, 1)]
    assert await after.letters.due(LEASE_END, LEASE_END + SECOND, 10) == [(leased, 0)]


async def test_a_start_reclaims_what_was_not_due_and_counts_only_that(opening: Opening) -> None:
    before = await opening()
    leased, postponed, waiting = (a_letter(f"{n}@example.org") for n in range(3))
    await before.send(leased)
    await before.letters.due(NOW, LEASE_END, 10)
    await before.send(postponed, waiting)
    await before.letters.postpone(postponed.delivery_id, LEASE_END + SECOND)
    await before.database.close()
    after = await opening()
    assert await after.letters.reclaim(NOW) == 2
    assert await after.letters.reclaim(NOW) == 0
    found = {one.email: tried for one, tried in await after.letters.due(NOW, LEASE_END, 10)}
    assert found == {leased.email: 0, postponed.email: 1, waiting.email: 0}


async def test_codes_are_sealed_with_the_key_of_the_installation(
    opening: Opening,
) -> None:
    post = await opening()
    letter = a_letter(digits="a code that is long enough to be found")
    await post.send(letter)
    stored = await what_is_stored(post.database)
    assert letter.email.encode() in stored
    assert letter.digits.encode() not in stored
    stranger = await opening(b"another key".ljust(32))
    with pytest.raises(VaultBroken):
        await stranger.letters.due(NOW, LEASE_END, 10)
    # What could not be opened was not taken either.
    assert await (await opening()).letters.due(NOW, LEASE_END, 10) == [(letter, 0)]
