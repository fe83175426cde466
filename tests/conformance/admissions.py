"""What the suites of admission share: a store with its queue, opened as in production."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from allocation_svc.adapters.allocation_store.document import allocation_of
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.allocation_store.tallies import node_subject
from allocation_svc.adapters.quota_store.sql import SqlQuotaStore
from allocation_svc.adapters.resource_class_store.sql import SqlResourceClassStore
from allocation_svc.adapters.waiting_room.sql import SqlWaitingRoom
from allocation_svc.domain import queue, requests
from allocation_svc.domain.allocation import Allocation, Desired, Protocol, State
from allocation_svc.domain.capacity import Amounts, Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import NO_ROOM, StockExhausted
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.machine import MachinePort, Plan
from allocation_svc.domain.quota import RoleQuotas
from allocation_svc.domain.room import Room, Wait
from allocation_svc.domain.step import Rules
from allocation_svc.ports.allocation_store import Claim
from allocation_svc.schema.tables import ALLOCATIONS, PORT_LEASES, QUEUE, TALLIES
from allocation_svc.transport.mapping import records_of
from chassis.clock import ManualClock
from chassis.sql import Database

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Plan("redis:7-alpine", ("redis-server",), Limits(500, 1 << 29, 128))
WEB = MachinePort(8080, Protocol.TCP, "web page", "http")
SMALL = Amounts(1, 500, 512, 1000)
RULES = Rules()
_NUMBERS = itertools.count(1)


def room(*, quota: Bounds | None = None, capacity: Bounds | None = None, limit: int = 1000) -> Room:
    """What there is to be had; without limits unless they are given."""
    return Room(
        RoleQuotas({"PERSON": quota or Bounds()}),
        frozenset(),
        capacity or Bounds(),
        queue_limit=limit,
    )


def a_claim(
    owner: str = "users/ada",
    machine: str = "machines/redis",
    *,
    needs: Amounts = SMALL,
    of: Room | None = None,
    stock: int = 0,
    waits: bool = False,
    ports: tuple[MachinePort, ...] = (WEB,),
    now: datetime = NOW,
) -> Claim:
    """A claim of one more allocation."""
    number = next(_NUMBERS)
    allocation = Allocation(
        name=f"allocations/q{number:07}",
        uid=f"00000000-0000-4000-8000-{number:012}",
        owner=owner,
        machine=machine,
        machine_version=1,
        machine_title="Redis",
        display_name="Redis",
        resource_class="small",
        desired=Desired.RUNNING,
        state=State.PROVISIONING,
        state_time=now,
        create_time=now,
        update_time=now,
        node="here",
        deadline=now + timedelta(minutes=10),
        needs=needs,
    )
    wait = Wait(now + timedelta(hours=1)) if waits else None
    return Claim(allocation, PLAN, b"", ports, "127.0.0.1", of or room(), stock=stock, wait=wait)


@dataclass
class Counter:
    """A store of allocations, its queue, and what one may look at beside them."""

    database: Database
    clock: ManualClock
    ports: range = range(20000, 30000)
    committed: list[Allocation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SqlAllocationStore(
            self.database,
            self.clock,
            leases=PortLeases(self.ports),
            port_rest_seconds=0.0,
            records_of=records_of,
            committed=self.committed.append,
        )
        self.room = SqlWaitingRoom(self.database, self.clock)
        self.quotas = SqlQuotaStore(self.database, self.clock)
        self.classes = SqlResourceClassStore(self.database, self.clock)

    async def found(self, name: str) -> Allocation:
        """One allocation, which is there."""
        found = await self.store.find(name)
        assert found is not None
        return found

    async def write(
        self, after: Allocation, fact: Fact | None = None, of: Room | None = None
    ) -> Allocation:
        """Writes a change that nobody else is faster than."""
        written = await self.store.replace(after, fact, room=of)
        assert written is not None
        return written

    async def stop(self, name: str) -> Allocation:
        """Asks it to stop, and has it stopped as the reconciler would."""
        found = requests.stop(await self.found(name), self.clock.now())
        found = await self.write(found)
        return await self.write(replace(found.moved(State.STOPPED, self.clock.now()), asked=False))

    async def start(self, name: str, of: Room | None = None) -> Allocation:
        """Asks it to run, where there is room."""
        found = requests.start(await self.found(name), self.clock.now())
        return await self.write(found, of=of or room())

    async def delete(self, name: str) -> Allocation:
        """Has it removed as the reconciler would."""
        found = await self.write(requests.delete(await self.found(name), self.clock.now()))
        return await self.write(found.moved(State.DELETED, self.clock.now()), Fact.DELETED)

    async def cancel(self, name: str) -> Allocation:
        """Takes it out of the queue."""
        return await self.write(queue.cancel(await self.found(name), self.clock.now()))

    async def turn(self, of: Room) -> list[str]:
        """Admits all for whom there is room, in their order, as the one who looks after it does."""
        admitted, out_of_stock = [], set()
        for one in await self.room.waiting():
            if one.machine in out_of_stock:
                continue
            begun = queue.admitted(await self.found(one.allocation), self.clock.now(), RULES)
            try:
                assert await self.store.promote(begun, of) is not None
            except StockExhausted as fault:
                out_of_stock.add(one.machine)
                await self.room.waits_for(one.allocation, fault.reason)
            except NO_ROOM as fault:
                await self.room.waits_for(one.allocation, fault.reason)
                break
            else:
                admitted.append(one.allocation)
        return admitted

    async def order(self) -> list[str]:
        """Who waits, the next one first."""
        return [one.allocation for one in await self.room.waiting()]

    async def tallies(self) -> dict[str, Amounts]:
        """What is counted of each subject of which anything is."""
        rows = await self.database.read(lambda c: c.execute(select(TALLIES)).all())
        counted = {row[0]: Amounts(*row[1:]) for row in rows}
        return {subject: amounts for subject, amounts in counted.items() if amounts != Amounts()}

    async def recounted(self) -> dict[str, Amounts]:
        """The same, counted anew from the allocations that there are."""
        documents = select(ALLOCATIONS.c.document).where(ALLOCATIONS.c.live == 1)
        live = await self.database.read(
            lambda c: [allocation_of(each) for each in c.execute(documents).scalars()]
        )
        sums: dict[str, Amounts] = defaultdict(Amounts)
        for allocation in live:
            held = allocation.holds
            assert held == allocation.held
            for subject, amounts in (
                (allocation.owner, held.of_owner),
                (allocation.machine, held.of_machine),
                (node_subject(allocation.node), held.of_node),
            ):
                sums[subject] += amounts
        return {subject: amounts for subject, amounts in sums.items() if amounts != Amounts()}

    async def is_consistent(self) -> None:
        """Tallies, queue and leases are what the allocations say."""
        assert await self.tallies() == await self.recounted()
        rows = await self.database.read(
            lambda c: c.execute(select(ALLOCATIONS.c.name, ALLOCATIONS.c.state)).all()
        )
        pending = {name for name, state in rows if state == "PENDING"}
        waiting = await self.database.read(
            lambda c: set(c.execute(select(QUEUE.c.allocation)).scalars())
        )
        assert waiting == pending
        leased = await self.database.read(
            lambda c: set(
                c.execute(
                    select(PORT_LEASES.c.allocation).where(PORT_LEASES.c.allocation != "")
                ).scalars()
            )
        )
        waits_for_the_first_time = {
            row[0]
            for row in rows
            if row[1] == "PENDING" and not (await self.found(row[0])).admitted
        }
        there = {name for name, state in rows if state != "DELETED"}
        assert leased <= there - waits_for_the_first_time
