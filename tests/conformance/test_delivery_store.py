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
from chassis.listing import Condition
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
    [leased] = await store.lease(Channel.SMS, NOW, LEASE_END, 5)
    assert leased == await store.get(sms.id)
    assert await store.next_due(Channel.SMS) == LEASE_END
    assert await store.reclaim(Channel.EMAIL, NOW) == 0
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
    keys = (leased,) if end == "sent" else (leased, "refused")
    assert await getattr(store, end)(*keys)
    ended = await store.get(leased.id)
    assert ended is not None
    assert ended.content is None
    assert ended.state is State[end.upper()]
    assert await store.next_due(Channel.EMAIL) is None
    assert not await getattr(store, end)(*keys)


async def test_a_lease_that_has_ended_is_somebody_elses(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [first] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert await store.lease(Channel.EMAIL, NOW, LEASE_END, 5) == []
    later = LEASE_END + timedelta(seconds=60)
    [second] = await store.lease(Channel.EMAIL, LEASE_END, later, 5)
    assert second.attempts == 2
    assert not await store.sent(first)
    assert not await store.postpone(first, later, "away")
    assert await store.sent(second)


async def test_what_the_dead_had_leased_is_reclaimed(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    later = a_delivery(99)
    await store.accept(later, 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert await store.reclaim(Channel.EMAIL, NOW) == 1
    assert not await store.sent(leased)
    assert [one.id for one in await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)] == [leased.id]
    assert await store.get(later.id) == later


async def test_what_is_reclaimed_is_due_no_later_than_it_expires(store: DeliveryStore) -> None:
    delivery = a_delivery()
    await store.accept(delivery, 10)
    await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    long_after = delivery.expire_time + timedelta(seconds=60)
    assert await store.reclaim(Channel.EMAIL, long_after) == 1
    assert await store.next_due(Channel.EMAIL) == delivery.expire_time


async def test_a_postponed_delivery_is_due_then(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    later = NOW + timedelta(seconds=7)
    assert await store.postpone(leased, later, "away")
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


def to_webhook(seconds: int = 0, webhook: str = "webhooks/w1", kind: str = "READY") -> Delivery:
    """A delivery to a webhook that is due so many seconds later."""
    made = str(uuid.uuid4())
    due = NOW + timedelta(seconds=seconds)
    return Delivery(
        *(made, Channel.WEBHOOK, webhook, Content(payload='{"a":1}'), made, due, due),
        NOW + timedelta(days=1),
        kind=kind,
        user="users/ada",
    )


async def test_what_became_of_an_attempt_is_kept(store: DeliveryStore) -> None:
    await store.accept(a_delivery(), 10)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    assert leased.attempt_time == NOW
    assert await store.postpone(leased, NOW, "It answered 503." + "x" * 500, 503)
    found = await store.get(leased.id)
    assert found is not None
    assert (found.state, found.response_code, found.lease) == (State.PENDING, 503, "")
    assert found.error.startswith("It answered 503.")
    assert len(found.error) == 300
    later = NOW + timedelta(seconds=1)
    [again] = await store.lease(Channel.EMAIL, later, LEASE_END, 5)
    assert await store.sent(again, 200)
    ended = await store.get(leased.id)
    assert ended is not None
    assert (ended.response_code, ended.error, ended.attempt_time) == (200, "", later)


async def test_each_webhook_has_a_bound_of_its_own_and_fails_nothing_else(
    store: DeliveryStore,
) -> None:
    first = to_webhook()
    assert await store.accept(first, 1)
    # Nothing is raised: in the same transaction others are told.
    second = to_webhook()
    assert await store.accept(second, 1)
    kept = await store.get(second.id)
    assert kept is not None
    assert (kept.state, kept.content) == (State.FAILED, second.content)
    assert kept.error
    assert await store.accept(to_webhook(webhook="webhooks/w2"), 1)
    assert await store.accept(a_delivery(), 1)
    assert await store.destinations_due(Channel.WEBHOOK, NOW, (), 5) == [
        "webhooks/w1",
        "webhooks/w2",
    ]


async def test_destinations_are_told_apart(store: DeliveryStore) -> None:
    for one in (
        to_webhook(3, "webhooks/late"),
        to_webhook(2, "webhooks/slow"),
        to_webhook(0, "webhooks/slow"),
        to_webhook(1, "webhooks/well"),
    ):
        await store.accept(one, 10)
    present = NOW + timedelta(seconds=2)
    due = await store.destinations_due(Channel.WEBHOOK, present, (), 5)
    assert due == ["webhooks/slow", "webhooks/well"]
    assert await store.destinations_due(Channel.WEBHOOK, present, (), 1) == ["webhooks/slow"]
    assert await store.destinations_due(Channel.WEBHOOK, present, ["webhooks/slow"], 5) == [
        "webhooks/well"
    ]
    leased = await store.lease(Channel.WEBHOOK, present, LEASE_END, 1, "webhooks/well")
    assert [one.destination for one in leased] == ["webhooks/well"]
    assert await store.next_due(Channel.WEBHOOK) == NOW
    without = ["webhooks/slow", "webhooks/well"]
    assert await store.next_due(Channel.WEBHOOK, without) == NOW + timedelta(seconds=3)


async def test_what_was_sent_to_a_webhook_is_kept_and_replayed(store: DeliveryStore) -> None:
    made = to_webhook()
    await store.accept(made, 1)
    until = NOW + timedelta(days=2)
    assert not await store.replay(made, NOW, until, 2), "it has not ended"
    [leased] = await store.lease(Channel.WEBHOOK, NOW, LEASE_END, 5)
    assert await store.failed(leased, "It answered 500.", 500)
    ended = await store.get(made.id)
    assert ended is not None
    assert ended.content == made.content
    assert await store.replay(made, NOW, until, 1)
    replayed = await store.get(made.id)
    assert replayed is not None
    assert (replayed.state, replayed.attempts, replayed.error) == (State.PENDING, 0, "")
    assert (replayed.expire_time, replayed.response_code) == (until, 0)
    another = to_webhook()
    await store.accept(another, 2)
    [*_, last] = await store.lease(Channel.WEBHOOK, NOW, LEASE_END, 5)
    await store.sent(last, 200)
    with pytest.raises(DeliveryQueueFull):
        await store.replay(last, NOW, until, 1)
    mail = a_delivery()
    await store.accept(mail, 5)
    [leased] = await store.lease(Channel.EMAIL, NOW, LEASE_END, 5)
    await store.sent(leased)
    assert not await store.replay(mail, NOW, until, 5), "a code is not kept"


async def test_what_waits_for_a_webhook_is_given_up(store: DeliveryStore) -> None:
    await store.accept(to_webhook(), 9)
    await store.accept(to_webhook(5), 9)
    other = to_webhook(webhook="webhooks/w2")
    await store.accept(other, 9)
    [leased] = await store.lease(Channel.WEBHOOK, NOW, LEASE_END, 1, "webhooks/w1")
    assert await store.give_up(Channel.WEBHOOK, "webhooks/w1", "Switched off.") == 2
    assert not await store.sent(leased, 200)
    given_up = await store.page("webhooks/w1", [], None, 9)
    assert [(one.state, one.error) for one in given_up] == [(State.FAILED, "Switched off.")] * 2
    assert await store.get(other.id) == other


async def test_pages_of_a_webhook_are_newest_first_and_filtered(store: DeliveryStore) -> None:
    made = [to_webhook(seconds, kind="READY" if seconds % 2 else "ENDED") for seconds in range(5)]
    twin = to_webhook(2)
    for one in (*made, twin, to_webhook(9, "webhooks/w2")):
        await store.accept(one, 20)
    pages: list[Delivery] = []
    after = None
    while page := await store.page("webhooks/w1", [], after, 2):
        pages += page
        after = (page[-1].accept_time, page[-1].id)
    expected = sorted((*made, twin), key=lambda one: (one.accept_time, one.id), reverse=True)
    assert pages == expected
    ready = [Condition("kind", "=", "READY"), Condition("state", "!=", "SENT")]
    found = await store.page("webhooks/w1", ready, None, 9)
    assert {one.id for one in found} == {made[1].id, made[3].id, twin.id}
    assert await store.page("webhooks/w1", [Condition("state", "=", "SENT")], None, 9) == []


async def test_what_was_for_a_person_is_erased(store: DeliveryStore) -> None:
    mail, other = a_delivery(), replace(a_delivery(), user="users/bob")
    nobodys = replace(a_delivery(), user="")
    for one in (mail, other, nobodys, to_webhook()):
        await store.accept(one, 9)
    assert await store.erase("users/ada") == 2
    assert await store.erase("") == 0
    assert await store.get(mail.id) is None
    assert await store.get(other.id) == other
    assert await store.get(nobodys.id) == nobodys
