"""The log of a container, from its engine.

A read that does not follow is a consistent view of everything that the engine has kept. A followed
one is quick, and not to be trusted (Docker 20.10, and others):

* It may end early, with a clean end. So an end is believed only when the container does not run,
  and a read without follow, begun after that was known, has given what is known already and nothing
  more.
* When the engine turns over a log file while the follower has not read it to its end, it may give
  lines again, and when that happens twice, it leaves a whole file out, and says nothing. So it is
  followed only from the end of a read without follow, and while what comes is in order and fresh:
  what was written less than 80 ms ago cannot lie behind a whole file that was left out, for no
  engine fills one so quickly, if it is not smaller than 10 MB. (Seen: 50 MB/s.) At the first doubt
  it is read without follow again, from the last line that the journal has.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Any
from urllib.parse import quote

from docker_svc.adapters.log_source.engine_frames import EngineFrames
from docker_svc.adapters.log_source.exchange import EngineAway, Exchange
from docker_svc.adapters.log_source.latest import Latest
from docker_svc.adapters.log_source.place import Place, place_before, unpack_place
from docker_svc.adapters.log_source.tail import Environment, Tail
from docker_svc.ports.logs import GapCause, LogSource, Run

_ANSWER_SECONDS = 15.0
_ENOUGH = 2048  # a read that brings so many bytes is one of a hot stream
_SHORT_READS = 3
_FIRST_GUESS = 1000  # lines that may have come since; asking for too few costs the engine little
_LAST_GUESS = 256_000
_MUCH = 32 * 1024
_CAUGHT_UP = 2000  # a view that brings fewer lines than this has caught up


class _Asked(Enum):
    NOTHING = 0
    VIEW = 1
    FOLLOW = 2
    STATE = 3
    REST = 4


class DockerTail(Tail):
    """Reads the log of one container."""

    # An engine notes the start of a program once it has started, when lines may have been written;
    # the program before it had ended earlier than that.
    start_margin_ns = 100_000_000

    def __init__(
        self, environment: Environment, allocation: str, run: Run, source: LogSource
    ) -> None:
        super().__init__(environment, allocation, run, source)
        self._asked = _Asked.NOTHING
        self._exchange: Exchange | None = None
        self._rest = b""
        self._state = b""
        self._place = Place()
        self._to_skip = 0
        self._skip_by_time = False
        self._is_first = False
        self._brought = 0
        self._short_reads = 0
        self._is_restarted = False
        self._guess = 0
        self._sought: tuple[int, ...] = ()
        self._seen: deque[int] = deque()
        self._latest = Latest(is_local=source.address.startswith("unix:"))
        self._frames = EngineFrames(self._columns)
        self._got_much = False

    def start(self, now: float) -> bool:
        """Reads what there is, then follows."""
        self._ask_log(now, _Asked.VIEW)
        return False

    def update(self, now: float, run: Run, source: LogSource) -> bool:
        """See `Tail.update`; one that is said not to run is looked at a little later."""
        # Said to run while its end is being made sure of: it runs again, and is followed again.
        self._is_restarted = source.running and self._asked in (_Asked.STATE, _Asked.REST)
        hot = super().update(now, run, source)
        if self._asked is _Asked.FOLLOW and (self._superseded or not source.running):
            self._env.wake_at(self, now + (0.0 if self._superseded else 1.0))
        return hot

    def tick(self, now: float) -> bool:
        """Tells a batch that waits, tries again, or gives up on an answer."""
        if self._asked is _Asked.NOTHING:
            if not self.is_ended:
                self.start(now)
        elif self._columns.times:
            if self.flush(now):
                self._expect(now)
        elif self._asked is _Asked.FOLLOW:
            if self._superseded or not self.source.running:
                self._ask_state(now)
        else:
            self.again(now)
        return False

    def _expect(self, now: float) -> None:
        """Sets the time of the next look."""
        if self._asked in (_Asked.VIEW, _Asked.STATE, _Asked.REST):
            self._env.wake_at(self, now + _ANSWER_SECONDS)
        elif self._asked is _Asked.FOLLOW and (self._superseded or not self.source.running):
            self._env.wake_at(self, now + 1.0)

    # Asking

    def _ask(self, now: float, asked: _Asked, path: str) -> None:
        self._disconnect()
        try:
            self._exchange = Exchange(self._env.selector, self, self.source.address, path)
        except EngineAway:
            self.again(now)
            return
        self._asked = asked
        self._expect(now)

    def _ask_state(self, now: float) -> None:
        if self.flush(now):
            self._ask(now, _Asked.STATE, self._state_path)

    def _ask_log(self, now: float, asked: _Asked, *, guess: int = _FIRST_GUESS) -> None:
        """Asks for what comes after what was read.

        Args:
            now: the time.
            asked: VIEW, FOLLOW or REST.
            guess: how many lines that may be, so that the engine need not go through everything
                that it has; 0 to ask for all since the place that the journal has.
        """
        if not self.flush(now):
            return
        query = "follow=" + ("1" if asked is _Asked.FOLLOW else "0")
        last = () if self._to_skip else self._latest.place()
        self._guess = guess if last else 0
        if self._guess:
            self._sought = last
            self._seen = deque(maxlen=len(last))
            self._to_skip = 0
            query += f"&tail={guess}"
        else:
            query += self._from_journal()
        self._is_first = True
        self._brought = 0
        path = f"{self._place_path}/logs"
        self._ask(now, asked, f"{path}?{query}&stdout=1&stderr=1&timestamps=1")

    def _from_journal(self) -> str:
        """Goes back to where the journal is; what to ask the engine for."""
        self._release()
        position = self._env.sink.position(self.allocation)
        self._place = place = unpack_place(position, self.source.instance, self._columns)
        self._sought = ()
        self._latest.resume(place.newest)
        self._to_skip = place.known
        self._skip_by_time = False
        if not place.anchor:
            return ""
        seconds, nanos = divmod(place.anchor, 1_000_000_000)
        return f"&since={seconds}.{nanos:09d}"

    # Answers

    def ready(self, now: float) -> bool:
        """Reads what there is."""
        exchange = self._exchange
        assert exchange is not None
        try:
            got = exchange.receive(self._env.limits.batch_bytes)
            if got is None:
                return False
        except EngineAway:
            progress = self._brought > 0
            if self.flush(now):
                self.again(now, progress=progress)
            return False
        if exchange.status != 200:
            self._refused(now, exchange.status, got)
        elif self._asked is _Asked.STATE:
            self._take_state(now, got)
        elif got:
            self._take_log(now, got)
        else:
            self._log_ended(now)
        return len(got) >= _ENOUGH

    def _refused(self, now: float, status: int, words: bytes) -> None:
        if status == 404:
            # Removed before its end was made sure of: what it wrote last may be missing.
            if self.flush(now) and self._gap(now):
                self._end(now)
            return
        self._env.log.warning(
            "engine refuses a log",
            allocation=self.allocation,
            status=status,
            words=words[:200].decode("utf-8", "replace"),
        )
        if self.flush(now):
            self.again(now)

    def _take_state(self, now: float, got: bytes) -> None:
        if got:
            self._state += got
            return
        try:
            is_running = self._runs(json.loads(self._state))
        except (ValueError, KeyError, TypeError):
            self.again(now)
            return
        if is_running and not self._superseded:
            # The engine has ended what it should have gone on with.
            self.again(now, progress=self._brought > 0)
        else:
            self._short_reads = 0
            self._ask_log(now, _Asked.REST)

    def _log_ended(self, now: float) -> None:
        if self._sought:
            self._ask_more(now)
            return
        if self._asked is _Asked.FOLLOW:
            self._ask_state(now)
        elif self._asked is _Asked.VIEW and (self._brought or not self._to_skip):
            self._viewed(now)
        elif self._brought:
            self._ask_log(now, _Asked.REST)
        elif self._to_skip and not self._skip_by_time and self._short_reads < _SHORT_READS:
            # It did not even give what is known: it may have been cut off.
            self._short_reads += 1
            self._ask_log(now, self._asked, guess=0)
        elif self._asked is _Asked.VIEW:
            self._viewed(now)
        elif self._is_restarted:
            self._is_restarted = False
            self._ask_log(now, _Asked.FOLLOW)
        else:
            self._end(now)

    def _viewed(self, now: float) -> None:
        """Everything that there was has been read."""
        self._short_reads = 0
        if self._superseded or not self.source.running:
            self._ask_state(now)
        elif self._brought > _CAUGHT_UP:
            self._ask_log(now, _Asked.VIEW)  # there will be more by now
        else:
            self._ask_log(now, _Asked.FOLLOW)

    def _take_log(self, now: float, got: bytes) -> None:
        content = self._rest + got if self._rest else got
        at = 0
        try:
            if self._sought:
                at = self._seek(content)
                if at < 0:
                    self._ask_more(now)
                    return
            if self._to_skip:
                at = self._skip(now, content)
                if at < 0:
                    return
            if self._sought or self._to_skip:
                self._rest = content[at:]
                self._expect(now)
                return
            if self._asked is _Asked.FOLLOW and self._is_late(content, at):
                self._ask_log(now, _Asked.VIEW)
                return
            before = len(self._columns.times)
            at = self._frames.take(content, at)
            taken = self._columns.times[before:]
            self._brought += len(taken)
            if self._asked is _Asked.FOLLOW and self._latest.came_before(taken):
                if self._frames.has_pieces:
                    self._latest.forget()  # not to be told apart: back to the journal
                    self._columns.clear()
                else:
                    self._columns.drop(before)
                self._ask_log(now, _Asked.VIEW)
                return
            self._latest.note(taken, has_pieces=self._frames.has_pieces)
        except ValueError:
            # Not a line with its time: the engine's words about a trouble of its own.
            if self._is_lost(content):
                if self.flush(now) and self._gap(now, GapCause.NODE_LOST):
                    self._end(now)
                return
            self._env.log.warning(
                "engine cannot read a log",
                allocation=self.allocation,
                words=content[:200].decode("utf-8", "replace"),
            )
            if self.flush(now):
                self.again(now, progress=self._brought > 0)
            return
        self._rest = content[at:]
        self._got_much = len(got) >= _MUCH
        columns = self._columns
        columns.size += at
        if not columns.times:
            self._expect(now)
            return
        limits = self._env.limits
        due = self._told + limits.batch_seconds
        if columns.size >= limits.batch_bytes or now >= due:
            if self.flush(now):
                self._expect(now)
        else:
            self._env.wake_at(self, due)

    def _is_late(self, content: bytes, at: int) -> bool:
        """Whether a followed stream brings what was written too long ago."""
        written = self._frames.time_at(content, at)
        return written is not None and self._latest.is_late(written, after_much=self._got_much)

    def _ask_more(self, now: float) -> None:
        """What was read last is not in the answer: more was written than was guessed."""
        more = self._guess * 4
        self._ask_log(now, self._asked, guess=more if more <= _LAST_GUESS else 0)

    def _seek(self, content: bytes) -> int:
        """Steps behind what was read last; where that is, or -1 where it will not come."""
        at = 0
        while self._sought and (frame := self._frames.step(content, at)) is not None:
            stop, moment = frame
            if moment > self._latest.newest:
                return -1
            self._seen.append(moment)
            if moment == self._sought[-1] and tuple(self._seen) == self._sought:
                self._sought = ()
            at = stop
        return at

    def _skip(self, now: float, content: bytes) -> int:
        """Steps over what is known; where the rest begins, or -1 if reading has ended."""
        at, place = 0, self._place
        while self._to_skip and (frame := self._frames.step(content, at)) is not None:
            stop, moment = frame
            self._latest.met(moment)
            if self._is_first:
                self._is_first = False
                if moment != place.opening:
                    # The engine does not have the beginning of what is known any more.
                    self._skip_by_time = True
                    self._to_skip = place.newest_count
                    if moment > place.newest:
                        self._to_skip = 0
                        self._place = place_before(moment, place)
                        self._columns.clear()
                        return at if self._gap(now) else -1
            if self._skip_by_time:
                if moment > place.newest:
                    self._to_skip = 0
                    break
                if moment == place.newest:
                    self._to_skip -= 1
            else:
                self._to_skip -= 1
            at = stop
        if self._skip_by_time and not self._to_skip:
            self._place = Place()
        return at

    # What another kind of engine says elsewhere

    @property
    def _place_path(self) -> str:
        """Where the engine has what it says of the instance."""
        return f"/containers/{quote(self.source.instance)}"

    @property
    def _state_path(self) -> str:
        """Where it says whether the program runs."""
        return f"{self._place_path}/json"

    def _runs(self, state: dict[str, Any]) -> bool:
        """Whether the program runs, by what it says there."""
        return bool(state["State"]["Running"])

    def _is_lost(self, words: bytes) -> bool:
        """Whether these words of the engine mean that nothing more will come."""
        del words
        return False

    # Of Tail

    def _position(self) -> bytes:
        return self._place.pack(self.source.instance, self._columns)

    def _account(self, times: Sequence[int]) -> None:
        self._place.account(times)

    def _finish(self) -> None:
        self._columns.finish(self._place.newest)

    def _release(self) -> None:
        self._disconnect()
        self._columns.clear()
        self._latest.forget()

    def _disconnect(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None
        self._asked = _Asked.NOTHING
        self._rest = self._state = b""
