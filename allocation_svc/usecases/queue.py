"""The queue for room: whose turn it is is admitted, and everybody sees where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from allocation_svc.domain import queue
from allocation_svc.domain.allocation import Allocation, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import (
    AllocationNotFound,
    AllocationNotWaiting,
    CapacityExhausted,
    NeverFits,
    PortsExhausted,
    StockExhausted,
)
from allocation_svc.domain.queue_place import QueuePlace
from allocation_svc.domain.step import Rules
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.ports.waiting_room import Waiting, WaitingRoom
from allocation_svc.ports.wallet_reservations import WalletReservations
from allocation_svc.usecases.agenda import until
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.watching import Feed
from chassis.clock import Clock
from chassis.faults import Conflict, Fault
from chassis.identity.caller import Caller

_LOOK_SECONDS = 2.0
_PAUSE_SECONDS = 0.05
_MOST_RACES = 50


class Turns:
    """Admits those who wait, the next one first, as soon as there is room. One replica does it."""

    def __init__(
        self,
        store: AllocationStore,
        room: WaitingRoom,
        watch: EngineWatch,
        allowances: Allowances,
        wallets: WalletReservations,
        *,
        clock: Clock,
        observer: StepObserver,
        rules: Rules,
        kick: Callable[[Allocation], None],
    ) -> None:
        """Prepares it; `run` does the work.

        Args:
            store: keeps what waits.
            room: who waits, in which order.
            watch: whether the engine answers.
            allowances: what there is to be had.
            wallets: who pays.
            clock: the time.
            observer: is told what fails.
            rules: how long things may take.
            kick: has an allocation worked on at once.
        """
        self._store = store
        self._room = room
        self._watch = watch
        self._allowances = allowances
        self._wallets = wallets
        self._clock = clock
        self._observer = observer
        self._rules = rules
        self._kick = kick
        self._somebody_waits = True
        self._woken = asyncio.Event()

    def changed(self, allocation: Allocation) -> None:
        """An allocation was written down in this process."""
        if allocation.state is State.PENDING:
            self._somebody_waits = True
        self.wake()

    def wake(self, names: Sequence[str] = ()) -> None:
        """Something was written down somewhere: there may be room."""
        del names
        if self._somebody_waits:
            self._woken.set()

    async def run(self) -> None:
        """Admits whoever has waited, until it is cancelled."""
        while True:
            self._woken.clear()
            try:
                await self.admit()
            except Fault as fault:
                self._observer.failed("queue", fault)
            # Much happens at once: a look for each would keep others from the store.
            await self._clock.sleep(_PAUSE_SECONDS)
            await until(self._clock, self._woken, _LOOK_SECONDS)

    async def admit(self) -> int:
        """Admits all for whom there is room now, in their order.

        Returns:
            How many were admitted.

        Raises:
            Unavailable: the store does not answer.
        """
        waiting = await self._room.waiting()
        self._somebody_waits = bool(waiting)
        if not waiting or not self._watch.answers:
            return 0
        out_of_stock: set[str] = set()
        admitted = 0
        for one in waiting:
            if one.machine in out_of_stock:
                await self._note(one, "STOCK_EXHAUSTED")
                continue
            try:
                admitted += await self._admit(one.allocation)
            except StockExhausted as fault:
                # Who waits for a machine of which there are no more keeps nobody else waiting.
                out_of_stock.add(one.machine)
                await self._note(one, fault.reason)
            except (CapacityExhausted, PortsExhausted) as fault:
                await self._note(one, fault.reason)
                break
            except NeverFits as fault:
                await self._give_up(one.allocation, StateReason(fault.reason, fault.message))
        return admitted

    async def _admit(self, name: str) -> bool:
        for _ in range(_MOST_RACES):
            found = await self._store.find(name)
            if found is None or found.state is not State.PENDING:
                return False
            now = self._clock.now()
            if found.overdue(now) or not queue.is_waiting(found):
                # The reconciler ends it.
                self._kick(found)
                return False
            room = await self._allowances.room()
            written = await self._store.promote(queue.admitted(found, now, self._rules), room)
            if written is not None:
                await self._wallets.settle(name)
                self._kick(written)
                return True
        return False

    async def _note(self, one: Waiting, reason: str) -> None:
        if one.waiting_for != reason:
            await self._room.waits_for(one.allocation, reason)

    async def _give_up(self, name: str, reason: StateReason) -> None:
        found = await self._store.find(name)
        if found is None or not queue.is_waiting(found):
            return
        after = queue.given_up(found, self._clock.now(), reason)
        await self._store.replace(after, Fact.STOPPED if after.exists else Fact.DELETED)
        await self._wallets.release(name)


class Queueing:
    """What is asked of those who wait: to cancel, and by admins to put them elsewhere."""

    def __init__(
        self,
        store: AllocationStore,
        room: WaitingRoom,
        wallets: WalletReservations,
        clock: Clock,
        kick: Callable[[Allocation], None],
    ) -> None:
        """Works on the queue.

        Args:
            store: keeps what waits.
            room: who waits, in which order.
            wallets: who pays.
            clock: the time.
            kick: has the queue looked at.
        """
        self._store = store
        self._room = room
        self._wallets = wallets
        self._clock = clock
        self._kick = kick

    async def cancel(self, caller: Caller, name: str) -> Allocation:
        """Takes an allocation out of the queue: gone if it never ran, else stopped as it was before.

        Raises:
            AllocationNotFound: there is none.
            AllocationNotWaiting: it does not wait, or no more.
        """
        for _ in range(_MOST_RACES):
            found = await self._find(caller, name)
            after = queue.cancel(found, self._clock.now(), by_admin=caller.user != found.owner)
            fact = Fact.STOPPED if after.exists else Fact.DELETED
            written = await self._store.replace(after, fact)
            if written is not None:
                await self._wallets.release(name)
                self._kick(written)
                return written
        raise Conflict(f"The allocation {name!r} changes too fast at present; try again.")

    async def prioritize(self, caller: Caller, name: str, position: int) -> Allocation:
        """Puts an allocation at a position of the queue.

        Args:
            caller: who asks.
            name: which.
            position: from 1: the next one.

        Raises:
            AllocationNotFound: there is none.
            AllocationNotWaiting: it does not wait, or no more.
        """
        for _ in range(_MOST_RACES):
            found = await self._find(caller, name)
            queue.refuse_unless_waiting(found)
            if not await self._room.prioritize(name, position):
                raise AllocationNotWaiting(name, found.state.value)
            # It counts as a change, so that everybody who watches is told.
            written = await self._store.replace(
                replace(found, update_time=self._clock.now()), Fact.QUEUED
            )
            if written is not None:
                self._kick(written)
                return written
        raise Conflict(f"The allocation {name!r} changes too fast at present; try again.")

    async def _find(self, caller: Caller, name: str) -> Allocation:
        found = await self._store.find(name, "" if caller.sees_all else caller.user)
        if found is None:
            raise AllocationNotFound(name)
        return found


class Places:
    """Shows those who wait where they stand, also when it was somebody else who moved."""

    def __init__(self, store: AllocationStore, room: WaitingRoom, feed: Feed, clock: Clock) -> None:
        """Reads from the queue, and tells the watchers of this process.

        Args:
            store: keeps what waits.
            room: who waits, in which order.
            feed: the watchers.
            clock: the time.
        """
        self._store = store
        self._room = room
        self._feed = feed
        self._clock = clock
        self._told: Mapping[str, QueuePlace] = {}
        self._woken = asyncio.Event()

    async def shown(self, allocations: Sequence[Allocation]) -> list[Allocation]:
        """The allocations, those that wait with their places.

        Raises:
            Unavailable: the store does not answer.
        """
        waiting = [each for each in allocations if each.state is State.PENDING and not each.queue]
        if not waiting:
            return list(allocations)
        if len(waiting) == 1:
            place = await self._room.place(waiting[0].name)
            places = {} if place is None else {waiting[0].name: place}
        else:
            places = dict(await self._room.places())
        return [
            replace(each, queue=places[each.name])
            if each.state is State.PENDING and each.name in places
            else each
            for each in allocations
        ]

    def changed(self, allocation: Allocation) -> None:
        """An allocation was written down, here or elsewhere."""
        if allocation.state is State.PENDING or allocation.name in self._told:
            self._woken.set()

    async def run(self) -> None:
        """Tells watchers whose places have changed, until it is cancelled."""
        while True:
            self._woken.clear()
            if self._feed.is_watched:
                try:
                    await self.tell()
                except Fault:
                    # They are told at the next look.
                    self._told = {}
            await self._clock.sleep(_PAUSE_SECONDS)
            await until(self._clock, self._woken, _LOOK_SECONDS)

    async def tell(self) -> None:
        """Tells watchers whose places have changed since the last time.

        Raises:
            Unavailable: the store does not answer.
        """
        places = await self._room.places()
        before, self._told = self._told, places
        for name, place in places.items():
            earlier = before.get(name)
            if earlier is not None and (earlier.position, earlier.length) == (
                place.position,
                place.length,
            ):
                continue
            found = await self._store.find(name)
            if found is not None and found.state is State.PENDING:
                self._feed.changed(replace(found, queue=place))
