"""Why a task of a Swarm does not run, by the cluster's words."""

from __future__ import annotations

import re

from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_engine import image_fault, start_fault
from docker_svc.adapters.container_runtime.swarm_cluster import ClusterNode, Document
from docker_svc.adapters.container_runtime.swarm_service import Situation
from docker_svc.domain import EngineUnavailable, NoNodeFits, PortTaken

_NO_IMAGE = ("no such image", "pull access denied", "manifest unknown", "repository does not exist")


def is_somewhere(task: Document, nodes: dict[str, ClusterNode]) -> bool:
    """Whether a task is on a node that answers: what is on another one ends when that is back."""
    node = nodes.get(task.get("NodeID", ""))
    return node is not None and node.answers


def refuse_waiting(situation: Situation, *, too_long: bool) -> None:
    """Gives up on a task for which no node is found.

    Args:
        situation: of its service.
        too_long: whether it has waited for as long as it may.

    Raises:
        PortTaken: other services have its ports on every node.
        NoNodeFits: no node has room for it.
    """
    words = situation.words
    if "port already in use" in words:
        raise PortTaken("Something else listens on the port. Another one is tried by itself.")
    if too_long and words:
        raise NoNodeFits(f"No node of the cluster can take it: {words}.")


class NetworkRefused(EngineUnavailable):
    """A node refuses the network, which it had before it was killed: there must be another one."""


def refused_network(situation: Situation) -> str:
    """The id of the network that a node refuses for good; empty where that is not why."""
    found = re.search(r"network (\w+) exists", situation.words)
    return found[1] if found else ""


def not_begun(image: str, situation: Situation) -> Exception:
    """Why a task was not begun, in our words."""
    words = situation.words or "the task ended before it began"
    error = DockerError(400, words)
    if refused_network(situation):
        return NetworkRefused("A node has to be given another network; it is tried again.")
    if any(part in words.lower() for part in _NO_IMAGE):
        return image_fault(image, error)
    return start_fault(error)
