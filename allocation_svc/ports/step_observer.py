"""Who is told what is done."""

from __future__ import annotations

from typing import Protocol

from allocation_svc.domain.allocation import Allocation


class StepObserver(Protocol):
    """Is told what the reconciler does: for logs and metrics. Never waits, never fails."""

    def called(
        self, allocation: str, generation: int, act: str, seconds: float, outcome: str
    ) -> None:
        """A call of the engine has ended.

        Args:
            allocation: whose.
            generation: of its instance.
            act: which call: `ensure`.
            seconds: from the moment when the work on the allocation was asked for until the call
                began.
            outcome: `ok`, or the reason of the fault.
        """
        ...

    def moved(self, before: Allocation, after: Allocation) -> None:
        """The reconciler has written another state."""
        ...

    def swept(self, allocations: int, instances: int, orphans: int, seconds: float) -> None:
        """All instances were compared with all allocations."""
        ...

    def failed(self, work: str, fault: Exception) -> None:
        """Something has failed that is tried again by itself.

        Args:
            work: `events`, `sweep`, `orphan`, `step`, `queue`, `nodes`, `volumes`.
            fault: why.
        """
        ...
