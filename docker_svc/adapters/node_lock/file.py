"""The right to work on a node as a lock of the kernel on a file that the replicas share.

The lock is flock(2): it belongs to the open file and goes with the process, also by SIGKILL, and
across containers of one machine. File systems of the network keep such locks elsewhere, later, or
not at all, so the folder has to be on a disk of the machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path

_MOST_BYTES = 4096


class FileNodeLock:
    """Adapter of `NodeLock`: see the module.

    Args:
        path: of the file; its folder is made where it is missing. Who holds the lock is written in it.
        replica: the name of this replica.
    """

    def __init__(self, path: Path, replica: str) -> None:
        self._path = path
        self._replica = replica
        self._file = -1

    @property
    def is_held(self) -> bool:
        """See `NodeLock.is_held`."""
        return self._file >= 0

    def take(self) -> bool:
        """See `NodeLock.take`."""
        if self.is_held:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Where somebody has deleted the file, a lock on what others do not find protects nothing.
            is_mine = self._is_at_its_path(file)
        except BlockingIOError:
            is_mine = False
        except BaseException:
            os.close(file)
            raise
        if not is_mine:
            os.close(file)
            return False
        self._file = file
        since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        said = {"replica": self._replica, "pid": os.getpid(), "since": since}
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(said).encode(), 0)
        return True

    def holder(self) -> str:
        """See `NodeLock.holder`."""
        try:
            with self._path.open("rb") as file:
                said = json.loads(file.read(_MOST_BYTES) or b"{}")
            return f"{said['replica']} since {said['since']}" if said else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def let_go(self) -> None:
        """See `NodeLock.let_go`."""
        if self.is_held:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1

    def _is_at_its_path(self, file: int) -> bool:
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        held = os.fstat(file)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
