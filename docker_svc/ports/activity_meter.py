"""What counts the use of instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from docker_svc.domain import InstanceKey, Standing
from docker_svc.domain.activity import Counters


class ActivityMeter(Protocol):
    """Counts what shows that instances are in use; the weakest guarantee that every adapter keeps.

    * Processor is always counted, and bytes or connections: where there is no traffic at all, both stay
      as they are; a connection that is open is counted where connections are.
    * Counters of one run never go back.
    * A thousand instances cost less than two seconds of processor.
    """

    async def measure(self, standings: Sequence[Standing]) -> Mapping[InstanceKey, Counters]:
        """Counts now, for those that run; the others are left out.

        Raises:
            EngineUnavailable: the engine does not answer.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...
