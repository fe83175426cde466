"""Taking room again: one that was stopped holds no processor and no memory, so its start is admitted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from allocation_svc.domain.allocation import Allocation, Desired, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import NO_ROOM, NeverFits, QueueFull, QuotaExceeded
from allocation_svc.domain.queue import waiting
from allocation_svc.domain.room import Room, Wait
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.wallet_reservations import WalletReservations
from allocation_svc.usecases.allowances import Allowances
from chassis.clock import Clock
from chassis.faults import Fault
from chassis.identity.caller import Caller
from chassis.listing import Once


class Starting:
    """Writes starts down that take room, where there is room."""

    def __init__(
        self,
        store: AllocationStore,
        allowances: Allowances,
        wallets: WalletReservations,
        clock: Clock,
    ) -> None:
        """Decides by these.

        Args:
            store: keeps what is held.
            allowances: what there is to be had.
            wallets: who pays.
            clock: the time.
        """
        self._store = store
        self._allowances = allowances
        self._wallets = wallets
        self._clock = clock

    def wait(self, seconds: float | None) -> Wait | None:
        """How long a start waits: so many seconds at most, 0 for as long as it may, None for not."""
        return None if seconds is None else self._allowances.wait(self._clock.now(), seconds)

    async def asked(
        self,
        caller: Caller,
        after: Allocation,
        fact: Fact,
        *,
        once: Once | None = None,
        wait: Wait | None = None,
    ) -> Allocation | None:
        """Writes down that somebody starts an allocation.

        Args:
            caller: who.
            after: the allocation as it shall be.
            fact: told to others with the change.
            once: the request, if it must have one effect.
            wait: that it waits where there is no room; None if it is refused then.

        Returns:
            The allocation as it is kept now, PENDING where it waits; None if another change was faster.

        Raises:
            NeverFits, QuotaExceeded, QueueFull: it cannot run, nor wait.
            CapacityExhausted, OthersWait: there is no room.
            Exhausted: its owner cannot pay for it.
            Conflict: REQUEST_ID_REUSED.
        """
        room = await self._allowances.room(caller, after.owner)
        return await self._taken(after, fact, room, once, wait)

    async def by_itself(self, after: Allocation, fact: Fact | None) -> Allocation | None:
        """Writes down a start that nobody has asked for now, as one by a schedule.

        Where there is no room it waits; where it cannot run at all it stays stopped, and says why.

        Returns:
            The allocation as it is kept now; None if another change was faster.
        """
        room = await self._allowances.room()
        wait = self._allowances.wait(self._clock.now())
        try:
            return await self._taken(after, fact, room, None, wait)
        except (NeverFits, QueueFull, QuotaExceeded) as fault:
            reason = StateReason(fault.reason, fault.message)
            stays = replace(
                after.moved(State.STOPPED, self._clock.now(), reason=reason), asked=False
            )
            return await self._store.replace(replace(stays, desired=Desired.STOPPED), Fact.STOPPED)

    async def _taken(
        self,
        after: Allocation,
        fact: Fact | None,
        room: Room,
        once: Once | None,
        wait: Wait | None,
    ) -> Allocation | None:
        now = self._clock.now()
        until = (wait or self._allowances.wait(now)).deadline
        await self._wallets.reserve(after.name, after.owner, after.price, until)
        try:
            try:
                written = await self._store.replace(after, fact, once=once, room=room)
            except NO_ROOM as fault:
                if wait is None:
                    raise
                reason = StateReason(fault.reason, fault.message)
                queued = waiting(after, now, reason, wait.deadline)
                return await self._store.replace(queued, Fact.QUEUED, once=once, room=room)
        except Fault:
            # It lapses by itself where this fails too.
            with suppress(Fault):
                await self._wallets.release(after.name)
            raise
        if written is not None:
            await self._wallets.settle(after.name)
        return written
