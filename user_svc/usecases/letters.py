"""Handing letters over to notifier, none of them lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from chassis.clock import Clock
from chassis.faults import Fault
from user_svc.domain.code import Letter
from user_svc.ports.accounts import CodeDelivery, LetterStore

_AT_ONCE = 20
_LEASE = timedelta(seconds=30)
_LONGEST_NAP = timedelta(seconds=30)
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class LetterDispatch:
    """Hands over the letters that were committed with what they tell about.

    A letter that is not taken is tried again after a growing pause until it need not be delivered
    any more. After a crash the letters that were being handed over are due again when their lease
    ends; notifier knows them by their identifier and delivers each once.
    """

    def __init__(
        self,
        letters: LetterStore,
        delivery: CodeDelivery,
        clock: Clock,
        failed: Callable[[Letter, Fault], None],
    ) -> None:
        """Takes what it needs; `failed` is told of each letter that was not taken, and why."""
        self._letters = letters
        self._delivery = delivery
        self._clock = clock
        self._failed = failed
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Has the letters looked at, at once: one was stored here."""
        self._wanted.set()

    async def run(self) -> None:
        """Hands letters over until cancelled; one at a time of all replicas does.

        What somebody else was about to hand over is due at once: whoever had it has gone.
        """
        reclaimed = False
        while True:
            self._wanted.clear()
            try:
                if not reclaimed:
                    await self._letters.reclaim(self._clock.now())
                    reclaimed = True
                if await self.dispatch():
                    continue
                nap = await self._nap()
            except Fault:
                # The store is away, which its own check reports.
                nap = _FIRST_PAUSE
            await self._rest(nap)

    async def dispatch(self) -> int:
        """Hands over what is due, up to twenty letters; returns how many were due.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        due = await self._letters.due(now, now + _LEASE, _AT_ONCE)
        for letter, attempts in due:
            await self._hand_over(letter, attempts)
        return len(due)

    async def _hand_over(self, letter: Letter, attempts: int) -> None:
        now = self._clock.now()
        if now >= letter.expire_time:
            await self._letters.drop(letter.delivery_id)
            return
        try:
            await self._delivery.deliver(letter, now)
        except Fault as fault:
            self._failed(letter, fault)
            pause = min(_FIRST_PAUSE * 2.0 ** min(attempts, 10), _LONGEST_PAUSE)
            await self._letters.postpone(letter.delivery_id, now + timedelta(seconds=pause))
        else:
            await self._letters.drop(letter.delivery_id)

    async def _nap(self) -> float:
        due = await self._letters.next_due()
        longest = _LONGEST_NAP.total_seconds()
        if due is None:
            return longest
        return min(max((due - self._clock.now()).total_seconds(), 0.0), longest)

    async def _rest(self, seconds: float) -> None:
        woken = asyncio.ensure_future(self._wanted.wait())
        slept = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({woken, slept}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (woken, slept):
                one.cancel()
            await asyncio.gather(woken, slept, return_exceptions=True)
