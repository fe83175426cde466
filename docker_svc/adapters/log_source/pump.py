"""The one thread that reads every source of this node.

While a stream is hot, the thread naps between reads: the engine writes each line by itself, and a
reader that is woken for each costs both sides most of their time. (Measured with 300,000 lines:
1.7 s without naps, 1.1 s with naps of 0.4 ms, 1.6 s with 1 ms, when the socket's buffer runs full.)
"""

from __future__ import annotations

import heapq
import math
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from docker_svc.adapters.log_source.docker import DockerTail
from docker_svc.adapters.log_source.file import FileTail
from docker_svc.adapters.log_source.folder_watch import FolderWatch
from docker_svc.adapters.log_source.swarm import SwarmTail
from docker_svc.adapters.log_source.tail import Environment, SourceLimits, Tail, WarningLog
from docker_svc.ports.logs import LogReader, LogSink, LogSource, Run

NAP = 0.0004
"""Seconds between reads while a stream is hot."""


_KINDS: dict[str, type[Tail]] = {"docker": DockerTail, "swarm": SwarmTail, "file": FileTail}


class _Command(Protocol):
    def __call__(self) -> None: ...


@dataclass(slots=True)
class _Turn:
    """What is read of one allocation: the source that is read now, and those that wait for it."""

    tail: Tail
    waiting: deque[tuple[Run, LogSource]]


class Pump:
    """Adapter of `LogReader`: see the module.

    Args:
        limits: of lines and batches.
        log: told of what goes wrong.
    """

    def __init__(self, limits: SourceLimits, log: WarningLog) -> None:
        self._limits = limits
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Tail]] = []
        self._timer_count = 0
        self._turns: dict[str, _Turn] = {}
        self._commands: deque[_Command] = deque()
        self._waker, self._woken = socket.socketpair()
        self._waker.settimeout(0)
        self._woken.settimeout(0)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._folders = FolderWatch()
        self._watched: dict[int, Tail] = {}
        if self._folders.descriptor >= 0:
            self._selector.register(self._folders.descriptor, selectors.EVENT_READ, self._folders)
        self._thread: threading.Thread | None = None
        self._environment: Environment | None = None
        self._stopping = False

    # Called by any thread

    def start(self, sink: LogSink) -> None:
        """See `LogReader.start`."""
        self._environment = Environment(
            selector=self._selector,
            sink=sink,
            limits=self._limits,
            log=self._log,
            wake_at=self._wake_at,
            ended=self._ended,
            watch=self._watch,
            unwatch=self._unwatch,
        )
        self._thread = threading.Thread(target=self._run, name="docker_svc.logs", daemon=True)
        self._thread.start()

    def begin(self, allocation: str, run: Run, source: LogSource) -> None:
        """See `LogReader.begin`."""
        self._command(lambda: self._begin(allocation, run, source))

    def end(self, allocation: str) -> None:
        """See `LogReader.end`."""
        self._command(lambda: self._end(allocation))

    def stop(self) -> None:
        """See `LogReader.stop`."""
        if self._stopping:
            return
        self._stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._selector.close()
        self._folders.close()
        self._waker.close()
        self._woken.close()

    def _command(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._wake()

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            return  # awake, or stopped

    # Called by the thread of the pump

    def _run(self) -> None:
        hot = False
        while not self._stopping:
            if hot:
                time.sleep(NAP)
            events = self._selector.select(0 if hot else self._patience())
            hot = False
            for key, _ in events:
                if key.data is None:
                    self._woken.recv(4096)
                elif key.data is self._folders:
                    for number in self._folders.changed():
                        if tail := self._watched.get(number):
                            hot = self._guarded(tail, tail.ready) or hot
                else:
                    hot = self._guarded(key.data, key.data.ready) or hot
            while self._commands:
                self._commands.popleft()()
            self._due()
        for turn in self._turns.values():
            self._guarded(turn.tail, turn.tail.close)

    def _patience(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic())

    def _due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            due, _, tail = heapq.heappop(self._timers)
            if tail.due == due:
                tail.due = math.inf
                self._guarded(tail, tail.tick)

    def _guarded(self, tail: Tail, step: Callable[[float], bool]) -> bool:
        """One step of a source, whose troubles are its own."""
        now = time.monotonic()
        try:
            return step(now)
        except Exception as problem:  # noqa: BLE001 – a bug in one source must not end the others
            self._log.warning(
                "log source failed", allocation=tail.allocation, problem=repr(problem)
            )
            tail.again(now)
            return False

    def _wake_at(self, tail: Tail, due: float) -> None:
        if due != tail.due:
            tail.due = due
            if due < math.inf:
                self._timer_count += 1
                heapq.heappush(self._timers, (due, self._timer_count, tail))

    def _watch(self, tail: Tail, folder: str) -> None:
        number = self._folders.add(folder)
        if number is not None:
            self._watched[number] = tail

    def _unwatch(self, tail: Tail) -> None:
        for number in [n for n, watcher in self._watched.items() if watcher is tail]:
            del self._watched[number]
            self._folders.remove(number)

    def _begin(self, allocation: str, run: Run, source: LogSource) -> None:
        turn = self._turns.get(allocation)
        if turn is None:
            self._turns[allocation] = _Turn(self._open(allocation, run, source), deque())
            return
        if turn.waiting:
            if turn.waiting[-1][1].instance == source.instance:
                turn.waiting.pop()
            turn.waiting.append((run, source))
        elif turn.tail.source.instance == source.instance:
            tail = turn.tail
            self._guarded(tail, lambda now: tail.update(now, run, source))
        elif turn.tail.is_ended:
            turn.tail = self._open(allocation, run, source)
        else:
            turn.waiting.append((run, source))
            self._guarded(turn.tail, turn.tail.supersede)

    def _open(self, allocation: str, run: Run, source: LogSource) -> Tail:
        assert self._environment is not None
        tail: Tail = _KINDS[source.kind](self._environment, allocation, run, source)
        self._guarded(tail, tail.start)
        return tail

    def _end(self, allocation: str) -> None:
        turn = self._turns.pop(allocation, None)
        if turn is not None:
            self._guarded(turn.tail, turn.tail.close)
            turn.tail.due = math.inf

    def _ended(self, tail: Tail) -> None:
        turn = self._turns.get(tail.allocation)
        if turn is not None and turn.tail is tail and turn.waiting:
            run, source = turn.waiting.popleft()
            self._commands.append(lambda: self._next(tail, run, source))
            self._wake()

    def _next(self, ended: Tail, run: Run, source: LogSource) -> None:
        turn = self._turns.get(ended.allocation)
        if turn is not None and turn.tail is ended:
            turn.tail = self._open(ended.allocation, run, source)
            if turn.waiting:
                self._guarded(turn.tail, turn.tail.supersede)


def open_pump(log: WarningLog, limits: SourceLimits | None = None) -> LogReader:
    """A reader of sources, which has not begun yet."""
    return Pump(limits or SourceLimits(), log)
