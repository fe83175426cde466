"""What the suites of admission share: a store with its queue, opened as in production."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Row, Select, select

from allocation_svc.adapters.allocation_store.document import allocation_of
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.allocation_store.tallies import node_subject
from allocation_svc.adapters.quota_store.sql import SqlQuotaStore
from allocation_svc.adapters.resource_class_store.sql import SqlResourceClassStore
from allocation_svc.adapters.volume_store.rows import VolumeRows
from allocation_svc.adapters.volume_store.sql import SqlVolumeStore
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
from allocation_svc.transport.volume_servicer import volume_records
from chassis.clock import ManualClock
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Plan("redis:7-alpine", ("redis-server",), Limits(500, 1 << 29, 128))
WEB = MachinePort(8080, Protocol.TCP, "web page", "http")
SMALL = Amounts(1, 500, 512, 1000)
TWO = Bounds(cpu_millis=1000, memory_bytes=10**12, disk_bytes=10**12)
"""A node with room for two small ones."""
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
    """A store of allocations, its queue and volumes, and what one may look at beside them."""

    database: Database
    clock: ManualClock
    ports: range = range(20000, 30000)
    port_rest_seconds: float = 0.0
    committed: list[Allocation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = SqlAllocationStore(
            self.database,
            self.clock,
            leases=PortLeases(self.ports),
            port_rest_seconds=self.port_rest_seconds,
            records_of=records_of,
            committed=self.committed.append,
            volumes=VolumeRows(volume_records),
        )
        self.volumes = SqlVolumeStore(self.database, self.clock, volume_records)
        self.room = SqlWaitingRoom(self.database, self.clock)
        self.quotas = SqlQuotaStore(self.database, self.clock)
        self.classes = SqlResourceClassStore(self.database, self.clock)

    async def rows(self, statement: Select[Any]) -> list[Row[Any]]:
        """What a statement finds."""
        return await self.database.read(lambda c: list(c.execute(statement).all()))

    async def leases(self) -> list[tuple[str, int, str]]:
        """Every port that is leased now, and to which allocation."""
        columns = PORT_LEASES.c
        found = await self.rows(
            select(columns.protocol, columns.port, columns.allocation)
            .where(columns.allocation != "")
            .order_by(columns.protocol, columns.port)
        )
        return [(protocol, port, allocation) for protocol, port, allocation in found]

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
        counted = {row[0]: Amounts(*row[1:]) for row in await self.rows(select(TALLIES))}
        return {subject: amounts for subject, amounts in counted.items() if amounts != Amounts()}

    async def recounted(self) -> dict[str, Amounts]:
        """The same, counted anew from the allocations that there are."""
        documents = select(ALLOCATIONS.c.document).where(ALLOCATIONS.c.live == 1)
        live = [allocation_of(each) for (each,) in await self.rows(documents)]
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
        rows = await self.rows(select(ALLOCATIONS.c.name, ALLOCATIONS.c.state))
        pending = {name for name, state in rows if state == "PENDING"}
        assert {name for (name,) in await self.rows(select(QUEUE.c.allocation))} == pending
        leased = {allocation for _, _, allocation in await self.leases()}
        waits_for_the_first_time = {
            row[0]
            for row in rows
            if row[1] == "PENDING" and not (await self.found(row[0])).admitted
        }
        there = {name for name, state in rows if state != "DELETED"}
        assert leased <= there - waits_for_the_first_time


Opening = Callable[..., Awaitable[Any]]


@pytest.fixture
def kind() -> type[Counter]:
    """What is opened; a suite that looks at more has a kind of its own."""
    return Counter


@pytest.fixture(params=SQL_ENGINES)
async def opening(
    request: pytest.FixtureRequest, sql_place: SqlPlace, kind: type[Counter]
) -> AsyncIterator[Opening]:
    """Opens the same store each time that it is called, with the ports that are given."""
    url = sql_place(request.param, "allocation_svc.schema")
    opened: list[Database] = []
    clock = ManualClock(NOW)

    async def open_(ports: range = range(20000, 30000)) -> Counter:
        database = await open_database(url, "allocation_svc.schema", clock)
        opened.append(database)
        return kind(database, clock, ports)

    yield open_
    for database in opened:
        await database.close()


@pytest.fixture
async def counter(opening: Opening) -> Counter:
    """A store with nothing in it."""
    return await opening()


async def waits(counter: Counter, owner: str, of: Room, **claim: object) -> Allocation:
    """One more that waits."""
    kept = await counter.store.admit(a_claim(owner, of=of, waits=True, **claim))  # type: ignore[arg-type]
    assert kept.state is State.PENDING, kept
    return kept
