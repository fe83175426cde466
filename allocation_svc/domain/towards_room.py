"""How an allocation waits for room. Whoever looks after the queue admits it; this ends its waiting."""

from __future__ import annotations

from allocation_svc.domain.allocation import Desired, State, StateReason
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.moves import Moves
from allocation_svc.domain.queue import given_up
from allocation_svc.domain.step import Act, Step


class TowardsRoom(Moves):
    """It is PENDING."""

    __slots__ = ()

    def step(self) -> Step:
        """The next step."""
        allocation = self.allocation
        if allocation.desired is not Desired.RUNNING:
            if allocation.admitted and allocation.desired is Desired.DELETED:
                return self.move(State.DELETING, act=Act.REMOVE)
            return self._given_up(
                StateReason(
                    "CANCELLED_BY_OWNER", "Its owner took it back while it waited for room."
                )
            )
        if allocation.overdue(self.now):
            return self._given_up(
                StateReason(
                    "WAIT_TIMED_OUT",
                    "There was no room for it for as long as it may wait; ask again.",
                )
            )
        return self.wait()

    def _given_up(self, reason: StateReason) -> Step:
        after = given_up(self.allocation, self.now, reason)
        return Step(after=after, fact=Fact.DELETED if not after.exists else Fact.STOPPED)
