"""What an engine has said of containers, which need not be asked of it again for a while."""

from __future__ import annotations

from typing import Any

from chassis.clock import Clock
from docker_svc.domain import InstanceKey, Standing

_BELIEVED_SECONDS = 60.0


class Sightings:
    """The last standing of each instance, until an event tells that something happened to it.

    A list of the engine says the state of each container, and is one question for all of them. It does not
    say when a program was started: of one that was started again, and whose events were lost on the way,
    that is noticed when the standing is not believed any more.

    Args:
        clock: for how long a standing is believed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[InstanceKey, tuple[str, float, Standing]] = {}

    def note(self, container: str, standing: Standing) -> None:
        """Takes what the engine says of a container, known by its id."""
        self._seen[standing.key] = (container, self._clock.monotonic(), standing)

    def forget(self, key: InstanceKey) -> None:
        """Something has happened to an instance."""
        self._seen.pop(key, None)

    def forget_all(self) -> None:
        """Events may have been missed."""
        self._seen.clear()

    def as_listed(self, key: InstanceKey, row: dict[str, Any]) -> Standing | None:
        """The standing of an instance, if it is as a row of the engine's list says; None if unknown."""
        container, when, standing = self._seen.get(key, ("", 0.0, None))
        if standing is None or container != row["Id"] or row["State"] != _state_of(standing):
            return None
        if self._clock.monotonic() - when >= _BELIEVED_SECONDS:
            return None
        return standing


def _state_of(standing: Standing) -> str:
    """What the engine's list calls it."""
    if standing.running:
        return "paused" if standing.paused else "running"
    return "exited" if standing.run else "created"
