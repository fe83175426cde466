"""A thread for one client's blocking calls, which the event loop starts, awaits and stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

_STOP_SECONDS = 10.0
_LOOK_EVERY = 0.1

_log = structlog.get_logger("chassis.bus")


class Stopping(Exception):
    """The thread was told to stop while it waited."""


class ClientThread:
    """Runs work in a thread of its own.

    Args:
        name: of the thread.
        work: what it does until `stopping` is set.

    Attributes:
        stopping: set when the work shall end.
        loop: the event loop that made it.
    """

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopping = threading.Event()
        self._work = work
        self._ended: asyncio.Future[None] = self.loop.create_future()
        # A daemon: a client that hangs in a call must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Starts it."""
        self._thread.start()

    async def ended(self) -> None:
        """Waits for its end; raises what it ended with."""
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Has it end, and waits for that, ten seconds at most."""
        self.stopping.set()
        await asyncio.wait([self._ended], timeout=_STOP_SECONDS)
        if not self._ended.done():
            _log.warning("a client of the bus does not close", thread=self._thread.name)
        elif not self._ended.cancelled():
            self._ended.exception()

    def tell(self, function: Callable[..., None], *args: Any) -> None:
        """Calls a function in the loop, from the thread. Those told first are called first."""
        # The loop may be closed by now, where the process ends in a hurry.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *args)

    def ask(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs a coroutine in the loop, after what it was told, and waits for it in the thread.

        Raises:
            Stopping: the thread was told to stop meanwhile; the coroutine is cancelled.
            TimeoutError: it took longer.
        """
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        except RuntimeError:
            coroutine.close()
            raise Stopping from None
        waits = 0
        while True:
            try:
                return future.result(_LOOK_EVERY)
            except NotYet:
                if future.done():
                    raise
                waits += 1
                if self.stopping.is_set():
                    future.cancel()
                    raise Stopping from None
                if timeout is not None and waits * _LOOK_EVERY >= timeout:
                    future.cancel()
                    raise

    def _run(self) -> None:
        try:
            self._work()
        except Stopping:
            self.tell(self._end, None)
        except BaseException as error:  # noqa: BLE001 - raised again by `ended`
            self.tell(self._end, error)
        else:
            self.tell(self._end, None)

    def _end(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
