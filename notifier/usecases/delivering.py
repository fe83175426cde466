"""Sending over one channel, until it has arrived or it was tried often enough."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from notifier.domain.delivery import Channel, Delivery, Persistence
from notifier.domain.faults import MessageRefused
from notifier.domain.pacing import Bounds, Pacing
from notifier.ports import DeliveryStore
from notifier.usecases.sending import Sending, status_of

Told = Callable[[str, Delivery, str], None]
"""Is told what became of each attempt (`sent`, `postponed`, `failed`, `outlived`, `unsettled`), of which
delivery, and for which reason."""

_LONGEST_NAP = 30.0
_LONGEST_REST = timedelta(minutes=5)
_STORE_AWAY_PAUSE = 1.0


class Delivering:
    """Sends what is to be sent over one channel.

    A message is leased while it is being sent. A process that dies loses none: the lease ends, and the
    message is sent again. So a message is handed over at least once; the second time, should there be
    one, under the same identifier (the Message-ID of a mail, the `webhook-id`, the key of a text
    message), so that whoever gets it can tell. Each channel has its own of these, and so its own places:
    one whose server is away or slow delays no other.
    """

    def __init__(
        self,
        store: DeliveryStore,
        channel: Channel,
        sending: Sending,
        *,
        persistence: Persistence,
        bounds: Bounds,
        lease: timedelta,
        clock: Clock,
        told: Told,
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the messages.
            channel: whose are sent.
            sending: sends one.
            persistence: how long it is tried; also how long a destination rests after failures, up to
                five minutes.
            bounds: how many are sent at the same moment.
            lease: how long one attempt may take before another worker may try.
            clock: the time.
            told: what became of each attempt.
        """
        self._store = store
        self._channel = channel
        self._sending = sending
        self._persistence = persistence
        self._lease = lease
        self._clock = clock
        self._told = told
        rests = replace(persistence, longest_pause=min(persistence.longest_pause, _LONGEST_REST))
        self._pacing = Pacing(bounds, rests)
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Has what is due sent at once, where `run` runs."""
        self._wanted.set()

    async def run(self) -> None:
        """Sends what is due until cancelled; one at a time of all replicas does.

        What somebody else was about to send is due at once: whoever had it has gone.
        """
        reclaimed = False
        async with asyncio.TaskGroup() as under_way:
            while True:
                self._wanted.clear()
                try:
                    if not reclaimed:
                        await self._store.reclaim(self._channel, self._clock.now())
                        reclaimed = True
                    if await self._begin(under_way):
                        continue
                    nap = await self._nap()
                except Fault:
                    # The store is away, which its own check reports.
                    nap = _STORE_AWAY_PAUSE
                await self._rest(nap)

    async def send_due(self) -> int:
        """Sends what is due, as many as may be sent at once; returns how many were due.

        Raises:
            Unavailable: the store does not answer.
        """
        async with asyncio.TaskGroup() as under_way:
            return await self._begin(under_way)

    async def _begin(self, under_way: asyncio.TaskGroup) -> int:
        """Begins to send what is due, as far as there are places; returns how many it was."""
        leased = []
        now = self._clock.now()
        if self._pacing.by_destination:
            self._pacing.rested(now)
            free = self._pacing.free
            left_out = self._pacing.left_out(now)
            due = (
                await self._store.destinations_due(self._channel, now, left_out, free)
                if free > 0
                else []
            )
            for destination in due:
                # One that has failed may use the place that another has just taken.
                if destination not in self._pacing.left_out(now):
                    leased += await self._leased(under_way, now, destination)
        else:
            leased = await self._leased(under_way, now, "")
        return len(leased)

    async def _leased(
        self, under_way: asyncio.TaskGroup, now: datetime, destination: str
    ) -> list[Delivery]:
        places = self._pacing.places(destination)
        if places <= 0:
            return []
        leased = await self._store.lease(self._channel, now, now + self._lease, places, destination)
        for delivery in leased:
            self._pacing.began(delivery.destination)
            under_way.create_task(self._try(delivery), name=f"notifier.delivery.{delivery.id}")
        return leased

    async def _try(self, delivery: Delivery) -> None:
        """One attempt; it ends in good time before the lease does."""
        try:
            await self._attempt(delivery)
        except Fault as fault:
            # The store is away. When the lease ends the delivery is due again.
            self._told("unsettled", delivery, fault.reason)
        finally:
            self._pacing.ended(delivery.destination)
            self._wanted.set()

    async def _attempt(self, delivery: Delivery) -> None:
        if self._clock.now() >= delivery.expire_time:
            await self._store.failed(delivery, delivery.error or "It was too late to send it.")
            self._told("outlived", delivery, "")
            return
        try:
            async with asyncio.timeout(self._lease.total_seconds() / 2):
                status = await self._sending.send(delivery)
        except MessageRefused as fault:
            self._pacing.well(delivery.destination)
            await self._store.failed(delivery, fault.message, status_of(fault))
            self._told("failed", delivery, fault.message)
        except Fault as fault:
            await self._try_later(delivery, fault.message, status_of(fault), fault.retry_after)
        except TimeoutError:
            await self._try_later(delivery, "The attempt took too long.", 0, None)
        else:
            self._pacing.well(delivery.destination)
            await self._store.sent(delivery, status)
            self._told("sent", delivery, "")

    async def _try_later(
        self, delivery: Delivery, why: str, status: int, retry_after: float | None
    ) -> None:
        now = self._clock.now()
        wished = timedelta(seconds=retry_after or 0.0)
        self._pacing.failed(delivery.destination, now, wished)
        # No secret depends on it: the pauses of many shall differ.
        pause = self._persistence.pause(delivery.attempts, random.random())  # noqa: S311
        due = now + max(pause, wished)
        if delivery.attempts >= self._persistence.most_attempts or due >= delivery.expire_time:
            await self._store.failed(delivery, why, status)
            self._told("failed", delivery, why)
        else:
            await self._store.postpone(delivery, due, why, status)
            self._told("postponed", delivery, why)

    async def _nap(self) -> float:
        if self._pacing.free <= 0:
            return _LONGEST_NAP
        now = self._clock.now()
        due = await self._store.next_due(self._channel, self._pacing.left_out(now))
        rested = self._pacing.next_rested(now)
        times = [time for time in (due, rested) if time is not None]
        if not times:
            return _LONGEST_NAP
        return min(max((min(times) - now).total_seconds(), 0.0), _LONGEST_NAP)

    async def _rest(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._wanted.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (woken, slept):
                one.cancel()
            await asyncio.gather(woken, slept, return_exceptions=True)
