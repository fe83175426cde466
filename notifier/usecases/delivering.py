"""Accepting messages, and sending them until they have arrived or it was tried often enough."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from notifier.domain.delivery import Channel, Delivery, Persistence
from notifier.domain.faults import MailRefused
from notifier.domain.mail import mail_of
from notifier.ports import DeliveryStore, MailChannel

_LONGEST_NAP = 30.0
_STORE_AWAY_PAUSE = 1.0
_KEPT = timedelta(days=7)
_CLOCKS_APART = timedelta(minutes=5)
_SWEEP_EVERY = timedelta(hours=1)


class Delivering:
    """Stores messages, and sends them by mail.

    A message is stored before it is acknowledged, and leased while it is being sent. A process that
    dies loses none: the lease ends, and the message is sent again. So a message arrives at least
    once; the second copy, should there be one, carries the same Message-ID.
    """

    def __init__(
        self,
        store: DeliveryStore,
        channel: MailChannel,
        *,
        persistence: Persistence,
        most_waiting: int,
        at_once: int,
        lease: timedelta,
        clock: Clock,
        told: Callable[[str, Delivery, str], None],
        waits: Callable[[], None],
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the messages.
            channel: sends them.
            persistence: how long it is tried.
            most_waiting: how many messages may wait.
            at_once: how many are sent at the same moment.
            lease: how long one attempt may take before another worker may try.
            clock: the time.
            told: is told what became of each attempt (`sent`, `postponed`, `failed`, `outlived`,
                `unsettled`), of which delivery, and for which reason.
            waits: is called when a message was stored: whoever sends shall be woken.
        """
        self._store = store
        self._channel = channel
        self._persistence = persistence
        self._most_waiting = most_waiting
        self._at_once = at_once
        self._lease = lease
        self._clock = clock
        self._told = told
        self._waits = waits
        self._wanted = asyncio.Event()
        self._swept = clock.now()

    async def accept(self, delivery: Delivery) -> None:
        """Stores a message; the same identifier again changes nothing.

        Raises:
            DeliveryQueueFull: as many of its channel wait as may.
        """
        # Due for whoever sends it, also where their clock is behind ours.
        due = replace(delivery, due_time=delivery.accept_time - _CLOCKS_APART)
        if await self._store.accept(due, self._most_waiting):
            self._waits()

    def wake(self) -> None:
        """Has what is due sent at once, where `run` runs."""
        self._wanted.set()

    async def run(self) -> None:
        """Sends what is due until cancelled; one at a time of all replicas does.

        What somebody else was about to send is due at once: whoever had it has gone.
        """
        reclaimed = False
        while True:
            self._wanted.clear()
            try:
                if not reclaimed:
                    await self._store.reclaim(self._clock.now())
                    reclaimed = True
                if await self.send_due():
                    continue
                await self._sweep()
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
        now = self._clock.now()
        leased = await self._store.lease(Channel.EMAIL, now, now + self._lease, self._at_once)
        async with asyncio.TaskGroup() as group:
            for delivery in leased:
                group.create_task(self._try(delivery), name=f"notifier.delivery.{delivery.id}")
        return len(leased)

    async def _try(self, delivery: Delivery) -> None:
        """One attempt; it ends in good time before the lease does."""
        try:
            await self._send(delivery)
        except Fault as fault:
            # The store is away. When the lease ends the delivery is due again.
            self._told("unsettled", delivery, fault.reason)

    async def _send(self, delivery: Delivery) -> None:
        mail = mail_of(delivery, self._clock.now())
        if mail is None:
            await self._store.failed(delivery)
            self._told("outlived", delivery, "")
            return
        try:
            async with asyncio.timeout(self._lease.total_seconds() / 2):
                await self._channel.send(mail)
        except MailRefused as fault:
            await self._store.failed(delivery)
            self._told("failed", delivery, fault.message)
        except (Fault, TimeoutError) as error:
            why = error.message if isinstance(error, Fault) else "the channel took too long"
            if delivery.attempts >= self._persistence.most_attempts:
                await self._store.failed(delivery)
                self._told("failed", delivery, why)
                return
            # No secret depends on it: the pauses of many shall differ.
            pause = self._persistence.pause(delivery.attempts, random.random())  # noqa: S311
            await self._store.postpone(delivery, self._clock.now() + pause)
            self._told("postponed", delivery, why)
        else:
            await self._store.sent(delivery)
            self._told("sent", delivery, "")

    async def _sweep(self) -> None:
        now = self._clock.now()
        if now - self._swept >= _SWEEP_EVERY:
            await self._store.sweep(now - _KEPT)
            self._swept = now

    async def _nap(self) -> float:
        due = await self._store.next_due(Channel.EMAIL)
        if due is None:
            return _LONGEST_NAP
        return min(max((due - self._clock.now()).total_seconds(), 0.0), _LONGEST_NAP)

    async def _rest(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._wanted.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (woken, slept):
                one.cancel()
            await asyncio.gather(woken, slept, return_exceptions=True)
