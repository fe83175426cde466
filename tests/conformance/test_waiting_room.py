"""The queue for room as the port promises it: fair, true, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from allocation_svc.domain import queue
from allocation_svc.domain.allocation import State
from allocation_svc.domain.capacity import Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import (
    NeverFits,
    OthersWait,
    QueueFull,
    StockExhausted,
)
from tests.conformance.admissions import (
    NOW,
    RULES,
    SMALL,
    TWO,
    Counter,
    Opening,
    a_claim,
    counter,
    kind,
    opening,
    room,
    waits,
)

__all__ = ["counter", "kind", "opening"]


async def test_who_waits_has_no_address_until_its_turn_and_then_all_of_it(counter: Counter) -> None:
    of = room(capacity=TWO)
    first = await counter.store.admit(a_claim(of=of))
    await counter.store.admit(a_claim(of=of))
    pending = await waits(counter, "users/bob", of)
    assert pending.endpoints == ()
    assert pending.reason is not None
    assert pending.reason.reason == "CAPACITY_EXHAUSTED"
    assert pending.deadline == NOW + timedelta(hours=1)
    await counter.is_consistent()
    await counter.delete(first.name)
    assert await counter.turn(of) == [pending.name]
    admitted = await counter.found(pending.name)
    assert admitted.state is State.PROVISIONING
    assert [each.container_port for each in admitted.endpoints] == [8080]
    assert admitted.endpoints[0].host == "127.0.0.1"
    assert admitted.deadline == NOW + timedelta(seconds=RULES.provisioning)
    await counter.is_consistent()


async def test_ports_that_are_out_make_it_wait_and_nothing_is_taken(opening: Opening) -> None:
    counter = await opening(range(20000, 20001))
    first = await counter.store.admit(a_claim())
    pending = await waits(counter, "users/bob", room())
    assert pending.reason is not None
    assert pending.reason.reason == "PORTS_EXHAUSTED"
    await counter.is_consistent()
    await counter.delete(first.name)
    assert await counter.turn(room()) == [pending.name]
    await counter.is_consistent()


async def test_the_queue_goes_round_people(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    running = (await counter.store.admit(a_claim("users/zoe", of=of))).name
    ada = [(await waits(counter, "users/ada", of)).name for _ in range(4)]
    bob = [(await waits(counter, "users/bob", of)).name for _ in range(2)]
    eve = [(await waits(counter, "users/eve", of)).name]
    assert await counter.order() == [ada[0], bob[0], eve[0], ada[1], bob[1], ada[2], ada[3]]
    served = []
    for _ in range(3):
        await counter.delete(running)
        (running,) = await counter.turn(of)
        served.append(running)
    assert served == [ada[0], bob[0], eve[0]]
    # Who was just served, and asks again, comes after everybody else's next one.
    again = (await waits(counter, "users/eve", of)).name
    late = (await waits(counter, "users/mia", of)).name
    order = await counter.order()
    assert order.index(late) < order.index(ada[2])
    assert order.index(again) < order.index(ada[2])
    await counter.is_consistent()


async def test_everybody_moves_up_when_somebody_leaves(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    names = [(await waits(counter, f"users/p{n}", of)).name for n in range(4)]
    assert [(await counter.room.places())[name].position for name in names] == [1, 2, 3, 4]
    await counter.cancel(names[1])
    assert names[1] not in await counter.room.places()
    places = await counter.room.places()
    assert [places[names[n]].position for n in (0, 2, 3)] == [1, 2, 3]
    assert await counter.room.place(names[3]) == places[names[3]]
    assert await counter.room.place(names[1]) is None
    assert (await counter.found(names[1])).state is State.DELETED
    await counter.is_consistent()


async def test_somebodys_later_ones_take_the_turns_of_those_they_cancel(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    ada = [(await waits(counter, "users/ada", of)).name for _ in range(3)]
    bob = [(await waits(counter, "users/bob", of)).name for _ in range(2)]
    await counter.cancel(ada[0])
    assert await counter.order() == [ada[1], bob[0], ada[2], bob[1]]
    await counter.is_consistent()


async def test_nobody_overtakes_those_who_wait(counter: Counter) -> None:
    of = room(capacity=TWO)
    large = replace(SMALL, cpu_millis=1000)
    await counter.store.admit(a_claim("users/ada", of=of))
    pending = await waits(counter, "users/bob", of, needs=large)
    # There is room for a small one, but it is what the large one waits for.
    with pytest.raises(OthersWait) as refused:
        await counter.store.admit(a_claim("users/eve", of=of))
    assert refused.value.retry_after
    behind = await waits(counter, "users/eve", of)
    assert await counter.turn(of) == []
    assert await counter.order() == [pending.name, behind.name]
    await counter.cancel(pending.name)
    assert await counter.turn(of) == [behind.name]


async def test_who_waits_for_stock_keeps_nobody_else_waiting(counter: Counter) -> None:
    of = room()
    first = await counter.store.admit(a_claim("users/ada", of=of, stock=1))
    pending = await waits(counter, "users/bob", of, stock=1)
    assert pending.reason is not None
    assert pending.reason.reason == "STOCK_EXHAUSTED"
    other = await counter.store.admit(a_claim("users/eve", "machines/echo", of=of))
    assert other.state is State.PROVISIONING
    await counter.delete(first.name)
    # What has become free is for the one who waits for it.
    with pytest.raises(StockExhausted):
        await counter.store.admit(a_claim("users/eve", of=of, stock=1))
    assert await counter.turn(of) == [pending.name]
    await counter.is_consistent()


async def test_an_admin_puts_one_anywhere(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    names = [(await waits(counter, f"users/p{n}", of)).name for n in range(5)]
    assert await counter.room.prioritize(names[4], 1)
    assert await counter.order() == [names[4], *names[:4]]
    assert await counter.room.prioritize(names[4], 3)
    assert await counter.order() == [names[0], names[1], names[4], names[2], names[3]]
    assert await counter.room.prioritize(names[0], 99)
    assert await counter.order() == [names[1], names[4], names[2], names[3], names[0]]
    assert not await counter.room.prioritize("allocations/nobody", 1)
    # Also where there is no room left between two.
    for _ in range(25):
        await counter.room.prioritize((await counter.order())[-1], 2)
    assert sorted(await counter.order()) == sorted(names)
    await counter.is_consistent()


async def test_what_is_told_of_a_new_order_says_the_place(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    names = [(await waits(counter, f"users/p{n}", of)).name for n in range(2)]
    await counter.room.prioritize(names[1], 1)
    told = await counter.write(await counter.found(names[1]), Fact.QUEUED)
    assert told.queue is not None
    assert (told.queue.position, told.queue.length) == (1, 2)


async def test_what_rests_may_change_its_size_although_others_wait(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    first = await counter.store.admit(a_claim("users/ada", of=of))
    stopped = await counter.stop(first.name)
    await counter.store.admit(a_claim("users/zoe", of=of))
    await waits(counter, "users/bob", of)
    smaller = replace(stopped, needs=replace(SMALL, cpu_millis=100))
    assert (await counter.write(smaller, Fact.UPDATED, of)).state is State.STOPPED
    with pytest.raises(OthersWait):
        await counter.start(first.name, of)
    await counter.is_consistent()


async def test_the_queue_is_no_longer_than_it_may(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis), limit=2)
    await counter.store.admit(a_claim("users/zoe", of=of))
    for n in range(2):
        await waits(counter, f"users/p{n}", of)
    with pytest.raises(QueueFull):
        await counter.store.admit(a_claim("users/eve", of=of, waits=True))
    await counter.is_consistent()


async def test_the_queue_says_when_a_turn_is_likely_once_it_knows_how_fast_it_goes(
    counter: Counter,
) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    running = (await counter.store.admit(a_claim("users/zoe", of=of))).name
    names = [(await waits(counter, f"users/p{n}", of)).name for n in range(4)]
    place = await counter.room.place(names[3])
    assert place is not None
    assert place.expected_time is None
    for _ in range(2):
        counter.clock.advance(30)
        await counter.delete(running)
        (running,) = await counter.turn(of)
    places = await counter.room.places()
    now = counter.clock.now()
    assert places[names[2]].expected_time == now + timedelta(seconds=30)
    assert places[names[3]].expected_time == now + timedelta(seconds=60)
    # A pause that lasts is a longer pause.
    counter.clock.advance(300)
    places = await counter.room.places()
    assert places[names[3]].expected_time == counter.clock.now() + timedelta(seconds=300)


async def test_the_queue_outlives_the_process(opening: Opening) -> None:
    before = await opening()
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    first = await before.store.admit(a_claim("users/zoe", of=of))
    names = [(await waits(before, f"users/p{n}", of)).name for n in range(3)]
    await before.database.close()
    after = await opening()
    assert await after.order() == names
    await after.delete(first.name)
    assert await after.turn(of) == [names[0]]
    await after.is_consistent()


async def test_of_a_cancel_and_a_turn_at_once_one_happens(counter: Counter) -> None:
    of = room(capacity=TWO)
    first = await counter.store.admit(a_claim("users/zoe", of=of))
    await counter.store.admit(a_claim("users/zoe", of=of))
    for _ in range(5):
        pending = await waits(counter, "users/ada", of)
        await counter.stop(first.name)
        found = await counter.found(pending.name)
        cancelled, promoted = await asyncio.gather(
            counter.store.replace(queue.cancel(found, NOW), Fact.DELETED),
            counter.store.promote(queue.admitted(found, NOW, RULES), of),
        )
        assert (cancelled is None) != (promoted is None)
        await counter.is_consistent()
        if promoted is not None:
            await counter.delete(pending.name)
        await counter.start(first.name)
    await counter.is_consistent()


async def test_a_node_that_has_become_too_small_says_so(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    pending = await waits(counter, "users/ada", of)
    smaller = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis - 1))
    with pytest.raises(NeverFits):
        await counter.store.promote(queue.admitted(pending, NOW, RULES), smaller)
    assert await counter.order() == [pending.name]
