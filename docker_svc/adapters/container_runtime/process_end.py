"""The end of a process that is asked for, with everything below it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from docker_svc.adapters.container_runtime.process_folder import ProcessFolder
from docker_svc.domain import EngineUnavailable

_KILL_SECONDS = 10.0


async def end_program(folder: ProcessFolder, grace: float) -> None:
    """Has the shim of a folder end its program; returns when nothing of it is left.

    Args:
        folder: of a program that may have ended, or never begun.
        grace: seconds between its stop signal and SIGKILL.

    Raises:
        EngineUnavailable: it does not end although it was killed.
    """
    shim = folder.shim()
    if shim is None:
        return
    try:
        pidfd = os.pidfd_open(shim.pid)
    except OSError:
        return
    try:
        if not shim.lives():
            return
        folder.order_stop(grace)
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        await _ends(pidfd, grace + _KILL_SECONDS)
    finally:
        os.close(pidfd)
    await clear_session(shim.pid)


def members(session: int) -> list[int]:
    """The processes of a session that have not ended, also those whose parents have."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            told = (process / "stat").read_bytes().rpartition(b")")[2].split()
            if int(told[3]) == session and told[0] not in {b"Z", b"X"}:
                found.append(int(process.name))
    return found


async def _ends(pidfd: int, seconds: float) -> None:
    """Waits for the end of a process, for at most some seconds."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()
    finally:
        loop.remove_reader(pidfd)


async def clear_session(session: int) -> None:
    """Kills what is left of a session whose first process has just ended, or hangs; waits for its end.

    No other process has that number meanwhile: the kernel gives none away that a session has.

    Raises:
        EngineUnavailable: something does not end although it was killed.
    """
    until = time.monotonic() + _KILL_SECONDS
    while left := await asyncio.to_thread(members, session):
        if time.monotonic() > until:
            raise EngineUnavailable("A process does not end although it was killed.")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.01)
