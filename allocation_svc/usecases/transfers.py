"""Downloads and uploads: how many at a time, and for how long one may stand still."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import TypeVar

from allocation_svc.domain.volume_faults import TransfersExhausted, TransferStalled

T = TypeVar("T")

_WAITING = 2
_LONGEST_BEAT_SECONDS = 15.0
_BEATS = 4


def beat_seconds(stall_seconds: float) -> float:
    """How often an upload says that it goes on, where it may stand still for so long."""
    return min(_LONGEST_BEAT_SECONDS, stall_seconds / 2)


def stale_seconds(stall_seconds: float) -> float:
    """After how long of silence an upload has lost its process."""
    return stall_seconds + _BEATS * beat_seconds(stall_seconds)


class Transfers:
    """Bounds what one person moves at a time, on this replica."""

    def __init__(self, *, most: int, stall_seconds: float) -> None:
        """Bounds.

        Args:
            most: how many downloads and uploads a person may have at a time.
            stall_seconds: how long one may stand still.
        """
        self._most = most
        self._stall_seconds = stall_seconds
        self._now: Counter[str] = Counter()

    @property
    def beat_seconds(self) -> float:
        """How often an upload says that it goes on."""
        return beat_seconds(self._stall_seconds)

    @contextmanager
    def place(self, user: str) -> Iterator[None]:
        """One of a person's places, for as long as it is needed.

        Raises:
            TransfersExhausted: all of them are taken.
        """
        if self._now[user] >= self._most:
            raise TransfersExhausted(self._most)
        self._now[user] += 1
        try:
            yield
        finally:
            self._now[user] -= 1
            if not self._now[user]:
                del self._now[user]

    async def out(
        self, user: str, source: AsyncGenerator[bytes, None]
    ) -> AsyncGenerator[bytes, None]:
        """A stream on its way to a person.

        Both ends are watched: where the source, or whoever reads, stands still for too long, the source
        is closed and the place is free, also while nobody asks for the next piece.

        Raises:
            TransfersExhausted: the person has no place left.
            TransferStalled: nothing moved.
        """
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)

        async def pump() -> None:
            with self.place(user):
                try:
                    async with aclosing(source) as pieces:
                        while True:
                            async with asyncio.timeout(self._stall_seconds):
                                piece = await anext(pieces, None)
                                await waiting.put(piece)
                            if piece is None:
                                return
                except TimeoutError:
                    raise TransferStalled(self._stall_seconds) from None

        pumping = asyncio.ensure_future(pump())
        try:
            while True:
                taking = asyncio.ensure_future(waiting.get())
                try:
                    await asyncio.wait({taking, pumping}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not taking.done():
                        taking.cancel()
                if not taking.done() or taking.cancelled():
                    await pumping
                    # What was put last is still there.
                    if waiting.empty():
                        return
                    continue
                piece = taking.result()
                if piece is None:
                    return
                yield piece
        finally:
            pumping.cancel()
            await asyncio.wait([pumping])
            if not pumping.cancelled():
                pumping.exception()

    async def into(
        self,
        user: str,
        pieces: AsyncIterator[bytes],
        use: Callable[[AsyncIterator[bytes]], Awaitable[T]],
        beat: Callable[[], Awaitable[None]],
    ) -> T:
        """Has a stream that comes from a person used, as long as it moves.

        Args:
            user: who.
            pieces: the stream.
            use: what uses it; where it stands still, or takes too long between two pieces, it is
                cancelled.
            beat: told now and then that it goes on.

        Raises:
            TransfersExhausted: the person has no place left.
            TransferStalled: nothing moved.
        """
        loop = asyncio.get_running_loop()
        try:
            with self.place(user):
                async with asyncio.timeout(self._stall_seconds) as limit:

                    async def moving() -> AsyncGenerator[bytes, None]:
                        told = time.monotonic()
                        async for piece in pieces:
                            limit.reschedule(loop.time() + self._stall_seconds)
                            yield piece
                            if time.monotonic() - told >= self.beat_seconds:
                                told = time.monotonic()
                                await beat()

                    async with aclosing(moving()) as moved:
                        return await use(moved)
        except TimeoutError:
            raise TransferStalled(self._stall_seconds) from None
