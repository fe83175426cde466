"""A whole allocator as its user runs it: a process of its own, reached over its ports."""

from __future__ import annotations

import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from visitor import PASSWORD, Visitor

__all__ = [
    "FAST",
    "PASSWORD",
    "ROOT",
    "AllocatorProcess",
    "free_port",
    "free_range",
    "lasting_port",
]

ROOT = Path(__file__).resolve().parent.parent
FAST = {
    # Cheap hashes and no waiting between log-ins: what is tested here is something else.
    "ALLOCATOR_USER_ARGON2_MEMORY_KIB": "64",
    "ALLOCATOR_USER_ARGON2_PASSES": "1",
    # Everybody here comes from one address.
    "ALLOCATOR_USER_SIGN_UPS_AT_ONCE": "100000",
    "ALLOCATOR_USER_FREE_FAILURES_PER_ADDRESS": "100000",
    "ALLOCATOR_USER_SIGN_UP_MAILS_AT_ONCE": "100000",
    "ALLOCATOR_DOCKER_TRUST_EVERYONE": "true",
}


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# One is not given twice, also while nobody listens there yet: neither here, nor by another worker.
_GIVEN: set[int] = set()
_EACH = 2_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw4").removeprefix("gw"))
_FIRST = 10_000 + _EACH * _WORKER
# Those that the kernel gives out begin at 32768; those that are leased by default are from 20000 on.
_LEASED = range(22_000 + _EACH * _WORKER, 22_000 + _EACH * (_WORKER + 1))
_TURN = itertools.count()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, or a connection that has ended a minute ago would count as one.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lasting_port() -> int:
    """A free port that no connection is given by chance while its process is away."""
    while True:
        port = _FIRST + secrets.randbelow(_EACH)
        if port not in _GIVEN and _is_free(port):
            _GIVEN.add(port)
            return port


def free_range(size: int = 200) -> str:
    """A range of ports, `24000-24199`, that nobody uses, and no connection is given by chance.

    Args:
        size: how many, 200 at most.
    """
    slots = len(_LEASED) // 200
    for turn in itertools.islice(_TURN, slots):
        ports = _LEASED[turn % slots * 200 :][:size]
        if all(map(_is_free, ports)):
            return f"{ports[0]}-{ports[-1]}"
    raise AssertionError(f"no {size} ports in {_LEASED} are free")


class AllocatorProcess(Visitor):
    """Starts, stops and kills an allocator on a data folder of its own."""

    def __init__(self, data_dir: Path, runtime: str = "process", **settings: str) -> None:
        self.data_dir = data_dir
        self.http = f"127.0.0.1:{free_port()}"
        self.grpc = f"127.0.0.1:{free_port()}"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ALLOCATOR_")},
            **FAST,
            "ALLOCATOR_DATA_DIR": str(data_dir),
            "ALLOCATOR_HTTP_ADDRESS": self.http,
            "ALLOCATOR_GRPC_ADDRESS": self.grpc,
            "ALLOCATOR_RUNTIME": runtime,
            "ALLOCATOR_ALLOCATION_PORT_RANGE": free_range(),
            **settings,
        }
        self.process: subprocess.Popen[str] | None = None
        self.banner = ""
        self.ca = None
        self.admin_file = data_dir / "admin.json"
        self.mailbox = data_dir / "mailbox"
        self.client = self.open_client()

    def start(self, within: float = 30.0) -> AllocatorProcess:
        """Starts it and returns once it is ready; what it printed is in `banner`."""
        output = self.data_dir.with_suffix(".out")
        with output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "allocctl", "up"],
                env=self.environment,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        until = time.monotonic() + within
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the allocator has ended: {output.read_text()}")
            if "Ctrl-C" in (said := output.read_text()):
                self.banner = said
                return self
            time.sleep(0.02)
        raise AssertionError(f"the allocator is not ready after {within} s: {output.read_text()}")

    def stop(self) -> int:
        """Ends it as Ctrl-C does; answers its exit code."""
        return self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(number)
        return process.wait(timeout=30)

    def close(self) -> None:
        """Removes every instance, then ends it."""
        try:
            if self.process is not None and self.process.poll() is None:
                self.remove_everything()
        finally:
            self.stop()
            self.client.close()
