"""Asking the directory."""

from __future__ import annotations

from broker.domain.entry import Ended, Entry, Kind
from broker.domain.faults import OwnerBehind, not_found
from broker.ports import DirectoryStore, Owners


class Directory:
    """Answers from what is known, and asks the owner where that is not enough."""

    def __init__(self, store: DirectoryStore, owners: Owners) -> None:
        """Works on a store.

        Args:
            store: what is known.
            owners: who knows better.
        """
        self._store = store
        self._owners = owners

    async def find(self, kind: Kind, name: str, min_version: int) -> Entry:
        """Reads one entry.

        What is not known at all is asked of the owner too: a fact that is still on its way must not
        make something disappear that its owner has.

        Args:
            kind: what it is.
            name: its resource name.
            min_version: the version that the answer has at least; 0 for any.

        Raises:
            NotFound: USER_NOT_FOUND, MACHINE_NOT_FOUND, ALLOCATION_NOT_FOUND.
            Unavailable, DeadlineExceeded: the owner had to be asked and does not answer.
            OwnerBehind: the owner does not have that version.
        """
        known = await self._store.get(kind, name)
        if isinstance(known, Entry) and known.version >= min_version:
            return known
        if isinstance(known, Ended) and min_version == 0:
            raise not_found(kind, name)
        found = await self._owners.ask(kind, name)
        if found is None:
            if isinstance(known, Entry):
                await self._store.forget(known)
            raise not_found(kind, name)
        await self._store.put(found)
        if found.version < min_version:
            raise OwnerBehind(
                f"{name} is at version {found.version}; version {min_version} was asked for.",
                name=name,
                version=str(found.version),
            )
        return found

    async def allocations(self, owner: str, machine: str, after: str, size: int) -> list[Entry]:
        """A page of the allocations that are known, by name.

        Args:
            owner: only this person's; empty for anybody's.
            machine: only of this machine; empty for any.
            after: the name after which the page begins; empty to begin.
            size: how many at most.
        """
        return await self._store.allocations(owner, machine, after, size)
