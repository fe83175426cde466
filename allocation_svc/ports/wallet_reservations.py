"""The money that an allocation will cost, held before anything else is taken."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from allocation_svc.domain.allocation import Price


class WalletReservations(Protocol):
    """Holds on the wallets of people, one for each allocation, by its name.

    Every call may be made again and has one effect. A hold that is not settled lapses by itself, so
    that none is left where a process dies in between.
    Every method may raise Unavailable.
    """

    async def reserve(
        self, allocation: str, owner: str, price: Price | None, until: datetime
    ) -> None:
        """Holds what an allocation costs in its first hour.

        Args:
            allocation: its name.
            owner: who pays.
            price: of an hour in READY; None where it costs nothing.
            until: when the hold lapses if it was not settled: not before it can have been admitted.

        Raises:
            Exhausted: the owner does not have so much.
        """
        ...

    async def settle(self, allocation: str) -> None:
        """The allocation was admitted: its hold lapses no more, what it uses is paid from it."""
        ...

    async def release(self, allocation: str) -> None:
        """The allocation was not admitted: lets its hold go; nothing happens where there is none."""
        ...
