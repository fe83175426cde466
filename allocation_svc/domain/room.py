"""What an admission is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allocation_svc.domain.capacity import Amounts, Bounds
from allocation_svc.domain.faults import NeverFits
from allocation_svc.domain.quota import RoleQuotas

NO_BOUNDS = Bounds()
NO_QUOTAS = RoleQuotas()


@dataclass(frozen=True, slots=True)
class Room:
    """The limits at the moment of a decision; those that an admin has set for a person are in the store.

    Attributes:
        quotas: what each role may have.
        roles: of the owner, where it is the owner who asks; None where they are those of the last time.
        capacity: what the node has to give.
        largest: what a single instance may use there; None where that is not limited besides.
        queue_limit: how many may wait.
    """

    quotas: RoleQuotas = NO_QUOTAS
    roles: frozenset[str] | None = None
    capacity: Bounds = NO_BOUNDS
    largest: Bounds = NO_BOUNDS
    queue_limit: int = 1000

    @property
    def most(self) -> Bounds:
        """What one allocation can ever get of the node."""
        return self.capacity.within(self.largest)


ANY_ROOM = Room()


@dataclass(frozen=True, slots=True)
class Wait:
    """That a request waits where there is no room.

    Attributes:
        deadline: until when.
    """

    deadline: datetime


def refuse_what_never_fits(needs: Amounts, quota: Bounds, capacity: Bounds) -> None:
    """Refuses what can never run, however long it waits.

    Args:
        needs: what it takes.
        quota: what its owner may have.
        capacity: what the node has to give.

    Raises:
        NeverFits: it can never run.
    """
    for whose, limits in (("quota", quota), ("capacity", capacity)):
        amount = needs.above(limits)
        if amount:
            raise NeverFits(amount, getattr(needs, amount), getattr(limits, amount), whose)
