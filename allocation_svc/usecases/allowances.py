"""What an admission is measured against: the settings, and what the node has now."""

from __future__ import annotations

from datetime import datetime, timedelta

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.capacity import Bounds, Holding, Overcommit
from allocation_svc.domain.instance import Node
from allocation_svc.domain.quota import RoleQuotas
from allocation_svc.domain.room import NO_BOUNDS, Room, Wait
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.faults import Fault
from chassis.identity.caller import Caller


class Allowances:
    """Says how much there is to be had, at each moment."""

    def __init__(
        self,
        watch: EngineWatch,
        quotas: RoleQuotas,
        overcommit: Overcommit,
        *,
        queue_limit: int,
        max_wait_seconds: float,
    ) -> None:
        """Measures by these.

        Args:
            watch: tells what the node has.
            quotas: what each role may have.
            overcommit: how much of the node is given away.
            queue_limit: how many may wait for room.
            max_wait_seconds: how long a request waits at most.
        """
        self._watch = watch
        self._overcommit = overcommit
        self._queue_limit = queue_limit
        self._max_wait = max_wait_seconds
        self.quotas = quotas

    def capacity(self, node: Node) -> Bounds:
        """What a node has to give, as it was when it was last asked."""
        return self._overcommit.limits(node.cpu_millis, node.memory_bytes, node.disk_bytes)

    @staticmethod
    def largest(node: Node) -> Bounds:
        """What a single instance may use: a container engine refuses limits above what its node has."""
        if not node.runs_images:
            return NO_BOUNDS
        return Overcommit(1.0, 1.0, 0.0).limits(node.cpu_millis, node.memory_bytes, 0)

    async def room(self, caller: Caller | None = None, owner: str = "") -> Room:
        """What there is to be had now.

        Args:
            caller: who asks; None where it happens by itself.
            owner: for whom; where that is the caller, the roles are the caller's.

        Where the node was never asked and does not answer now, its capacity is not looked at.
        """
        own = caller is not None and caller.user and caller.user == owner
        try:
            node = await self._watch.node()
        except Fault:
            capacity = largest = NO_BOUNDS
        else:
            capacity, largest = self.capacity(node), self.largest(node)
        return Room(
            quotas=self.quotas,
            roles=caller.roles if caller is not None and own else None,
            capacity=capacity,
            largest=largest,
            queue_limit=self._queue_limit,
        )

    def wait(self, now: datetime, seconds: float = 0.0) -> Wait:
        """How long a request waits: so many seconds, if that is less than the most; 0 for the most."""
        most = self._max_wait
        return Wait(now + timedelta(seconds=min(seconds, most) if seconds > 0 else most))


def takes_more(after: Allocation) -> bool:
    """Whether a change has an allocation take room that it does not hold."""
    return after.holds.holding is Holding.RUNNING and after.held.holding is not Holding.RUNNING
