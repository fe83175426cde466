"""What admins have set for single people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.quota import Overrides


class QuotaStore(Protocol):
    """Keeps what people may have at once; an admission reads it in its own transaction.

    Every method may raise Unavailable.
    """

    async def find(self, owner: str) -> tuple[Overrides, frozenset[str], Amounts]:
        """What is set for a person, the roles that they had when they last asked, and what they have."""
        ...

    async def override(self, owner: str, amounts: Mapping[str, int], version: int) -> bool:
        """Sets what a person may have, where the version is still the given one.

        Args:
            owner: `users/{user}`.
            amounts: by the name of the amount: the limit, or -1 for none.
            version: as it was read; 0 where nothing was ever set.

        Returns:
            False if another change was faster.
        """
        ...

    async def forget(self, owner: str) -> None:
        """Removes what is set for somebody who has gone; nothing happens where nothing is."""
        ...
