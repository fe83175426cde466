"""Leases as a port, and the promises that every adapter keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chassis.faults import Unavailable


class LeaseLost(Unavailable):
    """This replica no longer leads, so what it was about to write was not written."""

    reason = "NOT_LEADING"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads.

    Attributes:
        holder: the replica's name; empty where it was released.
        address: host:port of its gRPC.
        epoch: raised each time that somebody else takes it: what carries a lower one is out of date.
        beat: raised each time that the holder renews it.
    """

    holder: str
    address: str
    epoch: int
    beat: int


class Leases(Protocol):
    """Keeps leases in the durable store of what they protect.

    No clock is compared with another machine's: who does not hold a lease looks whether its beat goes
    on, by a clock of its own. Every method may raise Unavailable while the store does not answer.
    """

    async def read(self, name: str) -> Lease | None:
        """The lease of a name; None where nobody ever had it."""
        ...

    async def claim(self, name: str, seen: Lease | None, holder: str, address: str) -> Lease | None:
        """Takes a lease, if it still is what was seen.

        Args:
            name: of the lease, at most 100 characters.
            seen: as it was read; None where there was none.
            holder: who takes it, at most 200 characters.
            address: where its gRPC is, at most 200 characters.

        Returns:
            The lease, its epoch one higher; None where another was faster. Of several that claim at
            once, one gets it.
        """
        ...

    async def renew(self, name: str, lease: Lease) -> Lease | None:
        """Raises the beat of a lease that is held; None where somebody else has taken it."""
        ...

    async def release(self, name: str, lease: Lease) -> None:
        """Gives a lease back, so that the next one need not wait; nothing where it was lost."""
        ...
