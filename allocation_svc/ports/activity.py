"""What tells when instances were last in use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


class Activity(Protocol):
    """Tells when instances were last in use, whatever shows it."""

    async def idle_seconds(self, allocations: Sequence[str]) -> Mapping[str, float]:
        """For how long the instances of allocations have not been in use.

        What is seen now is compared with what was seen when this was asked before, so an instance that is
        asked for the first time counts as just used.

        Args:
            allocations: `allocations/{allocation}`, at most 1000.

        Returns:
            Seconds, by allocation, 0 or more; those that do not run are left out.

        Raises:
            Unavailable, DeadlineExceeded: the engine does not answer.
        """
        ...
