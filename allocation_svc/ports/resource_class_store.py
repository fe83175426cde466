"""Where resource classes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from allocation_svc.domain.resource_class import ResourceClass
from chassis.listing import Once


class ResourceClassStore(Protocol):
    """Keeps resource classes. One of them is the default one, once there is any.

    Every method may raise Unavailable.
    """

    async def seed(self, classes: Sequence[ResourceClass]) -> None:
        """Keeps these where there has never been any; else nothing happens.

        Args:
            classes: one of them the default one.
        """
        ...

    async def find(self, class_id: str) -> ResourceClass | None:
        """One class; the default one for an empty id; None if there is none."""
        ...

    async def all(self) -> Sequence[ResourceClass]:
        """Every class, the smallest first: by memory, processor, id."""
        ...

    async def add(self, added: ResourceClass, once: Once | None = None) -> ResourceClass:
        """Keeps a new class. If it is the default one, the former one is so no more.

        Returns:
            The class; where the same request was answered within 24 hours, that answer.

        Raises:
            ResourceClassExists: there is one of that id.
            Conflict: REQUEST_ID_REUSED.
        """
        ...

    async def replace(self, after: ResourceClass) -> ResourceClass | None:
        """Writes a changed class down, if the kept one has its version.

        If it becomes the default one, the former one is so no more.

        Returns:
            The class with its new version; None if another change was faster.
        """
        ...

    async def remove(self, class_id: str, version: int | None) -> bool:
        """Removes a class, if it has that version (None for any) and is not the default one.

        Returns:
            Whether it was removed.
        """
        ...
