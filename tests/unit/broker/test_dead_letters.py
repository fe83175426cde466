"""DeadLetterService over real calls and a real bus, and how everybody is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.timeline.v1 import audit_service_pb2, timeline_facts_pb2
from allocator.timeline.v1 import dead_letter_service_pb2 as wire

from broker.transport.metrics import DEAD_LETTERS_WAITING
from chassis.bus import Record
from chassis.faults import Fault, Forbidden, Invalid
from tests.unit.broker.conftest import ADMIN, PERSON

TOPIC = "allocator.allocations.facts.v1"
OWN_TOPIC = "allocator.timeline.facts.v1"


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


@asynccontextmanager
async def failing(world: Any, group: str = "notifier.notices") -> AsyncIterator[set[str]]:
    """A group that cannot take in records of some keys; which ones, can be changed meanwhile."""
    bad: set[str] = set()

    async def effect(record: Record) -> None:
        if record.key in bad:
            raise Invalid(f"I cannot read {record.key}.")

    task = asyncio.create_task(world.bus.consume(group, [TOPIC], effect))
    try:
        yield bad
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def told(world: Any, *names: str) -> None:
    for name in names:
        fact = allocation_facts_pb2.AllocationReady(
            allocation=allocation_pb2.Allocation(name=name, owner="users/ada", port=80)
        )
        await world.tell(fact, name, actor="users/ada", method="a.B/C")


async def listed(world: Any, **more: Any) -> Any:
    return await world.call(
        "DeadLetterService/ListDeadLetters", wire.ListDeadLettersRequest(**more), ADMIN
    )


async def until_letters(world: Any, count: int) -> Any:
    async def there() -> bool:
        letters = (await listed(world)).dead_letters
        return len(letters) == count and not any(letter.replaying for letter in letters)

    await world.until(there)
    return (await listed(world)).dead_letters


async def facts_told(world: Any, count: int) -> list[Record]:
    """The facts of the broker itself, once there are so many."""
    had: list[Record] = []
    enough = asyncio.Event()

    async def effect(record: Record) -> None:
        had.append(record)
        if len(had) >= count:
            enough.set()

    task = asyncio.create_task(world.bus.consume(f"reader-{uuid4()}", [OWN_TOPIC], effect))
    await asyncio.wait_for(enough.wait(), 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return had


async def test_a_dead_letter_says_what_why_and_by_whom(world: Any) -> None:
    async with failing(world) as bad:
        bad.add("allocations/bad1")
        await told(world, "allocations/bad1", "allocations/good")
        [letter] = await until_letters(world, 1)
    assert letter.name == "deadLetters/1"
    assert (letter.group, letter.topic, letter.key) == (
        "notifier.notices",
        TOPIC,
        "allocations/bad1",
    )
    assert letter.type == "allocator.allocations.v1.AllocationReady"
    assert (letter.reason, letter.message) == ("REQUEST_INVALID", "I cannot read allocations/bad1.")
    assert letter.attempts == 5
    assert letter.fail_time.seconds > letter.fact_time.seconds > 0
    assert (letter.actor, letter.method, len(letter.trace_id)) == ("users/ada", "a.B/C", 32)
    assert letter.content["allocation"]["name"] == "allocations/bad1"
    assert letter.content["allocation"]["port"] == 80
    assert not letter.raw_content
    got = await world.call(
        "DeadLetterService/GetDeadLetter", wire.GetDeadLetterRequest(name=letter.name), ADMIN
    )
    assert got == letter


async def test_what_this_version_does_not_know_is_shown_as_it_is(world: Any) -> None:
    async with failing(world) as bad:
        bad.add("odd")
        await world.bus.publish([Record(TOPIC, "odd", b"\xff\x00", {"ce-type": "later.v9.Thing"})])
        [letter] = await until_letters(world, 1)
    assert letter.raw_content == b"\xff\x00"
    assert not letter.HasField("content")
    assert not letter.HasField("fact_time")


async def test_letters_are_filtered_and_come_in_pages(world: Any) -> None:
    names = [f"allocations/bad{n}" for n in range(5)]
    async with failing(world) as bad, failing(world, "feed_svc.rents") as other:
        bad.update(names)
        other.add(names[0])
        await told(world, *names)
        await until_letters(world, 6)
    ours = 'group = "notifier.notices"'
    found, token = [], ""
    while True:
        page = await listed(world, filter=ours, page_size=2, page_token=token)
        found += [letter.key for letter in page.dead_letters]
        token = page.next_page_token
        if not token:
            break
    assert found == names
    [one] = (await listed(world, filter='group != "notifier.notices"')).dead_letters
    assert (one.group, one.key) == ("feed_svc.rents", names[0])
    assert len((await listed(world, filter='key : "BAD1" AND replaying = false')).dead_letters) == 1
    assert not (await listed(world, filter='fail_time < "2026-01-01T00:00:00Z"')).dead_letters
    with refused("FILTER_INVALID"):
        await listed(world, filter="value = 1")
    with refused("PAGE_TOKEN_INVALID"):
        await listed(world, page_token=page.next_page_token or "nonsense")


async def test_a_letter_is_replayed_by_its_group(world: Any) -> None:
    async with failing(world) as bad:
        bad.add("allocations/bad1")
        await told(world, "allocations/bad1")
        [letter] = await until_letters(world, 1)
        request = wire.ReplayDeadLetterRequest(name=letter.name)
        # As long as its group cannot take it in, it stays.
        assert (await world.call("DeadLetterService/ReplayDeadLetter", request, ADMIN)).replaying
        await until_letters(world, 1)
        bad.clear()
        await world.call("DeadLetterService/ReplayDeadLetter", request, ADMIN)
        await until_letters(world, 0)
    with refused("DEAD_LETTER_NOT_FOUND"):
        await world.call("DeadLetterService/ReplayDeadLetter", request, ADMIN)


async def test_all_letters_are_replayed_or_those_of_one_group(world: Any) -> None:
    names = [f"allocations/bad{n}" for n in range(3)]
    async with failing(world) as bad, failing(world, "feed_svc.rents") as other:
        bad.update(names)
        other.update(names)
        await told(world, *names)
        await until_letters(world, 6)
        bad.clear()
        other.clear()
        replay_all = "DeadLetterService/ReplayAllDeadLetters"
        some = wire.ReplayAllDeadLettersRequest(group="feed_svc.rents")
        assert (await world.call(replay_all, some, ADMIN)).replaying_count == 3
        assert {one.group for one in await until_letters(world, 3)} == {"notifier.notices"}
        everything = wire.ReplayAllDeadLettersRequest()
        assert (await world.call(replay_all, everything, ADMIN)).replaying_count == 3
        await until_letters(world, 0)


async def test_a_letter_is_thrown_away(world: Any) -> None:
    async with failing(world) as bad:
        bad.add("allocations/bad1")
        await told(world, "allocations/bad1")
        [letter] = await until_letters(world, 1)
    request = wire.DeleteDeadLetterRequest(name=letter.name)
    await world.call("DeadLetterService/DeleteDeadLetter", request, ADMIN)
    await until_letters(world, 0)
    with refused("DEAD_LETTER_NOT_FOUND"):
        await world.call("DeadLetterService/DeleteDeadLetter", request, ADMIN)
    with refused("DEAD_LETTER_NOT_FOUND"):
        await world.call(
            "DeadLetterService/GetDeadLetter", wire.GetDeadLetterRequest(name=letter.name), ADMIN
        )


async def test_dead_letters_are_for_admins(world: Any) -> None:
    for method, request in {
        "ListDeadLetters": wire.ListDeadLettersRequest(),
        "GetDeadLetter": wire.GetDeadLetterRequest(name="deadLetters/1"),
        "ReplayDeadLetter": wire.ReplayDeadLetterRequest(name="deadLetters/1"),
        "ReplayAllDeadLetters": wire.ReplayAllDeadLettersRequest(),
        "DeleteDeadLetter": wire.DeleteDeadLetterRequest(name="deadLetters/1"),
    }.items():
        with pytest.raises(Forbidden):
            await world.call(f"DeadLetterService/{method}", request, PERSON)


async def test_everybody_is_told_of_each_letter_once_and_a_metric_counts_them(begin: Any) -> None:
    world = await begin(dead_letter_seconds="0.1")
    world.begin("leadership", "relay", "alarm")
    async with failing(world) as bad:
        bad.update(["allocations/bad1", "allocations/bad2"])
        await told(world, "allocations/bad1")
        [first] = await facts_told(world, 1)
        await told(world, "allocations/bad2")
        await facts_told(world, 2)
    added = timeline_facts_pb2.DeadLetterAdded()
    added.ParseFromString(first.value)
    assert (first.key, added.dead_letter.key) == ("deadLetters/1", "allocations/bad1")
    assert not added.dead_letter.HasField("content")

    async def counted() -> bool:
        return DEAD_LETTERS_WAITING._value.get() == 2

    await world.until(counted)
    await world.end_tasks()
    # Whoever leads next looks at all of them again, and tells of no old one.
    again = await begin(dead_letter_seconds="0.1")
    again.begin("leadership", "relay", "alarm")
    async with failing(again, "feed_svc.rents") as bad:
        bad.add("allocations/bad3")
        await told(again, "allocations/bad3")
        had = await facts_told(again, 3)
    assert [record.key for record in had] == [f"deadLetters/{n}" for n in (1, 2, 3)]


async def test_a_notice_that_cannot_be_taken_in_makes_no_other_notice(begin: Any) -> None:
    world = await begin(dead_letter_seconds="0.1")
    world.begin("leadership", "relay", "alarm")

    async def effect(record: Record) -> None:
        raise ValueError(record.key)

    task = asyncio.create_task(world.bus.consume("notifier.notices", [OWN_TOPIC], effect))
    async with failing(world, "feed_svc.rents") as bad:
        bad.update(["allocations/bad1", "allocations/bad2"])
        await told(world, "allocations/bad1")
        await until_letters(world, 2)
        await told(world, "allocations/bad2")
        letters = await until_letters(world, 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [letter.topic for letter in letters].count(OWN_TOPIC) == 2
    assert len(await facts_told(world, 2)) == 2


async def test_what_admins_do_with_letters_is_in_the_audit_trail(world: Any) -> None:
    world.begin("leadership", "relay", "timeline")
    async with failing(world) as bad:
        bad.update(["allocations/bad1", "allocations/bad2"])
        await told(world, "allocations/bad1", "allocations/bad2")
        first, second = await until_letters(world, 2)
        bad.clear()
        for method, request in (
            ("ReplayDeadLetter", wire.ReplayDeadLetterRequest(name=first.name)),
            ("DeleteDeadLetter", wire.DeleteDeadLetterRequest(name=second.name)),
            ("ReplayAllDeadLetters", wire.ReplayAllDeadLettersRequest()),
        ):
            await world.call(f"DeadLetterService/{method}", request, ADMIN)

    async def trail() -> Any:
        request = audit_service_pb2.ListAuditEventsRequest(order_by="time")
        return (await world.call("AuditService/ListAuditEvents", request, ADMIN)).audit_events

    async def whole() -> bool:
        return len(await trail()) == 3

    await world.until(whole)
    assert [event.text for event in await trail()] == [
        "Somebody had this taken in again: deadLetters/1.",
        "Somebody threw away deadLetters/2.",
        "Somebody had all dead letters taken in again.",
    ]
    assert {event.actor for event in await trail()} == {"users/root"}
