"""Deliveries, as their port promises them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from chassis.clock import SystemClock, millis_of
from chassis.identity import Vault
from chassis.sql import Database, open_database
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.domain.delivery import Channel, Content, Delivery, State
from notifier.domain.faults import DeliveryQueueFull
from notifier.ports import DeliveryStore
from notifier.schema.tables import DELIVERIES
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
    content = Content(subject="A code", text=f"{code} is your code", html=f"<p>{code}</p>")
    made = str(uuid.uuid4())
    end = NOW + timedelta(minutes=10)
    return Delivery(
        *(made, Channel.EMAIL, "ada@example.org", content, made, due, due, end),
        kind="CODE_SIGN_UP",
        user="users/ada",
    )


async def test_a_delivery_comes_back_as_it_was_accepted(store: DeliveryStore) -> None:
    delivery = a_delivery()
    assert await store.accept(delivery, 10)
    assert await store.get(delivery.id) == delivery
    assert await store.next_due(Channel.EMAIL) == NOW


async def test_the_same_delivery_is_stored_once_also_at_once(store: DeliveryStore) -> None:
    delivery = a_delivery()
    outcomes = await asyncio.gather(*(store.accept(delivery, 10) for _ in range(5)))
    assert sorted(outcomes) == [False] * 4 + [True]


async def test_of_one_fact_a_destination_gets_one_message_over_each_channel(
    store: DeliveryStore,
) -> None:
    first = a_delivery()
    assert await store.accept(first, 10)
    again = replace(first, id=str(uuid.uuid4()))
    assert not await store.accept(again, 10)
    assert await store.accept(replace(again, destination="bob@example.org"), 10)
    by_sms = replace(again, id=str(uuid.uuid4()), channel=Channel.SMS)
    assert await store.accept(by_sms, 10)
    assert not await store.accept(replace(by_sms, id=str(uuid.uuid4())), 10)


async def test_channels_do_not_wait_for_each_other(store: DeliveryStore) -> None:
    mail, sms = a_delivery(), replace(a_delivery(), channel=Channel.SMS)
    assert await store.accept(mail, 1)
    assert await store.accept(sms, 1)
    assert await store.lease(Channel.SMS, NOW, LEASE_END, 5) == [await store.get(sms.id)]
    assert await store.next_due(Channel.SMS) == LEASE_END
    assert await store.next_due(Channel.EMAIL) == NOW
    assert await store.next_due(Channel.WEBHOOK) is None


async def test_what_the_first_versions_stored_is_still_sent(opening: Opening) -> None:
    store, database = await opening()
    made = str(uuid.uuid4())
    said = {
        "kind": "VERIFICATION_CODE",
        "code": "345678",
        "useful_until": millis_of(NOW + timedelta(minutes=10)),
    }
    sealed = Vault(b"k" * 32).seal(json.dumps(said).encode(), f"deliveries/{made}")
    row = {
        "id": made,
        "email": "ada@example.org",
        "content": sealed,
        "state": "PENDING",
        "attempts": 0,
        "lease": "",
        "accept_time": NOW,
        "due_time": NOW,
    }
    await database.write(lambda connection: connection.execute(insert(DELIVERIES), row))
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert leased.content is not None
    assert "345678" in leased.content.text
    assert leased.expire_time == NOW + timedelta(minutes=10)
    assert await store.sent(leased)
    await database.close()


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
    [leased, _] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 2)
    await store.sent(leased)
    assert await store.accept(a_delivery(), 2)


async def test_what_is_due_is_leased_oldest_first_and_counted(store: DeliveryStore) -> None:
    made = [a_delivery(seconds) for seconds in (2, 0, 1, 99)]
    for one in made:
        await store.accept(one, 10)
    leased = await store.lease(Channel.EMAIL, NOW + timedelta(seconds=5), LEASE_END, 2)
    assert [one.id for one in leased] == [made[1].id, made[2].id]
    assert all(one.attempts == 1 and one.state is State.LEASED for one in leased)
    assert leased[0].content == made[1].content


async def test_two_workers_never_hold_one_delivery(store: DeliveryStore) -> None:
    for _ in range(12):
        await store.accept(a_delivery(), 20)
    taken = await asyncio.gather(*(store.lease(Channel.EMAIL, NOW, LEASE_END, 5) for _ in range(5)))
    ids = [one.id for some in taken for one in some]
    assert len(ids) == len(set(ids)) == 12


@pytest.mark.parametrize("end", ["sent", "failed"])
async def test_what_a_delivery_says_is_erased_when_it_ends(store: DeliveryStore, end: str) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert await getattr(store, end)(leased)
    ended = await store.get(leased.id)
    assert ended is not None
    assert ended.content is None
    assert ended.state is State[end.upper()]
    assert await store.next_due(Channel.EMAIL) is None
    assert not await getattr(store, end)(leased)


async def test_a_lease_that_has_ended_is_somebody_elses(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [first] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert await store.lease(Channel.EMAIL, NOW, LEASE_END, 5) == []
    later = LEASE_END + timedelta(seconds=60)
    [second] = await store.lease(Channel.EMAIL, LEASE_END, later, 5)
    assert second.attempts == 2
    assert not await store.sent(first)
    assert not await store.postpone(first, later)
    assert await store.sent(second)


async def test_what_the_dead_had_leased_is_reclaimed(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    later = a_delivery(99)
    await store.accept(later, 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert await store.reclaim(NOW) == 1
    assert not await store.sent(leased)
    assert [one.id for one in await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)] == [leased.id]
    assert await store.get(later.id) == later


async def test_a_postponed_delivery_is_due_then(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    later = NOW + timedelta(seconds=7)
    assert await store.postpone(leased, later)
    assert await store.next_due(Channel.EMAIL) == later
    assert await store.lease(Channel.EMAIL, NOW, LEASE_END, 5) == []
    assert [one.attempts for one in await store.lease(Channel.EMAIL, later, LEASE_END, 5)] == [2]


async def test_what_has_ended_is_swept_and_what_waits_is_not(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    waiting = a_delivery(1)
    await store.accept(waiting, 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 1)
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
    assert delivery.destination.encode() in stored
    assert b"987123" not in stored
    store, database = await opening()
    assert await store.get(delivery.id) == delivery
    await database.close()
