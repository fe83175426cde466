"""What was asked for, kept so that a crash in the middle is found and finished."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from docker_svc.domain import InstanceKey, InstanceSpec


class Wanted(Enum):
    """What shall become of an instance."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    REMOVED = "REMOVED"
    """Shall be removed; it may still be there."""
    GONE = "GONE"
    """Is removed. The record stays: it holds the highest generation."""


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """What is kept of the instance with the highest generation of an allocation.

    Attributes:
        key: which; its generation is the highest that was ever seen.
        spec: what it shall be; None once it is gone.
        wanted: what shall become of it.
        incarnation: how often its program was started, as far as that is written down.
        run: the last start that was counted, in the runtime's words.
        ready: whether the probe of that run has answered.
        stop_requested: whether the last end was asked for.
        reason: why it is FAILED; empty where it is not.
        message: the same in a sentence.
        session: of the engine, in which that run was last seen to go on; empty some time after its end.
        with_host: whether it has ended with its host or engine.
        unanswered: whether it is ready, but does not answer any more.
    """

    key: InstanceKey
    spec: InstanceSpec | None
    wanted: Wanted
    incarnation: int = 0
    run: str = ""
    ready: bool = False
    stop_requested: bool = False
    reason: str = ""
    message: str = ""
    session: str = ""
    with_host: bool = False
    unanswered: bool = False


class InstanceRecords(Protocol):
    """Keeps one record for each allocation. One process writes.

    A record that was put is durable when `put` returns. Specs hold secrets and are kept sealed.
    """

    async def get(self, allocation: str) -> InstanceRecord | None:
        """The record of an allocation; None where nothing was ever asked."""
        ...

    async def put(self, record: InstanceRecord) -> bool:
        """Keeps a record, unless one with a higher generation is there.

        Returns:
            Whether it was kept.
        """
        ...

    async def unfinished(self) -> list[InstanceRecord]:
        """Every record that is not GONE, in no order."""
        ...
