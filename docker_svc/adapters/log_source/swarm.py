"""Reads the log of a task of a Swarm, which a manager gathers from the task's node.

The manager answers in the engine's own frames, so nearly all is as for a container. Two things differ.
What is known of a task is found elsewhere. And a node may be lost: then the manager says that it has not
all of the log, and whatever is not here yet may never come. While nothing has taken the place of the
task it is asked again and again; once its instance runs elsewhere, what is missing becomes a gap, and
the new task's log is read.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from docker_svc.adapters.log_source.docker import DockerTail

_OVER = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
_LOST = b"incomplete log stream"


class SwarmTail(DockerTail):
    """Reads the log of one task."""

    @property
    def _place_path(self) -> str:
        return f"/tasks/{quote(self.source.instance)}"

    @property
    def _state_path(self) -> str:
        return self._place_path

    def _runs(self, state: dict[str, Any]) -> bool:
        return state["Status"]["State"] not in _OVER

    def _is_lost(self, words: bytes) -> bool:
        # Its program does not run here any more: what the node has to say comes too late.
        return _LOST in words and self._superseded
