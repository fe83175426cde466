"""What the host itself says of instances: processes and ports, not our tables."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from allocator_process import AllocatorProcess
from stored import leased_ports


def programs_of(data_dir: Path) -> list[str]:
    """The command lines of all processes that run in, or look after, a folder of instances."""
    wanted = str(data_dir / "instances")
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if wanted in command or str((process / "cwd").readlink()).startswith(wanted):
                found.append(command)
    return found


def listens(port: int) -> bool:
    """Whether something accepts connections on a port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def folders_of(data_dir: Path) -> list[str]:
    """The folders of instances."""
    folder = data_dir / "instances"
    if not folder.exists():
        return []
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))


def until(what: Callable[[], Any], within: float = 30.0) -> Any:
    """What a question answers, once that counts as true."""
    end = time.monotonic() + within
    while not (answer := what()):
        assert time.monotonic() < end, f"still {answer!r} after {within} s"
        time.sleep(0.05)
    return answer


def nothing_is_left(running: AllocatorProcess, ports: set[int]) -> None:
    """Removes everything, and asks the host whether anything lives on."""
    running.remove_everything()
    until(lambda: not programs_of(running.data_dir))
    until(lambda: not folders_of(running.data_dir))
    assert leased_ports(running.data_dir) == []
    assert [port for port in ports if listens(port)] == []


class Cable:
    """The connection between two services, which can be pulled out: a socket that passes bytes on."""

    def __init__(self, path: Path, find_target: Callable[[], Path]) -> None:
        self._find_target = find_target
        self._plugged = True
        self._passing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        listening = asyncio.start_unix_server(self._pass_on, str(path))
        self._server = self._now(listening)

    def pull(self) -> None:
        """Ends every connection and lets no new one through."""
        self._now(self._pull())

    def plug(self) -> None:
        """Lets connections through again."""
        self._plugged = True

    def close(self) -> None:
        """Ends it."""
        self.pull()
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _now(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _pull(self) -> None:
        self._plugged = False
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)

    async def _pass_on(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        ends = [back]
        # The other side may be away, too; and whoever pulls the cable cancels.
        with contextlib.suppress(OSError, StopIteration, asyncio.CancelledError):
            if self._plugged:
                far, forth = await asyncio.open_unix_connection(str(self._find_target()))
                ends.append(forth)
                await asyncio.wait(
                    [
                        asyncio.ensure_future(_copy(near, forth)),
                        asyncio.ensure_future(_copy(far, back)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
        for end in ends:
            end.close()
            with contextlib.suppress(OSError):
                await end.wait_closed()
        self._passing.discard(task)


async def _copy(here: asyncio.StreamReader, there: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await here.read(65536):
            there.write(some)
            await there.drain()


@contextlib.contextmanager
def cable_to_engine(folder: Path) -> Iterator[tuple[Cable, dict[str, str]]]:
    """A cable between allocation_svc and docker_svc, and the settings that make them use it."""
    folder.mkdir(parents=True, exist_ok=True)
    near = folder / "engine.sock"
    cable = Cable(near, lambda: next(folder.glob("allocator-*/internal.sock")))
    try:
        yield (
            cable,
            {
                "TMPDIR": str(folder),
                "ALLOCATOR_PEERS": f'{{"docker_svc": "unix:{near}"}}',
            },
        )
    finally:
        cable.close()
