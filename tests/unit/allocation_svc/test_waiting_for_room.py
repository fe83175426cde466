"""Waiting for room: who looks after the queue, what starts by itself, and how waiting ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from allocation_svc.adapters.wallet_reservations.granting import GrantingWalletReservations
from allocation_svc.domain.allocation import Allocation, Desired, Price, State, StateReason
from allocation_svc.domain.capacity import Amounts, Bounds, Overcommit
from allocation_svc.domain.decision import decide
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import AllocationWaiting, CapacityExhausted, NeverFits
from allocation_svc.domain.instance import Node
from allocation_svc.domain.quota import Overrides, RoleQuotas
from allocation_svc.domain.requests import delete, start, stop
from allocation_svc.domain.step import Act, Observation
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.queue import Places, Turns
from allocation_svc.usecases.starting import Starting
from allocation_svc.usecases.watching import Feed
from chassis.clock import ManualClock
from chassis.faults import Exhausted
from chassis.identity.caller import Caller
from chassis.sql import open_database
from tests.conformance.admissions import SMALL, Counter, a_claim
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

ADA = Caller(user="users/ada")


class Watch:
    """A node that is what the test says."""

    def __init__(self) -> None:
        self.answers = True
        self.seen = Node("here", "process", "127.0.0.1", False, True, False, 250, 0, 0)

    async def node(self) -> Node:
        """The node."""
        return self.seen


class Quiet:
    """Tells nobody of anything."""

    def failed(self, work: str, fault: Exception) -> None:
        """Nothing fails here."""
        raise AssertionError((work, fault))


class Ledger(GrantingWalletReservations):
    """Grants holds up to a number, and remembers what became of each."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.most = 100

    async def reserve(
        self, allocation: str, owner: str, price: Price | None, until: object
    ) -> None:
        """Holds."""
        if len(self.held) >= self.most:
            raise Exhausted("Your wallet is empty.")
        self.held[allocation] = "reserved"

    async def settle(self, allocation: str) -> None:
        """It was admitted."""
        self.held[allocation] = "settled"

    async def release(self, allocation: str) -> None:
        """It was not."""
        self.held.pop(allocation, None)


class Desk:
    """A store with its queue on a node of two small ones, and who looks after it."""

    def __init__(self, counter: Counter) -> None:
        self.counter, self.watch, self.ledger = counter, Watch(), Ledger()
        self.kicked: list[str] = []
        # 250 thousandths of a core, given away four times: room for two small ones.
        self.allowances = Allowances(
            self.watch,  # type: ignore[arg-type]
            RoleQuotas({"PERSON": Bounds(instances=4)}),
            Overcommit(cpu=4.0),
            queue_limit=3,
            max_wait_seconds=3600,
        )
        self.starting = Starting(counter.store, self.allowances, self.ledger, counter.clock)
        self.turns = Turns(
            counter.store,
            counter.room,
            self.watch,  # type: ignore[arg-type]
            self.allowances,
            self.ledger,
            clock=counter.clock,
            observer=Quiet(),  # type: ignore[arg-type]
            rules=RULES,
            kick=lambda allocation: self.kicked.append(allocation.name),
        )

    async def rents(self, owner: str = "users/ada", *, waits: bool = False) -> Allocation:
        """One more."""
        room = await self.allowances.room(Caller(user=owner), owner)
        return await self.counter.store.admit(a_claim(owner, of=room, waits=waits))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """With nothing in it."""
    clock = ManualClock(NOW)
    url = f"sqlite:///{tmp_path}/allocations.sqlite3"
    database = await open_database(url, "allocation_svc.schema", clock)
    yield Desk(Counter(database, clock))
    await database.close()


async def test_turns_come_as_soon_as_there_is_room(desk: Desk) -> None:
    first, _ = await desk.rents(), await desk.rents()
    pending = await desk.rents("users/bob", waits=True)
    assert await desk.turns.admit() == 0
    await desk.counter.delete(first.name)
    assert await desk.turns.admit() == 1
    assert desk.kicked == [pending.name]
    assert desk.ledger.held == {pending.name: "settled"}
    assert (await desk.counter.found(pending.name)).state is State.PROVISIONING


async def test_turns_wait_while_the_engine_is_away(desk: Desk) -> None:
    first, _ = await desk.rents(), await desk.rents()
    await desk.rents("users/bob", waits=True)
    await desk.counter.delete(first.name)
    desk.watch.answers = False
    assert await desk.turns.admit() == 0
    desk.watch.answers = True
    assert await desk.turns.admit() == 1


async def test_what_can_run_no_more_is_given_up_and_keeps_nobody_waiting(desk: Desk) -> None:
    await desk.rents()
    await desk.rents()
    pending = await desk.rents("users/bob", waits=True)
    desk.watch.seen = replace(desk.watch.seen, cpu_millis=100)
    assert await desk.turns.admit() == 0
    given_up = await desk.counter.found(pending.name)
    assert given_up.state is State.DELETED
    assert given_up.reason is not None
    assert given_up.reason.reason == "NEVER_FITS"
    assert await desk.counter.order() == []


async def test_the_one_who_looks_after_the_queue_is_woken_by_changes(desk: Desk) -> None:
    first, _ = await desk.rents(), await desk.rents()
    pending = await desk.rents("users/bob", waits=True)
    running = asyncio.create_task(desk.turns.run())
    try:
        async with asyncio.timeout(20):
            while (await desk.counter.found(pending.name)).state is State.PENDING:
                if (await desk.counter.found(first.name)).exists:
                    await desk.counter.delete(first.name)
                desk.turns.changed(first)
                desk.counter.clock.advance(1)
                await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_start_by_itself_waits_where_there_is_no_room(desk: Desk) -> None:
    first = await desk.rents()
    stopped = await desk.counter.stop(first.name)
    for _ in range(2):
        await desk.rents("users/bob")
    written = await desk.starting.by_itself(start(stopped, NOW), Fact.STATE_REQUESTED)
    assert written is not None
    assert written.state is State.PENDING
    assert written.deadline == NOW + timedelta(hours=1)
    assert desk.ledger.held == {first.name: "reserved"}


async def test_a_start_by_itself_that_cannot_be_says_why(desk: Desk) -> None:
    first = await desk.rents()
    stopped = await desk.counter.stop(first.name)
    desk.watch.seen = replace(desk.watch.seen, cpu_millis=100)
    written = await desk.starting.by_itself(start(stopped, NOW), Fact.STATE_REQUESTED)
    assert written is not None
    assert (written.state, written.desired) == (State.STOPPED, Desired.STOPPED)
    assert written.reason is not None
    assert written.reason.reason == "NEVER_FITS"
    assert desk.ledger.held == {}


async def test_a_start_that_is_refused_lets_the_money_go(desk: Desk) -> None:
    first = await desk.rents()
    stopped = await desk.counter.stop(first.name)
    for _ in range(2):
        await desk.rents("users/bob")
    with pytest.raises(CapacityExhausted):
        await desk.starting.asked(ADA, start(stopped, NOW), Fact.STATE_REQUESTED)
    assert desk.ledger.held == {}
    desk.ledger.most = 0
    with pytest.raises(Exhausted, match="wallet"):
        await desk.starting.asked(ADA, start(stopped, NOW), Fact.STATE_REQUESTED)


async def test_places_are_told_to_those_who_watch_and_only_when_they_change(desk: Desk) -> None:
    for _ in range(2):
        await desk.rents()
    feed = Feed()
    places = Places(desk.counter.store, desk.counter.room, feed, desk.counter.clock)
    names = [(await desk.rents(f"users/p{n}", waits=True)).name for n in range(2)]
    with feed.watching("", "") as watcher:
        await places.tell()
        told = {each.name: each.queue and each.queue.position for each in watcher.take()}
        assert told == {names[0]: 1, names[1]: 2}
        await places.tell()
        assert watcher.take() == []
        await desk.counter.cancel(names[0])
        await places.tell()
        (moved,) = watcher.take()
        assert (moved.name, moved.queue and moved.queue.position) == (names[1], 1)


def waiting(**fields: object) -> Allocation:
    """One that waits, and never ran."""
    pending = an_allocation(State.PENDING, admitted=False, deadline=NOW + timedelta(minutes=1))
    reason = StateReason("CAPACITY_EXHAUSTED", "There is no room.")
    return replace(pending, reason=reason, **fields)  # type: ignore[arg-type]


def test_waiting_goes_on_until_its_deadline_whether_or_not_the_engine_answers() -> None:
    for answers in (True, False):
        step = decide(waiting(), Observation(engine_answers=answers), NOW)
        assert (step.after, step.act) == (None, None)
        assert step.look_again == NOW + timedelta(minutes=1)


def test_waiting_ends_at_its_deadline() -> None:
    step = decide(waiting(), Observation(), NOW + timedelta(minutes=1))
    assert step.after is not None
    assert (step.after.state, step.fact) == (State.DELETED, Fact.DELETED)
    assert step.after.reason is not None
    assert step.after.reason.reason == "WAIT_TIMED_OUT"
    again = decide(waiting(admitted=True), Observation(), NOW + timedelta(minutes=1))
    assert again.after is not None
    assert (again.after.state, again.after.desired) == (State.STOPPED, Desired.STOPPED)


def test_removing_what_waits_asks_the_engine_only_for_what_was_there() -> None:
    gone = decide(delete(waiting(), NOW), Observation(), NOW)
    assert gone.after is not None
    assert (gone.after.state, gone.act) == (State.DELETED, None)
    there = decide(delete(waiting(admitted=True), NOW), Observation(), NOW)
    assert there.after is not None
    assert (there.after.state, there.act) == (State.DELETING, Act.REMOVE)


def test_there_is_nothing_to_stop_of_what_waits_for_the_first_time() -> None:
    with pytest.raises(AllocationWaiting):
        stop(waiting(), NOW)
    assert stop(waiting(admitted=True), NOW).state is State.STOPPED
    assert start(waiting(), NOW) == waiting()


def test_who_has_several_roles_may_have_the_most_of_each() -> None:
    quotas = RoleQuotas(
        {
            "PERSON": Bounds(10, 1000, 50, 5),
            "TEACHER": Bounds(5, 4000, None, 5),
        }
    )
    assert quotas.of(["TEACHER", "UNKNOWN"]) == Bounds(10, 4000, None, 5)
    assert quotas.of([]) == Bounds(10, 1000, 50, 5)
    set_by_admin = Overrides({"instances": 0, "cpu_millis": -1})
    assert set_by_admin.over(quotas.of([])) == Bounds(0, None, 50, 5)


def test_a_node_gives_away_a_multiple_of_what_it_has_and_what_is_not_known_has_no_limit() -> None:
    assert Overcommit(4.0, 1.0, 0.0).limits(2000, 0, 10) == Bounds(None, 8000, None, None)
    assert Amounts(1, 500, 0, 0).above(Bounds(None, 499)) == "cpu_millis"
    assert not SMALL.above(Bounds())


async def test_a_container_gets_no_more_than_its_node_has(desk: Desk) -> None:
    desk.watch.seen = replace(desk.watch.seen, runs_images=True, cpu_millis=400)
    assert (await desk.allowances.room()).most == Bounds(cpu_millis=400)
    # 1600 thousandths are given away, but an engine refuses one container with 500.
    with pytest.raises(NeverFits):
        await desk.rents(waits=True)
