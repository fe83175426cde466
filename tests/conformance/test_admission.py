"""Admission as the ports promise it: all or none, within quotas and what the node has."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from allocation_svc.adapters.allocation_store.document import document_of
from allocation_svc.domain import queue
from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State, StateReason
from allocation_svc.domain.capacity import Amounts, Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import (
    AllocationNotWaiting,
    CapacityExhausted,
    NeverFits,
    PortsExhausted,
    QuotaExceeded,
    StockExhausted,
)
from allocation_svc.ports.allocation_store import Claim
from allocation_svc.schema.tables import ALLOCATIONS
from chassis.listing import Once
from tests.conformance.admissions import (
    NOW,
    SMALL,
    TWO,
    WEB,
    Counter,
    Opening,
    a_claim,
    counter,
    kind,
    opening,
    room,
)

__all__ = ["counter", "kind", "opening"]


@pytest.mark.parametrize("amount", ["instances", "cpu_millis", "memory_bytes", "disk_bytes"])
async def test_a_quota_ends_where_the_next_one_would_be_above_it(
    counter: Counter, amount: str
) -> None:
    of = room(quota=Bounds(**{amount: 2 * getattr(SMALL, amount) + getattr(SMALL, amount) // 2}))
    await counter.store.admit(a_claim(of=of))
    await counter.store.admit(a_claim(of=of))
    with pytest.raises(QuotaExceeded) as refused:
        await counter.store.admit(a_claim(of=of))
    assert refused.value.metadata["resource"] == amount
    await counter.store.admit(a_claim("users/bob", of=of))
    await counter.is_consistent()


@pytest.mark.parametrize("amount", ["cpu_millis", "memory_bytes", "disk_bytes"])
async def test_a_node_gives_no_more_than_it_has(counter: Counter, amount: str) -> None:
    of = room(capacity=Bounds(**{amount: 2 * getattr(SMALL, amount)}))
    await counter.store.admit(a_claim("users/ada", of=of))
    await counter.store.admit(a_claim("users/bob", of=of))
    before = await counter.tallies()
    with pytest.raises(CapacityExhausted) as refused:
        await counter.store.admit(a_claim("users/eve", of=of))
    assert refused.value.metadata["resource"] == amount
    assert refused.value.retry_after
    assert await counter.tallies() == before
    await counter.is_consistent()


@pytest.mark.parametrize("what", ["quota", "capacity", "stock", "ports"])
async def test_a_hundred_at_once_get_no_more_than_there_is(opening: Opening, what: str) -> None:
    counter = await opening(range(20000, 20003) if what == "ports" else range(20000, 21000))
    of = room(
        quota=Bounds(instances=3) if what == "quota" else None,
        capacity=Bounds(cpu_millis=3 * SMALL.cpu_millis) if what == "capacity" else None,
    )
    stock = 3 if what == "stock" else 0
    claims = [
        a_claim("users/ada" if what == "quota" else f"users/p{n}", of=of, stock=stock)
        for n in range(100)
    ]
    outcomes = await asyncio.gather(
        *(counter.store.admit(claim) for claim in claims), return_exceptions=True
    )
    refusal = {
        "quota": QuotaExceeded,
        "capacity": CapacityExhausted,
        "stock": StockExhausted,
        "ports": PortsExhausted,
    }[what]
    assert sum(isinstance(each, Allocation) for each in outcomes) == 3
    assert sum(isinstance(each, refusal) for each in outcomes) == 97
    await counter.is_consistent()


async def test_a_hundred_that_wait_all_get_in_or_a_place_of_their_own(counter: Counter) -> None:
    of = room(capacity=TWO)
    kept = await asyncio.gather(
        *(counter.store.admit(a_claim(f"users/p{n}", of=of, waits=True)) for n in range(100))
    )
    assert sum(each.state is State.PROVISIONING for each in kept) == 2
    places = await counter.room.places()
    assert sorted(place.position for place in places.values()) == list(range(1, 99))
    assert {place.length for place in places.values()} == {98}
    await counter.is_consistent()


async def test_what_is_stopped_gives_processor_and_memory_back_and_keeps_the_rest(
    counter: Counter,
) -> None:
    kept = await counter.store.admit(a_claim())
    stopped = await counter.stop(kept.name)
    assert stopped.endpoints == kept.endpoints
    rest = Amounts(1, 0, 0, SMALL.disk_bytes)
    assert await counter.tallies() == {
        "users/ada": rest,
        "nodes/here": rest,
        "machines/redis": Amounts(1),
    }
    await counter.start(kept.name)
    assert (await counter.tallies())["users/ada"] == SMALL
    await counter.delete(kept.name)
    assert await counter.tallies() == {}


async def test_what_is_removed_while_it_is_stopped_takes_nothing_on_its_way(
    counter: Counter,
) -> None:
    kept = await counter.store.admit(a_claim())
    await counter.stop(kept.name)
    gone = replace(await counter.found(kept.name), desired=Desired.DELETED)
    gone = await counter.write(gone.moved(State.DELETING, NOW))
    assert (await counter.tallies())["users/ada"].cpu_millis == 0
    await counter.write(gone.moved(State.DELETED, NOW), Fact.DELETED)
    await counter.is_consistent()


async def test_a_start_is_admitted_again(counter: Counter) -> None:
    of = room(capacity=TWO)
    first = await counter.store.admit(a_claim("users/ada", of=of))
    await counter.stop(first.name)
    await counter.store.admit(a_claim("users/bob", of=of))
    await counter.store.admit(a_claim("users/eve", of=of))
    with pytest.raises(CapacityExhausted):
        await counter.start(first.name, of)
    assert (await counter.found(first.name)).state is State.STOPPED
    await counter.is_consistent()


async def test_a_start_that_waits_keeps_its_address_and_is_started_in_its_turn(
    counter: Counter,
) -> None:
    of = room(capacity=TWO)
    first = await counter.store.admit(a_claim("users/ada", of=of))
    await counter.stop(first.name)
    others = [await counter.store.admit(a_claim(f"users/p{n}", of=of)) for n in range(2)]
    reason = StateReason("CAPACITY_EXHAUSTED", "There is not enough.")
    asked = queue.waiting(await counter.found(first.name), NOW, reason, NOW + timedelta(hours=1))
    pending = await counter.write(asked, Fact.QUEUED, of)
    assert pending.queue is not None
    assert pending.queue.position == 1
    assert pending.endpoints == first.endpoints
    assert await counter.turn(of) == []
    await counter.delete(others[0].name)
    assert await counter.turn(of) == [first.name]
    again = await counter.found(first.name)
    assert again.state is State.STARTING
    assert again.asked
    assert again.endpoints == first.endpoints
    await counter.is_consistent()


async def test_cancelling_a_start_leaves_it_stopped(counter: Counter) -> None:
    kept = await counter.store.admit(a_claim())
    await counter.stop(kept.name)
    reason = StateReason("CAPACITY_EXHAUSTED", "There is not enough.")
    asked = queue.waiting(await counter.found(kept.name), NOW, reason, NOW + timedelta(hours=1))
    await counter.write(asked, Fact.QUEUED, room())
    cancelled = await counter.cancel(kept.name)
    assert cancelled.state is State.STOPPED
    assert cancelled.endpoints == kept.endpoints
    with pytest.raises(AllocationNotWaiting):
        await counter.cancel(kept.name)
    await counter.is_consistent()


async def test_what_can_never_run_never_waits(counter: Counter) -> None:
    for of in (
        room(capacity=Bounds(memory_bytes=SMALL.memory_bytes - 1)),
        room(quota=Bounds(cpu_millis=SMALL.cpu_millis - 1)),
    ):
        with pytest.raises(NeverFits):
            await counter.store.admit(a_claim(of=of, waits=True))
    assert await counter.order() == []
    assert await counter.tallies() == {}


async def test_what_asks_for_more_ports_than_there_are_never_waits(opening: Opening) -> None:
    counter = await opening(range(20000, 20002))
    with pytest.raises(NeverFits):
        await counter.store.admit(a_claim(ports=(WEB, WEB, WEB), waits=True))


async def test_an_override_is_what_one_person_may(counter: Counter) -> None:
    of = room(quota=Bounds(instances=1))
    assert await counter.quotas.override("users/ada", {"instances": 2, "cpu_millis": -1}, 0)
    assert not await counter.quotas.override("users/ada", {"instances": 9}, 0)
    for _ in range(2):
        await counter.store.admit(a_claim("users/ada", of=of))
    with pytest.raises(QuotaExceeded):
        await counter.store.admit(a_claim("users/ada", of=of))
    await counter.store.admit(a_claim("users/bob", of=of))
    with pytest.raises(QuotaExceeded):
        await counter.store.admit(a_claim("users/bob", of=of))
    overrides, _, used = await counter.quotas.find("users/ada")
    assert (overrides.version, dict(overrides.amounts)) == (1, {"instances": 2, "cpu_millis": -1})
    assert used.instances == 2
    await counter.quotas.forget("users/ada")
    assert (await counter.quotas.find("users/ada"))[0].version == 0


async def test_a_quota_below_what_is_there_takes_nothing_away(counter: Counter) -> None:
    for _ in range(2):
        await counter.store.admit(a_claim())
    await counter.quotas.override("users/ada", {"instances": 1}, 0)
    with pytest.raises(QuotaExceeded):
        await counter.store.admit(a_claim())
    assert (await counter.tallies())["users/ada"].instances == 2


async def test_a_change_of_what_it_needs_is_counted(counter: Counter) -> None:
    of = room(capacity=TWO)
    kept = await counter.store.admit(a_claim(of=of))
    stopped = await counter.stop(kept.name)
    larger = await counter.write(replace(stopped, needs=replace(SMALL, cpu_millis=800)))
    await counter.is_consistent()
    await counter.start(larger.name, of)
    assert (await counter.tallies())["nodes/here"].cpu_millis == 800
    await counter.is_consistent()


async def test_a_replayed_request_waits_once(counter: Counter) -> None:
    of = room(capacity=Bounds(cpu_millis=SMALL.cpu_millis))
    await counter.store.admit(a_claim("users/zoe", of=of))
    once = Once.of("users/ada", "CreateAllocation", "5b0c4b0e-6a0b-4c49-9a54-000000000001", "x")
    claim: Claim = replace(a_claim("users/ada", of=of, waits=True), once=once)
    first = await counter.store.admit(claim)
    other = replace(a_claim("users/ada", of=of, waits=True), once=once)
    assert (await counter.store.admit(other)).uid == first.uid
    assert await counter.order() == [first.name]


# What was there before


async def test_what_was_rented_before_is_counted_by_the_migration(counter: Counter) -> None:
    plan = {"limits": [500, 512, 64], "volumes": [["/data", 3]]}
    lives = {
        "allocations/runs": {},
        "allocations/rests": {"state": State.STOPPED, "desired": Desired.STOPPED},
        "allocations/lost": {
            "state": State.UNKNOWN,
            "desired": Desired.STOPPED,
            "last_known": LastKnown(State.STOPPED, NOW, None),
        },
        "allocations/starts": {"state": State.STOPPED, "desired": Desired.RUNNING},
        "allocations/gone": {"state": State.DELETED, "desired": Desired.DELETED},
    }
    count = importlib.import_module(
        "allocation_svc.schema.versions.0004_admission"
    )._count_what_there_is

    def from_before(connection: sa.Connection) -> None:
        for name, fields in lives.items():
            allocation = replace(a_claim().allocation, name=name, **fields)  # type: ignore[arg-type]
            document = document_of(allocation)
            for added in ("needs", "held", "admitted", "price"):
                del document[added]
            connection.execute(
                sa.insert(ALLOCATIONS).values(
                    name=name,
                    owner=allocation.owner,
                    machine=allocation.machine,
                    state=allocation.state.value,
                    desired_state=allocation.desired.value,
                    live=int(allocation.exists),
                    version=1,
                    create_time=NOW,
                    document=document,
                    plan=plan,
                    sealed_secrets=b"",
                )
            )
        # A second time is as the first one: a migration may be cut short.
        count(connection)
        count(connection)

    await counter.database.write(from_before)
    needs = Amounts(1, 500, 512, 3 << 20)
    rest = replace(needs, cpu_millis=0, memory_bytes=0)
    assert (await counter.tallies())["users/ada"] == needs + needs + rest + rest
    await counter.is_consistent()
    for name in lives:
        if (await counter.found(name)).exists:
            gone = (await counter.found(name)).moved(State.DELETED, NOW)
            await counter.write(replace(gone, desired=Desired.DELETED), Fact.DELETED)
    assert await counter.tallies() == {}
