"""Consoles: who may open one, and what it says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from chassis.clock import Clock
from chassis.faults import DeadlineExceeded, Fault, Unavailable
from chassis.identity.caller import Caller
from interact_svc.domain.faults import (
    ServiceStopping,
    TokenExpired,
    TooManyConsoles,
)
from interact_svc.domain.frames import (
    AllocationSnapshot,
    AuthExpiring,
    Bye,
    Chunk,
    Frame,
    Heartbeat,
    Hello,
    LineFilter,
    Measure,
)
from interact_svc.domain.limits import Limits
from interact_svc.ports import AllocationView, LogFeed
from interact_svc.usecases.delays import Delays
from interact_svc.usecases.upstream import Upstream

NEWEST_LINES = -200
_PAGE_LINES = 5000
_RETRY_SECONDS = 1.0
_TICK_SECONDS = 1.0


class Consoles:
    """Opens consoles, and shares what they have in common."""

    def __init__(
        self, logs: LogFeed, allocations: AllocationView, clock: Clock, limits: Limits
    ) -> None:
        """Keeps what consoles are made of."""
        self._logs = logs
        self._allocations = allocations
        self._clock = clock
        self._limits = limits
        self._upstreams: dict[str, Upstream] = {}
        self._by_person: Counter[str] = Counter()
        self._open: set[Console] = set()
        self._stopping = False

    @property
    def open_count(self) -> int:
        """How many consoles are open."""
        return len(self._open)

    async def authorise(self, allocation: str) -> AllocationSnapshot:
        """Whether the person who is served may watch the allocation; fails closed.

        Raises:
            NotFound: it is not there, or not theirs.
            Unauthenticated: their token is refused.
            Unavailable: that cannot be found out now.
        """
        return await self._allocations.get(allocation)

    @asynccontextmanager
    async def open(
        self, allocation: str, caller: Caller, is_revoked: Callable[[Caller], Fault | None]
    ) -> AsyncIterator[Console]:
        """Opens a console for somebody who may watch the allocation.

        Args:
            allocation: `allocations/…`.
            caller: who watches.
            is_revoked: why the caller's token is refused by now; None while it is good.

        Raises:
            TooManyConsoles: the person or the allocation has as many as it may.
            ServiceStopping: no more consoles are opened.
            Fault: it is not theirs, or that cannot be found out.
        """
        if self._stopping:
            raise _stopping()
        if self._by_person[caller.user] >= self._limits.consoles_per_person:
            raise TooManyConsoles(
                f"You have {self._limits.consoles_per_person} open consoles; close one.",
                limit="person",
            )
        upstream = self._upstreams.get(allocation)
        if upstream and upstream.watchers >= self._limits.consoles_per_allocation:
            raise TooManyConsoles(
                f"{allocation} has {self._limits.consoles_per_allocation} open consoles; close one.",
                limit="allocation",
            )
        self._by_person[caller.user] += 1
        waker = asyncio.Event()
        if upstream is None:
            upstream = self._upstreams[allocation] = Upstream(
                allocation, self._logs, self._allocations, self._clock, self._limits.buffer_bytes
            )
        upstream.join(waker)
        console: Console | None = None
        try:
            snapshot = await self.authorise(allocation)
            await upstream.start()
            console = Console(
                self,
                upstream,
                waker,
                caller,
                snapshot=snapshot,
                logs=self._logs,
                limits=self._limits,
                is_revoked=is_revoked,
                clock=self._clock,
            )
            self._open.add(console)
            yield console
        finally:
            if console is not None:
                self._open.discard(console)
            self._by_person[caller.user] -= 1
            if not self._by_person[caller.user]:
                del self._by_person[caller.user]
            if upstream.leave(waker) == 0 and self._upstreams.get(allocation) is upstream:
                del self._upstreams[allocation]
                await upstream.stop()

    def look_again(self) -> None:
        """Has every console look whether its token is still good: something was revoked."""
        for console in self._open:
            console.look_again()

    async def run(self) -> None:
        """Minds the time for all consoles: signs of life, tokens that end, clients that are stuck.

        One timer for all of them: a timer for each would cost more than what they send.
        """
        while True:
            await self._clock.sleep(_TICK_SECONDS)
            now, wall = self._clock.monotonic(), self._clock.now().timestamp()
            for console in list(self._open):
                console.tick(now, wall)

    def stop(self) -> None:
        """Says goodbye on every console; none is opened from now on."""
        self._stopping = True
        for console in self._open:
            console.end(_stopping())


class Console:
    """One watcher's view of an allocation: pulls from what is shared, at its own pace."""

    def __init__(
        self,
        consoles: Consoles,
        upstream: Upstream,
        waker: asyncio.Event,
        caller: Caller,
        *,
        snapshot: AllocationSnapshot,
        logs: LogFeed,
        limits: Limits,
        is_revoked: Callable[[Caller], Fault | None],
        clock: Clock,
    ) -> None:
        """Made by `Consoles.open`."""
        self.caller = caller
        self._consoles = consoles
        self._upstream = upstream
        self._waker = waker
        self._snapshot: AllocationSnapshot | None = snapshot
        self._measure: Measure | None = None
        self._logs = logs
        self._limits = limits
        self._is_revoked = is_revoked
        self._next: int | None = None
        self._filter = LineFilter()
        self._end: Fault | None = None
        self._warned_of = 0.0
        self._notices: list[Frame] = []
        self._sent = 0
        self._sent_before = 0
        self._clock = clock
        self._delays = Delays()
        self._quiet_since = clock.monotonic()

    def resume(self, cursor: int) -> None:
        """Sends the log from a number on: 0 the oldest kept, negative so many from the end."""
        first, end = max(1, self._upstream.first), self._upstream.recent.end
        if cursor < 0:
            self._next = max(first, end + cursor)
        elif cursor == 0:
            self._next = 1 if self._upstream.first == 0 else first
        else:
            self._next = cursor
        self._waker.set()

    def narrow(self, wanted: LineFilter) -> None:
        """Sends only some lines from now on."""
        self._filter = wanted

    def renew(self, caller: Caller) -> None:
        """Goes on under a newer token of the same person."""
        self.caller = caller
        self._waker.set()

    def end(self, fault: Fault) -> None:
        """Has the console say goodbye."""
        self._end = fault
        self._waker.set()

    def hello(self) -> Hello:
        """The first frame."""
        return Hello(self._upstream.allocation, self._upstream.first, self._upstream.recent.end - 1)

    def look_again(self) -> None:
        """Looks whether the token is still good."""
        fault = self._is_revoked(self.caller)
        if fault is not None:
            self.end(fault)

    def tick(self, now: float, wall: float) -> None:
        """Minds the time, about once a second.

        Args:
            now: monotonic, seconds.
            wall: seconds since 1970.
        """
        expires = self.caller.token_expires
        if expires and expires <= wall:
            self.end(TokenExpired("The access token has ended; log in again."))
        elif (
            expires
            and expires - wall <= self._limits.expiry_warning_seconds
            and self._warned_of != expires
        ):
            self._warned_of = expires
            self._notices.append(AuthExpiring(datetime.fromtimestamp(expires, UTC)))
            self._waker.set()
        if self._sent != self._sent_before:
            self._sent_before, self._quiet_since = self._sent, now
        elif now - self._quiet_since >= self._limits.heartbeat_seconds:
            self._quiet_since = now
            self._notices.append(Heartbeat())
            self._waker.set()

    async def frames(self) -> AsyncIterator[Frame]:
        """Everything that the console says, `hello` first and `bye` last."""
        yield self.hello()
        if self._snapshot is not None:
            yield self._snapshot
        while self._end is None:
            self._waker.clear()
            for frame in self._changes():
                self._sent += 1
                yield frame
            async for frame in self._log():
                self._sent += 1
                yield frame
                if self._end is not None:
                    break
            if self._end is None:
                await self._waker.wait()
        yield Bye(self._end)

    def _changes(self) -> list[Frame]:
        """State, statistics and warnings that are new since the last time."""
        new: list[Frame] = []
        if self._upstream.snapshot is not None and self._upstream.snapshot is not self._snapshot:
            is_same = self._snapshot and self._snapshot.wire == self._upstream.snapshot.wire
            self._snapshot = self._upstream.snapshot
            if not is_same:
                new.append(self._snapshot)
        if self._upstream.measure is not None and self._upstream.measure is not self._measure:
            self._measure = self._upstream.measure
            new.append(self._measure)
        if self._notices:
            new += self._notices
            self._notices.clear()
        return new

    async def _log(self) -> AsyncIterator[Frame]:
        """What the log has from where this watcher is, until it is at the end."""
        while self._next is not None and self._end is None:
            recent = self._upstream.recent
            if self._next >= recent.end:
                return
            if recent.end - self._next > self._limits.slow_reader_lines:
                gap = Chunk(first=self._next, last=recent.start - 1, gap="SLOW_READER")
                self._next = recent.start
                if gap.last >= gap.first:
                    yield gap
                continue
            chunk = recent.at(self._next)
            chunks = [chunk] if chunk is not None else await self._older(self._next)
            if not chunks:
                return
            for one in chunks:
                position = self._next
                if one.last < position:
                    continue
                part = one.since(position)
                if part.first > position:
                    # The journal keeps no more than from there on.
                    self._next = part.first
                    yield Chunk(first=position, last=part.first - 1, gap="RETENTION")
                    if self._next != part.first:
                        break
                self._next = part.last + 1
                if part.gap or self._filter.lets_all_through:
                    yield part
                else:
                    yield self._filter.select(part)
                if self._next != part.last + 1:
                    # The client has asked for another place meanwhile.
                    break

    async def _older(self, cursor: int) -> list[Chunk]:
        """A page of the journal; an empty one where that cannot be read at present, or has gone."""
        try:
            page = await self._logs.read(self._upstream.allocation, cursor, _PAGE_LINES)
        except (Unavailable, DeadlineExceeded):
            # The socket stays, as that of a watcher at the end of the log does; what else there is to
            # say is said before this is tried again.
            await self._clock.sleep(self._delays.take())
            self._waker.set()
            return []
        except Fault as fault:
            self.end(fault)
            return []
        self._delays.begin_anew()
        if not page.chunks:
            start = self._upstream.recent.start
            return [Chunk(first=cursor, last=start - 1, gap="RETENTION")] if cursor < start else []
        return list(page.chunks)


def _stopping() -> ServiceStopping:
    return ServiceStopping("The service stops; open the console again.", retry_after=_RETRY_SECONDS)
