"""Nodes: the hosts that instances run on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """What is so of a node at one moment.

    Attributes:
        name: of the node, in one installation only this one's.
        host: what people are shown for ports there.
        answers: whether it can be asked.
        drained: whether it takes no instances.
        drain_reason: why, in the words of whoever drained it; may be empty.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        observe_time: when it was last heard of.
        message: why it does not answer, where somebody says so.
    """

    name: str
    host: str
    answers: bool
    drained: bool
    drain_reason: str
    cpu_millis: int
    memory_bytes: int
    observe_time: datetime
    message: str = ""
