"""Nodes: what is known of each, and what follows from what is seen of it.

A node that is lost again and again is worse than one that is away: all that is placed there is away with
it each time. So one that was lost often enough within a window is taken out, until an admin has looked
after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from allocation_svc.domain.allocation import StateReason


class NodeState(Enum):
    """Whether a node can be asked; the values are the names in the contract."""

    READY = "READY"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


class NodeFact(Enum):
    """What has happened to a node; the values are the names of the contract's messages."""

    LOST = "NodeLost"
    RETURNED = "NodeReturned"
    DRAINING = "NodeDraining"
    ACTIVATED = "NodeActivated"


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What the engine says of a node.

    Attributes:
        name: of the node.
        host: what people are shown for ports there.
        answers: whether it can be asked.
        drained: whether it takes no instances.
        drain_reason: why, where somebody has said so.
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


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it is kept.

    Attributes:
        name: `nodes/{node}`.
        display_name: as the engine names it.
        runtime: what runs instances there.
        host: what people are shown for ports there.
        state: whether it can be asked.
        state_time: since when.
        drained: whether it takes no instances.
        reason: why it is DOWN, or drained.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        failures: when it was lost of late, the newest last.
        observed_time: when it was last heard of.
        version: counts the changes, from 1; 0 before it is kept.
    """

    name: str
    display_name: str
    runtime: str
    host: str
    state: NodeState
    state_time: datetime
    drained: bool = False
    reason: StateReason | None = None
    cpu_millis: int = 0
    memory_bytes: int = 0
    failures: tuple[datetime, ...] = ()
    observed_time: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class NodeRules:
    """When a node is taken out.

    Attributes:
        failures: after being lost so often,
        window: within so many seconds.
    """

    failures: int = 3
    window: float = 3600.0


def node_name(engines: str) -> str:
    """`nodes/{node}` for the engine's name of a node."""
    return "nodes/" + re.sub("[^A-Za-z0-9._-]", "-", engines)[:200]


def told(
    node: Node | None, seen: NodeSeen, runtime: str, now: datetime, rules: NodeRules
) -> tuple[Node, list[NodeFact], bool]:
    """What is known of a node once something was seen of it.

    Args:
        node: as it is kept; None for a new one.
        seen: what the engine says of it.
        runtime: what runs instances there.
        now: the present.
        rules: when it is taken out.

    Returns:
        The node as it is now, what has happened to it, and whether it is to be drained, for it was lost
        too often.
    """
    state = NodeState.READY if seen.answers else NodeState.DOWN
    facts: list[NodeFact] = []
    before = node or Node(
        node_name(seen.name), seen.name, runtime, seen.host, state, now, drained=seen.drained
    )
    failures = tuple(f for f in before.failures if f > now - timedelta(seconds=rules.window))
    known = before.state
    if known is not NodeState.DOWN and state is NodeState.DOWN:
        failures = (*failures, now)
        facts.append(NodeFact.LOST)
    elif known is NodeState.DOWN and state is NodeState.READY:
        facts.append(NodeFact.RETURNED)
    if seen.drained != before.drained:
        facts.append(NodeFact.DRAINING if seen.drained else NodeFact.ACTIVATED)
        if not seen.drained:
            failures = ()
    after = replace(
        before,
        display_name=seen.name,
        runtime=runtime,
        host=seen.host,
        state=state,
        state_time=before.state_time if state is known else now,
        drained=seen.drained,
        cpu_millis=seen.cpu_millis or before.cpu_millis,
        memory_bytes=seen.memory_bytes or before.memory_bytes,
        failures=failures,
        observed_time=seen.observe_time,
    )
    after = replace(after, reason=_reason(after, before, seen))
    is_failing = len(failures) >= rules.failures and not seen.drained and NodeFact.LOST in facts
    return after, facts, is_failing


def failing(node: Node, rules: NodeRules) -> Node:
    """The node, taken out because it was lost too often."""
    minutes = max(1, round(rules.window / 60))
    why = StateReason(
        "NODE_FAILING",
        f"It was lost {len(node.failures)} times within {minutes} minutes, so it takes no more instances. "
        "Find out why, then activate it.",
    )
    return replace(node, drained=True, reason=why)


def drained(node: Node, words: str) -> Node:
    """The node, drained by an admin."""
    return replace(node, drained=True, reason=_drain_reason(words))


def _reason(after: Node, before: Node, seen: NodeSeen) -> StateReason | None:
    if after.drained:
        kept = before.reason
        if kept is not None and kept.reason in ("NODE_DRAINED", "NODE_FAILING") and before.drained:
            return kept
        return _drain_reason(seen.drain_reason)
    if after.state is NodeState.DOWN:
        return StateReason(
            "NODE_AWAY",
            "It does not answer"
            + (f" ({seen.message})" if seen.message else "")
            + ". What ran there is made anew elsewhere where it can.",
        )
    return None


def _drain_reason(words: str) -> StateReason:
    return StateReason(
        "NODE_DRAINED",
        f"It was drained: {words}" if words and words != "drained" else "It was drained.",
    )
