"""Sees processes end, as soon as the kernel knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from docker_svc.adapters.container_runtime.process_folder import ProcessFolder, Shim
from docker_svc.domain import InstanceKey
from docker_svc.ports.container_runtime import Change

_MAX_WAITING = 10_000
_LOOK_SECONDS = 1.0


class EndWatch:
    """Watches shims by their pidfd, and by looking each second where the kernel gives none."""

    def __init__(self, root: Path) -> None:
        """Keeps the folder of folders."""
        self._root = root
        self._pidfds: dict[InstanceKey, tuple[str, int]] = {}
        self._looked_at: dict[InstanceKey, Shim] = {}
        self._changes: asyncio.Queue[tuple[InstanceKey, Change]] = asyncio.Queue(_MAX_WAITING)

    def add(self, key: InstanceKey, folder: ProcessFolder) -> None:
        """Watches the present run of an instance, if that is not done yet."""
        shim = folder.shim()
        if shim is None:
            return
        watched = self._pidfds.get(key)
        if watched is not None:
            if watched[0] == shim.run:
                return
            self._forget(key)
        try:
            pidfd = os.pidfd_open(shim.pid)
        except OSError:
            # Ended already, or a kernel without pidfds; the next look tells.
            self._looked_at[key] = shim
            return
        if not shim.lives():
            os.close(pidfd)
            self._tell(key, "ended")
            return
        self._pidfds[key] = (shim.run, pidfd)
        asyncio.get_running_loop().add_reader(pidfd, self._ended, key, shim.run)

    def removed(self, key: InstanceKey) -> None:
        """Tells that an instance is gone."""
        self._forget(key)
        self._tell(key, "removed")

    async def changes(self) -> AsyncGenerator[tuple[InstanceKey, Change], None]:
        """What happens; for one listener."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    yield await self._changes.get()
            except TimeoutError:
                for key, shim in list(self._looked_at.items()):
                    if not shim.lives():
                        del self._looked_at[key]
                        self._tell(key, "ended")

    def close(self) -> None:
        """Lets go of everything."""
        for key in list(self._pidfds):
            self._forget(key)
        self._looked_at.clear()

    def _ended(self, key: InstanceKey, run: str) -> None:
        if self._pidfds.get(key, ("", 0))[0] == run:
            self._forget(key)
            self._tell(key, "ended")

    def _forget(self, key: InstanceKey) -> None:
        self._looked_at.pop(key, None)
        watched = self._pidfds.pop(key, None)
        if watched is not None:
            asyncio.get_running_loop().remove_reader(watched[1])
            os.close(watched[1])

    def _tell(self, key: InstanceKey, change: Change) -> None:
        # Without a listener the oldest goes: whoever comes to listen lists first.
        if self._changes.full():
            self._changes.get_nowait()
        self._changes.put_nowait((key, change))
