"""Being told by the kernel that files in a folder have changed (Linux's inotify).

Looking at files by time alone is either late or busy. Where the kernel offers nothing of the kind,
or no more of it, the one who asks looks by time alone.
"""

from __future__ import annotations

import ctypes
import os
import struct

_NONBLOCKING = 0o4000
_CLOSE_ON_EXEC = 0o2000000
_MODIFIED, _MOVED_TO, _CREATED = 0x2, 0x80, 0x100
_EVENT = struct.Struct("iIII")
_AT_ONCE_BYTES = 64 << 10


class FolderWatch:
    """One inotify instance: folders by a number each.

    Attributes:
        descriptor: readable when something has changed; -1 where there is no inotify.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self.descriptor = int(self._libc.inotify_init1(_NONBLOCKING | _CLOSE_ON_EXEC))
        except AttributeError:
            self.descriptor = -1

    def add(self, folder: str) -> int | None:
        """Watches a folder; its number, or None where it cannot be watched."""
        if self.descriptor < 0:
            return None
        number = int(
            self._libc.inotify_add_watch(
                self.descriptor, os.fsencode(folder), _MODIFIED | _MOVED_TO | _CREATED
            )
        )
        return number if number >= 0 else None

    def remove(self, number: int) -> None:
        """Watches a folder no longer; one that has gone takes care of itself."""
        self._libc.inotify_rm_watch(self.descriptor, number)

    def changed(self) -> set[int]:
        """The numbers of the folders in which something has changed since the last call."""
        found: set[int] = set()
        try:
            raw = os.read(self.descriptor, _AT_ONCE_BYTES)
        except BlockingIOError:
            return found
        at = 0
        while at < len(raw):
            number, _, _, length = _EVENT.unpack_from(raw, at)
            found.add(number)
            at += _EVENT.size + length
        return found

    def close(self) -> None:
        """Ends watching."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
