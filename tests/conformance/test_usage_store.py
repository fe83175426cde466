"""What allocations were, and for how long, as the port promises it: beside the allocations themselves."""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from allocation_svc.adapters.allocation_store.document import document_of
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.usage_store.sql import SqlUsageStore
from allocation_svc.domain.allocation import Allocation, Desired, LastKnown, State
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.usage import Interval, Kind, Truth, Window
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.usage_store import UsageStore
from allocation_svc.schema.tables import USAGE_INTERVALS
from allocation_svc.transport.mapping import records_of
from chassis.clock import ManualClock
from chassis.listing import Once
from chassis.sql import Database, open_database
from tests.conformance.test_allocation_store import NOW, a_claim
from tests.sql_places import SQL_ENGINES, SqlPlace

ALWAYS = Window(datetime(1970, 1, 1, tzinfo=UTC), NOW + timedelta(days=1))
SECOND = timedelta(seconds=1)


@dataclass
class Opened:
    """Both stores on one database, opened as in production, and a hand that changes allocations."""

    allocations: AllocationStore
    usage: UsageStore
    database: Database
    clock: ManualClock

    async def begun(self, owner: str = "users/ada", machine: str = "machines/redis") -> Allocation:
        return await self.allocations.admit(
            a_claim(
                owner,
                machine,
                ports=(),
                state_time=self.clock.now(),
                create_time=self.clock.now(),
                update_time=self.clock.now(),
            )
        )

    async def change(
        self,
        allocation: Allocation,
        state: State,
        desired: Desired | None = None,
        truth: Truth | None = None,
    ) -> Allocation:
        now = self.clock.now()
        after = replace(
            allocation.moved(state, now), desired=desired or allocation.desired, update_time=now
        )
        if state is State.DELETED:
            after = replace(after, delete_time=now)
        written = await self.allocations.replace(after, truth=truth)
        assert written is not None
        return written

    async def intervals(self, name: str) -> list[Interval]:
        """All of them, oldest first."""
        return list(await self.usage.intervals(name, ALWAYS, 1000))[::-1]


Opening = Callable[..., Awaitable[Opened]]


@pytest.fixture(params=SQL_ENGINES)
async def opened(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opened]:
    """Stores with nothing in them."""
    clock = ManualClock(NOW)
    schema = "allocation_svc.schema"
    database = await open_database(sql_place(request.param, schema), schema, clock)
    allocations = SqlAllocationStore(
        database,
        clock,
        leases=PortLeases(range(20000, 30000)),
        port_rest_seconds=60.0,
        records_of=records_of,
        committed=lambda _: None,
    )
    yield Opened(allocations, SqlUsageStore(database), database, clock)
    await database.close()


async def test_each_change_of_state_ends_an_interval_and_begins_another(opened: Opened) -> None:
    made = await opened.begun()
    opened.clock.advance(2)
    ready = await opened.change(made, State.READY)
    opened.clock.advance(10)
    failed = await opened.change(ready, State.FAILED)
    opened.clock.advance(5)
    gone = await opened.change(failed, State.DELETED, Desired.DELETED)
    assert await opened.intervals(gone.name) == [
        Interval(1, Kind.STARTING, True, NOW, NOW + 2 * SECOND),
        Interval(2, Kind.READY, True, NOW + 2 * SECOND, NOW + 12 * SECOND),
        Interval(3, Kind.FAILED, True, NOW + 12 * SECOND, NOW + 17 * SECOND),
    ]
    usage = await opened.usage.usage(gone.name, ALWAYS)
    assert (usage.start, usage.end) == (gone.create_time, gone.delete_time)
    assert (usage.life, usage.up, usage.down, usage.failures) == (17_000, 10_000, 7_000, 1)


async def test_what_changes_nothing_of_it_leaves_the_interval_alone(opened: Opened) -> None:
    made = await opened.begun()
    for percent in range(3):
        opened.clock.advance(1)
        written = await opened.allocations.replace(
            replace(made, progress=f"{percent} %", update_time=opened.clock.now())
        )
        assert written is not None
        made = written
    assert await opened.intervals(made.name) == [Interval(1, Kind.STARTING, True, NOW)]


async def test_a_wish_of_the_owner_ends_an_interval(opened: Opened) -> None:
    ready = await opened.change(await opened.begun(), State.READY)
    opened.clock.advance(3)
    asked = replace(ready, desired=Desired.STOPPED, update_time=opened.clock.now())
    await opened.allocations.replace(asked, Fact.STATE_REQUESTED)
    assert await opened.intervals(ready.name) == [
        Interval(1, Kind.READY, True, NOW, NOW + 3 * SECOND),
        Interval(2, Kind.READY, False, NOW + 3 * SECOND),
    ]


async def test_a_clock_that_is_set_back_makes_no_interval_shorter_than_nothing(
    opened: Opened,
) -> None:
    made = await opened.begun()
    back = replace(made.moved(State.READY, NOW - 3600 * SECOND), update_time=NOW - 3600 * SECOND)
    written = await opened.allocations.replace(back)
    assert written is not None
    assert await opened.intervals(made.name) == [Interval(1, Kind.READY, True, NOW)]
    assert (await opened.usage.usage(made.name, Window(NOW, NOW + SECOND))).life == 1000
    # Asked at a time before it was made.
    early = Window(NOW - 2 * SECOND, NOW - SECOND)
    assert (await opened.usage.usage(made.name, early)).start is None


async def test_what_turns_out_later_takes_the_place_of_what_was_unknown(opened: Opened) -> None:
    ready = await opened.change(await opened.begun(), State.READY)
    opened.clock.advance(10)
    away = await opened.change(
        replace(ready, last_known=LastKnown(State.READY, NOW, None)), State.UNKNOWN
    )
    opened.clock.advance(1)
    asked = await opened.change(away, State.UNKNOWN, Desired.STOPPED)
    opened.clock.advance(1)
    truth = Truth(Kind.READY, NOW + 11.5 * SECOND, Kind.STOPPED)
    await opened.change(asked, State.STOPPED, truth=truth)
    assert await opened.intervals(ready.name) == [
        Interval(1, Kind.READY, True, NOW, NOW + 11 * SECOND),
        Interval(2, Kind.READY, False, NOW + 11 * SECOND, NOW + 11.5 * SECOND),
        Interval(3, Kind.STOPPED, False, NOW + 11.5 * SECOND),
    ]
    usage = await opened.usage.usage(ready.name, Window(NOW, NOW + 12 * SECOND))
    assert (usage.life, usage.unknown, usage.up, usage.off) == (12_000, 0, 11_000, 1_000)


async def test_fewer_intervals_may_be_left_when_the_truth_is_told(opened: Opened) -> None:
    ready = await opened.change(await opened.begun(), State.READY)
    for _ in range(3):
        opened.clock.advance(10)
        away = await opened.change(ready, State.UNKNOWN)
        opened.clock.advance(10)
        ready = await opened.change(away, State.READY, truth=Truth(Kind.READY))
    assert await opened.intervals(ready.name) == [Interval(1, Kind.READY, True, NOW)]


async def test_the_loser_of_a_race_leaves_no_interval(opened: Opened) -> None:
    made = await opened.begun()
    opened.clock.advance(1)
    now = opened.clock.now()
    states = [State.READY, State.FAILED, State.STOPPED, State.STARTING] * 5
    written = await asyncio.gather(
        *(opened.allocations.replace(made.moved(state, now)) for state in states)
    )
    [won] = [one for one in written if one is not None]
    told = await opened.intervals(made.name)
    assert told[-1].kind.value == won.state.value
    assert len(told) == (1 if won.state is State.STARTING else 2)


async def test_many_allocations_that_change_at_once_all_add_up(opened: Opened) -> None:
    chance = random.Random(6)
    begun = await asyncio.gather(*(opened.begun() for _ in range(10)))
    living = [state for state in State if state is not State.DELETED]

    async def lives(allocation: Allocation) -> None:
        for _ in range(15):
            opened.clock.advance(chance.random())
            allocation = await opened.change(
                allocation, chance.choice(living), chance.choice(list(Desired))
            )

    await asyncio.gather(*(lives(one) for one in begun))
    now = opened.clock.now()
    for allocation in begun:
        told = await opened.intervals(allocation.name)
        assert told[0].start == NOW
        assert all(one.end == following.start for one, following in pairwise(told))
        usage = await opened.usage.usage(allocation.name, Window(NOW, now))
        assert usage.life == (now - NOW) // timedelta(milliseconds=1)
    total, count = await opened.usage.usage_of_machine("machines/redis", Window(NOW, now))
    assert (total.life, count) == (10 * ((now - NOW) // timedelta(milliseconds=1)), 10)


async def test_a_request_that_comes_twice_is_told_once(opened: Opened) -> None:
    once = Once.of("users/ada", "CreateAllocation", str(uuid.uuid4()), "machines/redis")
    claim = a_claim(ports=(), once=once)
    first = await opened.allocations.admit(claim)
    again = await opened.allocations.admit(replace(claim, allocation=a_claim().allocation))
    assert again.name == first.name
    start = Once.of("users/ada", "StartAllocation", str(uuid.uuid4()), first.name)
    opened.clock.advance(1)
    for _ in range(2):
        after = replace(first, desired=Desired.STOPPED, update_time=opened.clock.now())
        assert await opened.allocations.replace(after, Fact.STATE_REQUESTED, once=start)
    rows = sa.select(sa.func.count()).select_from(USAGE_INTERVALS)
    assert await opened.database.read(lambda c: c.execute(rows).scalar()) == 2


async def test_a_window_cuts_what_reaches_out_of_it(opened: Opened) -> None:
    made = await opened.begun()
    for state in (State.READY, State.FAILED, State.STARTING, State.READY):
        opened.clock.advance(10)
        made = await opened.change(made, state)
    window = Window(NOW + 15 * SECOND, NOW + 35 * SECOND)
    assert list(await opened.usage.intervals(made.name, window, 10)) == [
        Interval(4, Kind.STARTING, True, NOW + 30 * SECOND, NOW + 35 * SECOND),
        Interval(3, Kind.FAILED, True, NOW + 20 * SECOND, NOW + 30 * SECOND),
        Interval(2, Kind.READY, True, NOW + 15 * SECOND, NOW + 20 * SECOND),
    ]
    usage = await opened.usage.usage(made.name, window)
    assert (usage.start, usage.end) == (window.start, window.end)
    assert (usage.life, usage.up, usage.down, usage.failures) == (20_000, 5_000, 15_000, 1)
    later = Window(NOW + 25 * SECOND, NOW + 35 * SECOND)
    assert (await opened.usage.usage(made.name, later)).failures == 0
    # What goes on ends with the window; what is yet to come is not told.
    present = Window(NOW, NOW + 60 * SECOND)
    assert (await opened.usage.usage(made.name, present)).end == NOW + 60 * SECOND
    upside_down = Window(NOW + 50 * SECOND, NOW + 45 * SECOND)
    assert (await opened.usage.usage(made.name, upside_down)).start is None


async def test_intervals_come_in_pages_newest_first(opened: Opened) -> None:
    made = await opened.begun()
    for state in (State.READY, State.FAILED) * 4:
        opened.clock.advance(1)
        made = await opened.change(made, state)
    numbers: list[int] = []
    while page := await opened.usage.intervals(
        made.name, ALWAYS, 2, numbers[-1] if numbers else None
    ):
        assert len(page) <= 2
        numbers += [one.number for one in page]
    assert numbers == list(range(9, 0, -1))


async def test_a_machine_sums_up_its_allocations_and_no_others(opened: Opened) -> None:
    removed, lives = await opened.begun("users/ada"), await opened.begun("users/bob")
    await opened.begun(machine="machines/other")
    opened.clock.advance(10)
    await opened.change(removed, State.DELETED, Desired.DELETED)
    await opened.change(lives, State.READY)
    window = Window(NOW, NOW + 30 * SECOND)
    usage, count = await opened.usage.usage_of_machine("machines/redis", window)
    assert (count, usage.life, usage.up, usage.down) == (2, 40_000, 20_000, 20_000)
    late = Window(NOW + 20 * SECOND, NOW + 30 * SECOND)
    assert (await opened.usage.usage_of_machine("machines/redis", late))[1] == 1
    assert (await opened.usage.usage_of_machine("machines/none", window))[1] == 0


async def test_reports_go_through_allocations_by_name_removed_ones_too(opened: Opened) -> None:
    mine = [await opened.begun() for _ in range(5)]
    foreign = await opened.begun("users/bob")
    await opened.change(mine[0], State.DELETED, Desired.DELETED)
    opened.clock.advance(1)
    window = Window(NOW, opened.clock.now())

    async def through(owner: str) -> dict[str, int]:
        found: dict[str, int] = {}
        while page := await opened.usage.page(owner, window, 2, max(found, default="")):
            found |= {allocation.name: usage.life for allocation, usage in page}
        return found

    expected = {one.name: 1000 for one in mine} | {mine[0].name: 0}
    assert await through("users/ada") == expected
    assert await through("") == expected | {foreign.name: 1000}
    assert await through("users/nobody") == {}


# What was there before


def migration() -> object:
    return importlib.import_module("allocation_svc.schema.versions.0003_usage")


LIVES = [
    (
        {"state": State.READY, "state_time": NOW + 2 * SECOND},
        [("STARTING", 1, 0, 2), ("READY", 1, 2, None)],
    ),
    (
        {"state": State.READY, "state_time": NOW + 9 * SECOND},
        [("STARTING", 1, 0, 2), ("UNKNOWN", 1, 2, 9), ("READY", 1, 9, None)],
    ),
    (
        {
            "state": State.STOPPED,
            "desired": Desired.STOPPED,
            "state_time": NOW + 9 * SECOND,
        },
        [("STARTING", 1, 0, 2), ("UNKNOWN", 1, 2, 9), ("STOPPED", 0, 9, None)],
    ),
    (
        {"state": State.FAILED, "state_time": NOW + 9 * SECOND, "first_ready_time": None},
        [("UNKNOWN", 1, 0, 9), ("FAILED", 1, 9, None)],
    ),
    (
        {"state": State.PROVISIONING, "state_time": NOW, "first_ready_time": None},
        [("STARTING", 1, 0, None)],
    ),
    (
        {
            "state": State.UNKNOWN,
            "state_time": NOW + 9 * SECOND,
            "last_known": LastKnown(State.READY, NOW + 2 * SECOND, None),
        },
        [("STARTING", 1, 0, 2), ("READY", 1, 2, 9), ("UNKNOWN", 1, 9, None)],
    ),
    (
        {
            "state": State.DELETED,
            "desired": Desired.DELETED,
            "state_time": NOW + 9 * SECOND,
            "delete_time": NOW + 9 * SECOND,
        },
        [("STARTING", 1, 0, 2), ("UNKNOWN", 1, 2, 9)],
    ),
    (
        {
            "state": State.DELETED,
            "desired": Desired.DELETED,
            "state_time": NOW,
            "delete_time": NOW,
            "first_ready_time": None,
        },
        [("UNKNOWN", 1, 0, 0)],
    ),
]


@pytest.mark.parametrize(("fields", "told"), LIVES)
async def test_lives_from_before_are_told_as_far_as_they_are_known(
    opened: Opened, fields: dict[str, object], told: list[tuple[str, int, int, int | None]]
) -> None:
    allocation = replace(
        a_claim(first_ready_time=NOW + 2 * SECOND).allocation,
        **fields,  # type: ignore[arg-type]
    )
    tell = migration()._tell_lives  # type: ignore[attr-defined]

    def from_before(connection: sa.Connection) -> None:
        connection.execute(
            sa.text(
                "INSERT INTO allocations (name, owner, machine, state, desired_state, live, version,"
                " create_time, document, plan, sealed_secrets) VALUES (:name, 'users/ada',"
                " 'machines/redis', 'READY', 'RUNNING', 1, 1, 0, :document, '{}', '')"
            ),
            {"name": allocation.name, "document": json.dumps(document_of(allocation))},
        )
        # A second time is as the first one: a migration may be cut short.
        tell(connection)
        tell(connection)

    await opened.database.write(from_before)
    rows = sa.select(USAGE_INTERVALS).order_by(USAGE_INTERVALS.c.number)
    found = await opened.database.read(lambda c: c.execute(rows).all())
    assert [
        (
            row.kind,
            row.asked,
            (row.start_time - NOW) // SECOND,
            None if row.end_time.year == 9999 else (row.end_time - NOW) // SECOND,
        )
        for row in found
    ] == told
    if allocation.exists:
        # It goes on from there.
        opened.clock.advance(20)
        await opened.change(allocation, State.STOPPING)
        usage = await opened.usage.usage(allocation.name, Window(NOW, opened.clock.now()))
        assert usage.life == 20_000


def test_the_migration_stands_alone() -> None:
    # It must say tomorrow what it says today, whatever becomes of the code.
    text = Path(str(migration().__file__)).read_text()  # type: ignore[attr-defined]
    assert "allocation_svc" not in text
