"""Deliveries, as their port promises them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.sql import Database, open_database
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.domain.delivery import Content, ContentKind, Delivery, State
from notifier.domain.faults import DeliveryQueueFull
from notifier.ports import DeliveryStore
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEASE_END = NOW + timedelta(seconds=60)

Opening = Callable[[], Awaitable[tuple[DeliveryStore, Database]]]


@pytest.fixture(params=SQL_ENGINES)
def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> Opening:
    """Opens the same store each time that it is called."""
    url = sql_place(request.param, "notifier.schema")

    async def open_() -> tuple[DeliveryStore, Database]:
        database = await open_database(url, "notifier.schema", SystemClock())
        return SqlDeliveryStore(database, Vault(b"k" * 32)), database

    return open_


@pytest.fixture
async def store(opening: Opening) -> AsyncIterator[DeliveryStore]:
    """A store with nothing in it."""
    opened, database = await opening()
    yield opened
    await database.close()


def a_delivery(seconds: int = 0, code: str = "123456") -> Delivery:
    """A delivery that is due so many seconds later."""
    due = NOW + timedelta(seconds=seconds)
    content = Content(ContentKind.VERIFICATION_CODE, NOW + timedelta(minutes=10), code)
    return Delivery(str(uuid.uuid4()), "ada@example.org", content, due, due)


async def test_a_delivery_comes_back_as_it_was_accepted(store: DeliveryStore) -> None:
    delivery = a_delivery()
    assert await store.accept(delivery, 10)
    assert await store.get(delivery.id) == delivery
    assert await store.next_due() == NOW


async def test_the_same_delivery_is_stored_once_also_at_once(store: DeliveryStore) -> None:
    delivery = a_delivery()
    outcomes = await asyncio.gather(*(store.accept(delivery, 10) for _ in range(5)))
    assert sorted(outcomes) == [False] * 4 + [True]


async def test_the_queue_is_bounded_and_those_that_ended_do_not_count(
    store: DeliveryStore,
) -> None:
    first = a_delivery()
    await store.accept(first, 2)
    await store.accept(a_delivery(), 2)
    with pytest.raises(DeliveryQueueFull) as full:
        await store.accept(a_delivery(), 2)
    assert full.value.retry_after
    # A repeated call is answered also now.
    assert not await store.accept(first, 2)
    [leased, _] = await store.lease(NOW, LEASE_END, 2)
    await store.sent(leased)
    assert await store.accept(a_delivery(), 2)


async def test_what_is_due_is_leased_oldest_first_and_counted(store: DeliveryStore) -> None:
    made = [a_delivery(seconds) for seconds in (2, 0, 1, 99)]
    for one in made:
        await store.accept(one, 10)
    leased = await store.lease(NOW + timedelta(seconds=5), LEASE_END, 2)
    assert [one.id for one in leased] == [made[1].id, made[2].id]
    assert all(one.attempts == 1 and one.state is State.LEASED for one in leased)
    assert leased[0].content == made[1].content


async def test_two_workers_never_hold_one_delivery(store: DeliveryStore) -> None:
    for _ in range(12):
        await store.accept(a_delivery(), 20)
    taken = await asyncio.gather(*(store.lease(NOW, LEASE_END, 5) for _ in range(5)))
    ids = [one.id for some in taken for one in some]
    assert len(ids) == len(set(ids)) == 12


@pytest.mark.parametrize("end", ["sent", "failed"])
async def test_what_a_delivery_says_is_erased_when_it_ends(store: DeliveryStore, end: str) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(NOW, LEASE_END, 5)
    assert await getattr(store, end)(leased)
    ended = await store.get(leased.id)
    assert ended is not None
    assert ended.content is None
    assert ended.state is State[end.upper()]
    assert await store.next_due() is None
    assert not await getattr(store, end)(leased)


async def test_a_lease_that_has_ended_is_somebody_elses(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [first] = await store.lease(NOW, LEASE_END, 5)
    assert await store.lease(NOW, LEASE_END, 5) == []
    later = LEASE_END + timedelta(seconds=60)
    [second] = await store.lease(LEASE_END, later, 5)
    assert second.attempts == 2
    assert not await store.sent(first)
    assert not await store.postpone(first, later)
    assert await store.sent(second)


async def test_what_the_dead_had_leased_is_reclaimed(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    later = a_delivery(99)
    await store.accept(later, 10)
    [leased] = await store.lease(NOW, LEASE_END, 5)
    assert await store.reclaim(NOW) == 1
    assert not await store.sent(leased)
    assert [one.id for one in await store.lease(NOW, LEASE_END, 5)] == [leased.id]
    assert await store.get(later.id) == later


async def test_a_postponed_delivery_is_due_then(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(NOW, LEASE_END, 5)
    later = NOW + timedelta(seconds=7)
    assert await store.postpone(leased, later)
    assert await store.next_due() == later
    assert await store.lease(NOW, LEASE_END, 5) == []
    assert [one.attempts for one in await store.lease(later, LEASE_END, 5)] == [2]


async def test_what_has_ended_is_swept_and_what_waits_is_not(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    waiting = a_delivery(1)
    await store.accept(waiting, 10)
    [leased] = await store.lease(NOW, LEASE_END, 1)
    await store.sent(leased)
    assert await store.sweep(NOW) == 0
    assert await store.sweep(NOW + timedelta(days=1)) == 1
    assert await store.get(waiting.id) == waiting


async def test_a_delivery_survives_a_restart_and_is_sealed(
    opening: Opening,
) -> None:
    store, database = await opening()
    delivery = a_delivery(code="987123")
    await store.accept(delivery, 10)
    stored = await what_is_stored(database)
    await database.close()
    assert delivery.email.encode() in stored
    assert b"987123" not in stored
    store, database = await opening()
    assert await store.get(delivery.id) == delivery
    await database.close()
