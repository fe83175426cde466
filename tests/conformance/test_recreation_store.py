"""What an allocation takes and gives back when it becomes one of a newer version of its machine."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import select

from allocation_svc.domain.allocation import Allocation, Desired, Protocol, State
from allocation_svc.domain.capacity import Amounts, Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import (
    CapacityExhausted,
    NeverFits,
    PortsExhausted,
    QuotaExceeded,
)
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.machine import Machine, MachinePort
from allocation_svc.domain.quota import RoleQuotas
from allocation_svc.domain.recreation import plan_after, remade
from allocation_svc.domain.room import ANY_ROOM, Room
from allocation_svc.domain.volume_choice import with_volumes
from allocation_svc.ports.allocation_store import Remaking
from allocation_svc.schema.tables import (
    ALLOCATIONS,
    OUTBOX,
    PORT_LEASES,
    TALLIES,
    VOLUMES,
)
from chassis.listing import Once
from tests.conformance import admissions
from tests.conformance.admissions import NOW, WEB, Opening, a_claim, opening

__all__ = ["opening"]

HOST = "127.0.0.1"
REST_SECONDS = 60.0
MIB = 1 << 20
ADMIN, NAMES = MachinePort(9090, Protocol.TCP), MachinePort(53, Protocol.UDP)
OLD = Machine(
    "machines/wiki",
    "Wiki",
    1,
    active=True,
    image="wiki:1",
    ports=(WEB,),
    volumes=(PlannedVolume("/data", 16),),
)
NEW = replace(OLD, version=2, image="wiki:2")
LIMITS = Limits(500, 1 << 29, 128)
NEEDS = Amounts(1, 500, 1 << 29, 100 * MIB)


@dataclass
class Opened(admissions.Counter):
    """A store whose ports rest before they go to others."""

    port_rest_seconds: float = REST_SECONDS

    async def rent(self, machine: Machine = OLD) -> Allocation:
        """One that is READY."""
        claim = a_claim(machine=machine.name, ports=machine.ports, needs=NEEDS, of=ANY_ROOM)
        begun = claim.allocation
        plan, volumes = with_volumes(begun.name, machine, machine.plan(LIMITS), {})
        rented = await self.store.admit(
            replace(claim, allocation=replace(begun, volumes=volumes), plan=plan)
        )
        return await self.write(rented.moved(State.READY, NOW))

    async def recreate(
        self,
        allocation: Allocation,
        machine: Machine,
        *,
        room: Room = ANY_ROOM,
        once: Once | None = None,
    ) -> Allocation | None:
        """Writes down that it becomes one of a version of its machine."""
        kept = await self.store.plan(allocation.name)
        assert kept is not None
        plans = (kept[0], plan_after(allocation.name, kept[0], machine))
        after = remade(allocation, machine, (), plans, HOST, self.clock.now())
        return await self.store.replace(
            after, Fact.STATE_REQUESTED, once=once, room=room, remaking=Remaking(plans[1])
        )

    async def remake(self, allocation: Allocation, machine: Machine) -> Allocation:
        """The same, where there is room and nobody is faster."""
        written = await self.recreate(allocation, machine)
        assert written is not None
        return written

    async def all_rows(self) -> dict[str, list[Any]]:
        """All that is kept."""
        tables = (ALLOCATIONS, PORT_LEASES, TALLIES, VOLUMES, OUTBOX)
        return {table.name: sorted(map(repr, await self.rows(select(table)))) for table in tables}

    async def disk(self, subject: str) -> int:
        """How much disk a subject is counted to have, in MiB."""
        counted = await self.tallies()
        return counted[subject].disk_bytes // MIB if subject in counted else 0


@pytest.fixture
def kind() -> type[Opened]:
    """What is opened."""
    return Opened


@pytest.fixture
async def opened(opening: Opening) -> Opened:
    """A store with nothing in it."""
    return await opening()


def leases_of(*allocations: Allocation, leaving: bool = False) -> set[tuple[str, int, str]]:
    """What is to be leased for allocations."""
    return {
        (one.protocol.value, one.port, allocation.name)
        for allocation in allocations
        for one in (*allocation.endpoints, *(allocation.leaving if leaving else ()))
    }


async def test_what_stays_keeps_its_port_and_what_is_new_gets_one(opened: Opened) -> None:
    rented = await opened.rent()
    after = await opened.remake(rented, replace(NEW, ports=(NAMES, WEB, ADMIN)))
    shown = [(one.host, one.container_port, one.protocol) for one in after.endpoints]
    assert shown == [
        (HOST, 53, Protocol.UDP),
        (HOST, 8080, Protocol.TCP),
        (HOST, 9090, Protocol.TCP),
    ]
    assert after.endpoints[1] == rented.endpoints[0]
    assert 0 not in {one.port for one in after.endpoints}
    assert set(await opened.leases()) == leases_of(after)
    assert await opened.store.find(rented.name) == after


async def test_a_port_that_is_gone_is_leased_until_another_instance_is_ready_and_then_rests(
    opening: Opening,
) -> None:
    opened = await opening(range(20000, 20002))
    rented = await opened.rent()
    after = await opened.remake(rented, replace(NEW, ports=(ADMIN,)))
    assert after.leaving == rented.endpoints
    assert set(await opened.leases()) == leases_of(after, leaving=True)

    moved = replace(after.moved(State.PROVISIONING, NOW), generation=2, to_be_remade=False)
    making = await opened.write(moved)
    assert set(await opened.leases()) == leases_of(making, leaving=True)
    ready = await opened.write(making.moved(State.READY, NOW), Fact.READY)
    assert ready.leaving == ()
    assert await opened.store.find(rented.name) == ready
    assert set(await opened.leases()) == leases_of(ready)

    opened.clock.advance(REST_SECONDS - 0.001)
    with pytest.raises(PortsExhausted):
        await opened.rent()
    opened.clock.advance(0.001)
    assert (await opened.rent()).endpoints[0].port == rented.endpoints[0].port


async def test_a_failed_one_keeps_what_an_instance_may_have_that_is_still_there(
    opened: Opened,
) -> None:
    """As where the next image was not there in time."""
    after = await opened.remake(await opened.rent(), replace(NEW, ports=(ADMIN,)))
    making = await opened.write(replace(after.moved(State.PROVISIONING, NOW), to_be_remade=False))
    failed = await opened.write(making.moved(State.FAILED, NOW), Fact.FAILED)
    assert set(await opened.leases()) == leases_of(failed, leaving=True)
    assert failed.leaving
    stopping = replace(failed.moved(State.STOPPED, NOW), desired=Desired.STOPPED)
    stopped = await opened.write(stopping)
    assert set(await opened.leases()) == leases_of(stopped)


async def test_a_stopped_one_gives_back_at_once(opened: Opened) -> None:
    rented = await opened.rent()
    stopped = await opened.write(replace(rented.moved(State.STOPPED, NOW), desired=Desired.STOPPED))
    after = await opened.remake(stopped, replace(NEW, ports=()))
    assert (after.endpoints, after.leaving) == ((), ())
    assert set(await opened.leases()) == set()


@pytest.mark.parametrize("how", ["removed", "exchanged"])
async def test_what_leaves_goes_with_all_ports(opened: Opened, how: str) -> None:
    """Where the allocation goes, or a stranger has one of them."""
    after = await opened.remake(await opened.rent(), replace(NEW, ports=(ADMIN,)))
    making = await opened.write(replace(after.moved(State.PROVISIONING, NOW), to_be_remade=False))
    if how == "removed":
        gone = replace(making.moved(State.DELETED, NOW), desired=Desired.DELETED)
        await opened.write(gone, Fact.DELETED)
        assert set(await opened.leases()) == set()
        return
    exchanged = await opened.store.replace(making, next_ports=True)
    assert exchanged is not None
    assert exchanged.leaving == ()
    assert exchanged.endpoints[0].port != making.endpoints[0].port
    assert set(await opened.leases()) == leases_of(exchanged)


async def test_of_many_the_last_port_goes_to_one_and_nothing_is_left_of_the_others(
    opening: Opening,
) -> None:
    opened = await opening(range(20000, 20009))
    rented = [await opened.rent() for _ in range(8)]
    wider = replace(NEW, ports=(WEB, ADMIN), volumes=(*OLD.volumes, PlannedVolume("/more", 4)))
    results = await asyncio.gather(
        *(opened.recreate(one, wider) for one in rented), return_exceptions=True
    )
    assert Counter(type(result) for result in results) == {Allocation: 1, PortsExhausted: 7}
    won = next(result for result in results if isinstance(result, Allocation))
    others = [one for one in rented if one.name != won.name]
    for one in others:
        assert await opened.store.find(one.name) == one
        assert [had.path for had in await opened.volumes.of_allocation(one.name)] == ["/data"]
        kept = await opened.store.plan(one.name)
        assert kept is not None
        assert kept[0].image == "wiki:1"
    assert set(await opened.leases()) == leases_of(won, *others)
    assert await opened.disk("users/ada") == await opened.disk("nodes/here") == 8 * 100 + 4


async def test_of_writers_of_one_version_only_the_one_who_wins_takes_anything(
    opened: Opened,
) -> None:
    rented = await opened.rent()
    wider = replace(NEW, ports=(WEB, ADMIN), volumes=(*OLD.volumes, PlannedVolume("/more", 4)))
    results = await asyncio.gather(*(opened.recreate(rented, wider) for _ in range(8)))
    won = [result for result in results if result is not None]
    assert len(won) == 1
    assert set(await opened.leases()) == leases_of(won[0])
    assert len(await opened.volumes.of_allocation(rented.name)) == 2
    assert await opened.disk("users/ada") == 104


async def test_a_new_volume_is_made_told_of_and_counted(opened: Opened) -> None:
    rented = await opened.rent()
    after = await opened.remake(rented, replace(NEW, volumes=(PlannedVolume("/more", 4),)))
    former, made = await opened.volumes.of_allocation(rented.name)
    assert [(had.path, had.volume) for had in after.volumes] == [
        ("/more", made.name),
        ("/data", former.name),
    ]
    assert (made.owner, made.node, made.size_limit_mib) == ("users/ada", "here", 4)
    assert (former.size_limit_mib, former.version) == (16, 1)
    topics = await opened.rows(select(OUTBOX.c.topic, OUTBOX.c.key))
    told = [key for topic, key in topics if topic == "allocator.volumes.facts.v1"]
    assert len(told) == 2
    assert after.held.amounts.disk_bytes == 104 * MIB
    assert await opened.disk("users/ada") == await opened.disk("nodes/here") == 104

    gone = replace(after.moved(State.DELETED, NOW), desired=Desired.DELETED)
    await opened.write(gone, Fact.DELETED)
    assert await opened.volumes.of_allocation(rented.name) == []
    assert await opened.disk("users/ada") == await opened.disk("nodes/here") == 0


_FULL = Bounds(disk_bytes=103 * MIB)


@pytest.mark.parametrize(
    ("machine", "room", "fault"),
    [
        (
            replace(NEW, volumes=(PlannedVolume("/more", 4),)),
            Room(RoleQuotas({"PERSON": Bounds(disk_bytes=203 * MIB)})),
            QuotaExceeded,
        ),
        (
            replace(NEW, volumes=(PlannedVolume("/more", 4),)),
            Room(capacity=Bounds(disk_bytes=203 * MIB)),
            CapacityExhausted,
        ),
        (replace(NEW, volumes=(PlannedVolume("/more", 4),)), Room(capacity=_FULL), NeverFits),
        (replace(NEW, ports=(WEB, ADMIN)), ANY_ROOM, PortsExhausted),
        (replace(NEW, ports=(WEB, ADMIN, MachinePort(1, Protocol.TCP))), ANY_ROOM, NeverFits),
    ],
    ids=["quota", "node", "ever", "ports", "too many ports"],
)
async def test_where_there_is_no_room_nothing_changes(
    opening: Opening, machine: Machine, room: Room, fault: type[Exception]
) -> None:
    opened = await opening(range(20000, 20002))
    rented, _ = await opened.rent(), await opened.rent()
    before = await opened.all_rows()
    with pytest.raises(fault):
        await opened.recreate(rented, machine, room=room)
    assert await opened.all_rows() == before


async def test_a_request_sent_again_takes_nothing_more(opened: Opened) -> None:
    rented = await opened.rent()
    once = Once.of("users/ada", "RecreateAllocation", str(uuid.uuid4()), rented.name)
    wider = replace(NEW, ports=(WEB, ADMIN), volumes=(*OLD.volumes, PlannedVolume("/more", 4)))
    first = await opened.recreate(rented, wider, once=once)
    assert first is not None
    assert await opened.recreate(first, wider, once=once) == first
    assert set(await opened.leases()) == leases_of(first)
    assert await opened.disk("users/ada") == 104
