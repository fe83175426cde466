"""A store that says at once when the catalogue has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chassis.listing import Condition, Once
from machines_svc.domain.facts import Fact
from machines_svc.domain.machine import Machine
from machines_svc.domain.searching import Query
from machines_svc.ports import MachineStore


class AnnouncingMachineStore:
    """A MachineStore whose changes are announced before whoever makes them hears of it.

    A change that fails is announced too: it may have been kept, with only the answer lost.

    Args:
        store: keeps the machines.
        changed: is told that machines have changed; it must not fail.
    """

    def __init__(self, store: MachineStore, changed: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._changed = changed

    async def insert(self, machine: Machine, fact: Fact, once: Once | None = None) -> Machine:
        """Keeps a new machine."""
        try:
            return await self._store.insert(machine, fact, once)
        finally:
            await self._changed()

    async def replace(self, machine: Machine, expected_version: int, fact: Fact) -> None:
        """Keeps a changed machine, if the one that is kept is of the expected version."""
        try:
            await self._store.replace(machine, expected_version, fact)
        finally:
            await self._changed()

    async def delete(self, machine: Machine, fact: Fact) -> None:
        """Removes a machine, if the one that is kept is of the same version and uid."""
        try:
            await self._store.delete(machine, fact)
        finally:
            await self._changed()

    async def get(self, name: str) -> Machine | None:
        """The machine of a name; None where there is none."""
        return await self._store.get(name)

    async def version(self, uid: str, version: int) -> Machine | None:
        """A machine as it was in one of its last 50 versions."""
        return await self._store.version(uid, version)

    async def list(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[Any, ...] | None,
        size: int,
        query: Query | None = None,
    ) -> list[Machine]:
        """A page of the machines."""
        return await self._store.list(conditions, order, after, size, query)

    async def versions(self, uid: str, before: int | None, size: int) -> Sequence[Machine]:
        """The kept versions of a machine, the newest first."""
        return await self._store.versions(uid, before, size)

    async def tend(self) -> int:
        """Makes anew what machines are searched by, where it is missing."""
        try:
            return await self._store.tend()
        finally:
            await self._changed()

    async def disown_versions(self, publisher: str) -> int:
        """Writes `users/deleted` for a publisher in all former versions."""
        try:
            return await self._store.disown_versions(publisher)
        finally:
            await self._changed()

    async def sow(self, machines: Sequence[tuple[Machine, Fact]]) -> bool:
        """Keeps the first machines of a new installation, once in the life of the store."""
        try:
            return await self._store.sow(machines)
        finally:
            await self._changed()
