"""Wallets of an installation where nobody pays."""

from __future__ import annotations

from datetime import datetime

from allocation_svc.domain.allocation import Price


class GrantingWalletReservations:
    """Grants every hold: nothing is counted, and nothing costs anything."""

    async def reserve(
        self, allocation: str, owner: str, price: Price | None, until: datetime
    ) -> None:
        """Grants."""
        del self, allocation, owner, price, until

    async def settle(self, allocation: str) -> None:
        """Does nothing."""
        del self, allocation

    async def release(self, allocation: str) -> None:
        """Does nothing."""
        del self, allocation
