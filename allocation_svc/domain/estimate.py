"""What would come of renting a machine, before it is rented."""

from __future__ import annotations

from dataclasses import dataclass

from allocation_svc.domain.allocation import Price
from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.queue_place import QueuePlace
from allocation_svc.domain.quota import Quota


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A limit that says no.

    Attributes:
        reason: from the closed list.
        message: the same in a sentence, with what to do.
        lasts: whether waiting does not help.
        own: whether it is the caller's own: their quota, which others do not free.
    """

    reason: str
    message: str
    lasts: bool
    own: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What would come of it.

    Attributes:
        obstacles: the limits that say no; none where it can run now.
        resource_class: the class that the machine would have; empty where it has none.
        needs: what it would take.
        price: of an hour in READY; None for nothing.
        quota: what the caller may have, and has.
        place: where it would stand in the queue, if it cannot run now but may wait; None else.
    """

    obstacles: tuple[Obstacle, ...]
    resource_class: str
    needs: Amounts
    price: Price | None
    quota: Quota
    place: QueuePlace | None

    @property
    def can_run_now(self) -> bool:
        """Whether it would be admitted at once."""
        return not self.obstacles

    @property
    def can_ever_run(self) -> bool:
        """Whether it can run once others, or other things of the caller's, have gone."""
        return not any(obstacle.lasts for obstacle in self.obstacles)
