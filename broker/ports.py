"""What the use cases need from outside. Each docstring is what the conformance tests check."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from broker.domain.entry import Ended, Entry, Kind

ENDED_KEPT = timedelta(days=7)
"""How long it is remembered that a name has ended, against what arrives late."""


class DirectoryStore(Protocol):
    """Keeps the newest knowledge of each resource.

    Knowledge only grows: what was learnt later and is older changes nothing. Every method may raise
    Unavailable while the store does not answer.
    """

    async def put(self, entry: Entry) -> bool:
        """Keeps an entry, unless what is kept is as new or newer.

        An entry is newer than another one of its name if its resource was made later, or was made at
        the same time and has a higher version; and newer than an end if its resource was made later.

        Returns:
            Whether it is kept now.
        """
        ...

    async def end(self, ended: Ended) -> bool:
        """Removes the entry of a resource that was made before that time.

        The end is remembered for at least 7 days.

        Returns:
            Whether that was news.
        """
        ...

    async def forget(self, entry: Entry) -> bool:
        """Removes an entry if the one that is kept is the same one, by its time and version.

        Returns:
            Whether it was.
        """
        ...

    async def get(self, kind: Kind, name: str) -> Entry | Ended | None:
        """What is known of a name; None where nothing is."""
        ...

    async def allocations(self, owner: str, machine: str, after: str, size: int) -> list[Entry]:
        """A page of the allocations, by name in the order of code points.

        Args:
            owner: only this person's; empty for anybody's.
            machine: only of this machine; empty for any.
            after: the name after which the page begins; empty to begin.
            size: how many at most.
        """
        ...

    async def begin_rebuild(self) -> int:
        """Begins a second, empty directory beside the one that is read.

        From now on everything that is put, ended and forgotten goes into both. One that was begun
        before and not finished is thrown away.

        Returns:
            Its number, higher than any before.
        """
        ...

    async def finish_rebuild(self, number: int) -> bool:
        """Makes the second directory the one that is read, and removes the first.

        Returns:
            Whether that was done; False where another rebuild has begun since.
        """
        ...


class Owners(Protocol):
    """The services that own what the directory knows."""

    async def ask(self, kind: Kind, name: str) -> Entry | None:
        """The resource as its owner has it now, whoever asks; None where it has none.

        Raises:
            Unavailable, DeadlineExceeded: the owner does not answer in time.
        """
        ...


class StateTopics(Protocol):
    """The topics that hold the present state of everything."""

    async def replay(self, group: str) -> int:
        """Has everything that the topics keep learnt again, from the oldest record.

        Args:
            group: a name that nobody has used before.

        Returns:
            How many records there were.
        """
        ...
