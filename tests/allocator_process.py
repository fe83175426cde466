"""A whole allocator as its user runs it: a process of its own, reached over its ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from free_ports import free_port, free_range
from visitor import PASSWORD, Visitor

__all__ = ["FAST", "PASSWORD", "ROOT", "AllocatorProcess"]

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
