"""The data folder: one process at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_SOCKETS = "allocator-"


class DataFolderBusy(Exception):
    """Another process holds the data folder; the message says which."""


class DataFolder:
    """Holds the data folder for this process until closed.

    The file `run.json` in it is the lock and says who holds it: process id and addresses.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the folder, making it where it is missing.

        Raises:
            DataFolderBusy: another process holds it, or it cannot be written.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(folder / "run.json", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataFolderBusy(
                f"The data folder {folder} cannot be used: {error.strerror}."
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held_by = os.pread(self._file, 4096, 0).decode(errors="replace")
            os.close(self._file)
            raise DataFolderBusy(_who(folder, held_by)) from None
        # Who ends cleanly leaves nothing here; a process that was killed, its folder of sockets.
        self._remove_sockets(os.pread(self._file, 4096, 0))
        self._about: dict[str, object] = {}
        self.say(pid=os.getpid())

    def say(self, **about: object) -> None:
        """Writes down who holds the folder, besides what was said before."""
        self._about |= about
        raw = json.dumps(self._about).encode()
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, raw, 0)

    def make_sockets_folder(self) -> Path:
        """Makes a folder for the sockets of this process, which ends with it or at the next start.

        It is not in the data folder, since the path of a socket has 107 bytes at most.
        """
        made = tempfile.mkdtemp(prefix=_SOCKETS)
        self.say(sockets=made)
        return Path(made)

    def _remove_sockets(self, about: bytes) -> None:
        """Removes the folder of sockets that somebody said was theirs."""
        try:
            sockets = Path(json.loads(about or b"{}").get("sockets", ""))
        except (ValueError, TypeError, AttributeError):
            return
        if sockets.name.startswith(_SOCKETS):
            shutil.rmtree(sockets, ignore_errors=True)

    def close(self) -> None:
        """Gives the folder free."""
        self._remove_sockets(json.dumps(self._about).encode())
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()


def _who(folder: Path, held_by: str) -> str:
    try:
        about = json.loads(held_by)
    except ValueError:
        about = {}
    process = f"process {about['pid']}" if "pid" in about else "another process"
    at = f", which serves http://{about['http']}" if "http" in about else ""
    return (
        f"The data folder {folder} is held by {process}{at}. Stop that one first, or choose another "
        "folder with ALLOCATOR_DATA_DIR."
    )
