"""Random histories of several people at the counter: what is counted is always what there is.

After any sequence of admissions, stops, starts, removals, cancellations, changes of class and of quotas
the tallies equal what a recount gives, nothing was let in above its limit, and whoever waits comes to
their turn: nobody starves.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from allocation_svc.domain import queue
from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.capacity import AMOUNTS, Amounts, Bounds
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import NO_ROOM, NeverFits, QueueFull, QuotaExceeded
from allocation_svc.domain.room import Room
from chassis.clock import ManualClock
from chassis.faults import Fault
from chassis.sql import open_database
from tests.conformance.admissions import NOW, WEB, Counter, a_claim, room

PEOPLE = ("users/ada", "users/bob", "users/eve")
MACHINES = {"machines/redis": 0, "machines/gpu": 2}
SIZES = (Amounts(1, 250, 100, 10), Amounts(1, 500, 200, 50), Amounts(1, 1500, 900, 100))
CAPACITY = Bounds(cpu_millis=2000, memory_bytes=1000, disk_bytes=500)
QUOTA = Bounds(instances=6, cpu_millis=3000, memory_bytes=1500, disk_bytes=400)
PORTS = range(20000, 20005)

people = st.sampled_from(PEOPLE)
picks = st.integers(0, 1000)


class Histories(RuleBasedStateMachine):
    """People who rent, stop, start, cancel and remove, an admin who changes what they may."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.of: Room = room(quota=QUOTA, capacity=CAPACITY, limit=8)
        self.overrides: dict[str, int] = {}

    def run(self, work: Any) -> Any:
        """Runs a coroutine to its end."""
        return self.loop.run_until_complete(work)

    @initialize()
    def begins(self) -> None:
        """A store with nothing in it."""
        self.clock = ManualClock(NOW)
        url = f"sqlite:///{self.folder}/allocations.sqlite3"
        self.database = self.run(open_database(url, "allocation_svc.schema", self.clock))
        self.counter = Counter(self.database, self.clock, PORTS)
        self.names: list[str] = []

    def teardown(self) -> None:
        """Everybody who waits gets in once the others go, however long that takes; then all is free."""
        self.run(self._let_everybody_in())
        self.run(self._remove_all())
        self.run(self.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    @rule(who=people, machine=st.sampled_from(sorted(MACHINES)), size=picks, waits=st.booleans())
    def rents(self, who: str, machine: str, size: int, *, waits: bool) -> None:
        """Somebody rents one more."""
        claim = a_claim(
            who,
            machine,
            needs=SIZES[size % len(SIZES)],
            of=self.of,
            stock=MACHINES[machine],
            waits=waits,
            ports=(WEB,) * (size % 2),
            now=self.clock.now(),
        )
        try:
            self.names.append(self.run(self.counter.store.admit(claim)).name)
        except NO_ROOM:
            assert not waits
        except (QuotaExceeded, QueueFull, NeverFits):
            pass

    @rule(pick=picks)
    def stops(self, pick: int) -> None:
        """Somebody stops one that is admitted."""
        found = self._one(pick, State.PROVISIONING, State.STARTING)
        if found is not None:
            self.run(self.counter.stop(found.name))

    @rule(pick=picks, waits=st.booleans())
    def starts(self, pick: int, *, waits: bool) -> None:
        """Somebody starts one that is stopped."""
        found = self._one(pick, State.STOPPED)
        if found is None:
            return
        try:
            self.run(self.counter.start(found.name, self.of))
        except NO_ROOM as fault:
            if waits:
                self._wait_again(found, fault)
        except (QuotaExceeded, NeverFits):
            pass

    @rule(pick=picks, size=picks)
    def becomes_another_class(self, pick: int, size: int) -> None:
        """A stopped one, or one that is about to start, gets another size where there is room."""
        found = self._one(pick, State.STOPPED)
        if found is not None:
            after = replace(found, needs=SIZES[size % len(SIZES)])
            with suppress(*NO_ROOM, QuotaExceeded, NeverFits):
                self.run(self.counter.write(after, of=self.of))

    @rule(pick=picks)
    def cancels(self, pick: int) -> None:
        """Somebody takes one out of the queue."""
        found = self._one(pick, State.PENDING)
        if found is not None:
            self.run(self.counter.cancel(found.name))

    @rule(pick=picks, position=st.integers(1, 9))
    def is_moved(self, pick: int, position: int) -> None:
        """An admin puts one elsewhere."""
        found = self._one(pick, State.PENDING)
        if found is not None:
            assert self.run(self.counter.room.prioritize(found.name, position))
            order = self.run(self.counter.order())
            assert order.index(found.name) == min(position, len(order)) - 1

    @rule(pick=picks)
    def goes(self, pick: int) -> None:
        """Somebody removes one."""
        found = self._one(pick, State.PROVISIONING, State.STARTING, State.STOPPED)
        if found is not None:
            self.run(self.counter.delete(found.name))

    @rule(who=people, instances=st.integers(-1, 6))
    def may_have(self, who: str, instances: int) -> None:
        """An admin says what somebody may have."""
        overrides, _, _ = self.run(self.counter.quotas.find(who))
        assert self.run(
            self.counter.quotas.override(who, {"instances": instances}, overrides.version)
        )
        self.overrides[who] = instances

    @rule(seconds=st.integers(1, 100))
    def passes(self, seconds: int) -> None:
        """Time passes."""
        self.clock.advance(seconds)

    @rule()
    def turn_comes(self) -> None:
        """The queue is looked after: whoever is admitted was next, but for stock."""
        before = self.run(self.counter.order())
        admitted = self.run(self.counter.turn(self.of))
        assert admitted == [name for name in before if name in admitted]

    @invariant()
    def is_counted_right(self) -> None:
        """Tallies, queue and leases are what the allocations say, and nothing is above its limit."""
        if not hasattr(self, "counter"):
            return
        self.run(self.counter.is_consistent())
        tallies = self.run(self.counter.tallies())
        assert not tallies.get("nodes/here", Amounts()).above(CAPACITY)
        assert tallies.get("machines/gpu", Amounts()).instances <= MACHINES["machines/gpu"]
        for who in PEOPLE:
            used = tallies.get(who, Amounts())
            assert all(getattr(used, name) >= 0 for name in AMOUNTS)
            if who not in self.overrides:
                assert not used.above(QUOTA)

    def _one(self, pick: int, *states: State) -> Allocation | None:
        found = [self.run(self.counter.found(name)) for name in self.names]
        fitting = [each for each in found if each.state in states]
        return fitting[pick % len(fitting)] if fitting else None

    def _wait_again(self, found: Allocation, fault: Fault) -> None:
        reason = StateReason(fault.reason, fault.message)
        until = self.clock.now() + timedelta(hours=1)
        asked = queue.waiting(found, self.clock.now(), reason, until)
        try:
            self.run(self.counter.write(asked, Fact.QUEUED, self.of))
        except (QueueFull, QuotaExceeded):
            return

    async def _let_everybody_in(self) -> None:
        for _ in range(3 * len(self.names) + 3):
            if not await self.counter.order():
                return
            first = (await self.counter.order())[0]
            if await self.counter.turn(self.of):
                continue
            running = [await self.counter.found(name) for name in self.names]
            going = [each for each in running if each.exists and each.state is not State.PENDING]
            assert going, f"{first} waits, although nobody else is there"
            await self.counter.delete(going[0].name)
        raise AssertionError("somebody starves")

    async def _remove_all(self) -> None:
        for name in self.names:
            found = await self.counter.found(name)
            if found.exists:
                gone = replace(found, desired=Desired.DELETED).moved(State.DELETED, NOW)
                await self.counter.write(gone, Fact.DELETED)
        await self.counter.is_consistent()
        assert await self.counter.tallies() == {}


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Making a failure shorter takes longer than a test may.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
