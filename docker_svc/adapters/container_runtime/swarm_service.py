"""An instance as a service of a Swarm: how it is asked for, and what its tasks say of it.

A service has one replica and the restart condition `none`, so that the end of a program is an end. Each
start is a task of its own: a task that has run is one run of the instance. Stopping asks for a node that
does not exist: Swarm then ends the task that runs and keeps it, with its log and its exit code, until
there are newer ones; scaled to nothing it would forget all of that at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from docker_svc.adapters.container_runtime.docker_config import (
    CAPABILITIES,
    LABEL_ALLOCATION,
    LABEL_GENERATION,
    LABEL_INSTALLATION,
    LABEL_SIZE,
    LABEL_SPEC,
    LABEL_VOLUME,
    ContainerPolicy,
    key_of,
    spec_digest,
    volume_name,
)
from docker_svc.adapters.container_runtime.swarm_cluster import ClusterNode, Document, instant
from docker_svc.domain import (
    InstanceKey,
    InstanceSpec,
    Protocol,
    PublishedPort,
    Standing,
    volume_ids,
)

LABEL_WANTED = "allocator.wanted"
"""Of a service: `running`, or `stopped`."""
NOWHERE = "node.id==stopped"
"""The constraint that no node meets."""

_SECOND = 1_000_000_000
_BEGINNING = frozenset({"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"})  # fmt: skip
_WAITING = frozenset({"new", "allocated", "pending"})


@dataclass(frozen=True, slots=True)
class ServicePolicy:
    """What every service of this installation has in common.

    Attributes:
        containers: names, labels, and how logs are kept.
        cpu_share: how much of an instance's processor limit Swarm sets aside for it on its node.
        memory_share: how much of its memory limit.
        volume_driver: the driver of volumes; empty for folders of a node.
        volume_options: of that driver.
    """

    containers: ContainerPolicy
    cpu_share: float = 0.25
    memory_share: float = 1.0
    volume_driver: str = ""
    volume_options: Mapping[str, str] | None = None

    def service_spec(
        self, key: InstanceKey, spec: InstanceSpec, *, network: str, node: str
    ) -> Document:
        """What is asked of the cluster to make a service that runs.

        Args:
            key: of the instance.
            spec: of the instance.
            network: that its container is on.
            node: the id of the only node that it may run on; empty for any.
        """
        labels = self._labels(key)
        millis, memory = spec.limits.cpu_millis, spec.limits.memory_bytes
        return {
            "Name": self.containers.container_name(key),
            "Labels": {**labels, LABEL_SPEC: spec_digest(spec), LABEL_WANTED: "running"},
            "Mode": {"Replicated": {"Replicas": 1}},
            "UpdateConfig": {"Parallelism": 1, "Order": "stop-first", "FailureAction": "continue"},
            "EndpointSpec": {
                "Mode": "dnsrr",
                "Ports": [
                    {
                        "Protocol": port.protocol.value,
                        "TargetPort": port.container_port,
                        "PublishedPort": port.host_port,
                        "PublishMode": "host",
                    }
                    for port in spec.ports
                ],
            },
            "TaskTemplate": {
                "ContainerSpec": self._container(key, spec, labels),
                "Resources": {
                    "Limits": {
                        "NanoCPUs": millis * 1_000_000,
                        "MemoryBytes": memory,
                        "Pids": spec.limits.pids,
                    },
                    "Reservations": {
                        "NanoCPUs": int(millis * self.cpu_share) * 1_000_000,
                        "MemoryBytes": int(memory * self.memory_share),
                    },
                },
                "RestartPolicy": {"Condition": "none"},
                "Placement": {"Constraints": [f"node.id=={node}"] if node else []},
                "Networks": [{"Target": network}],
                "LogDriver": {
                    "Name": "json-file",
                    "Options": {
                        "max-size": self.containers.log_max_size,
                        "max-file": str(self.containers.log_max_files),
                    },
                },
                "ForceUpdate": 0,
            },
        }

    def _container(
        self, key: InstanceKey, spec: InstanceSpec, labels: dict[str, str]
    ) -> dict[str, Any]:
        config: dict[str, Any] = {
            "Image": spec.image,
            "Labels": labels,
            "Env": [
                *(f"{name}={value}" for name, value in spec.environment.items()),
                *(f"ALLOCATOR_VOLUME_{n}={v.path}" for n, v in enumerate(spec.volumes, 1)),
            ],
            "Init": True,
            "StopGracePeriod": math.ceil(spec.stop_grace) * _SECOND,
            "CapabilityDrop": ["ALL"],
            "CapabilityAdd": [f"CAP_{name}" for name in CAPABILITIES],
            # Engines before 25 do not look at it.
            "Privileges": {"NoNewPrivileges": True},
            "Mounts": [
                {
                    "Type": "volume",
                    "Source": volume_name(identity),
                    "Target": volume.path,
                    "VolumeOptions": {
                        "Labels": {
                            LABEL_INSTALLATION: self.containers.installation,
                            LABEL_ALLOCATION: key.allocation,
                            LABEL_VOLUME: identity,
                            LABEL_SIZE: str(volume.size_mib),
                        },
                        **self._driver(),
                    },
                }
                for identity, volume in zip(
                    volume_ids(key.allocation, spec.volumes), spec.volumes, strict=True
                )
            ],
        }
        if spec.command:
            config["Args"] = list(spec.command)
        if spec.run_as:
            config["User"] = spec.run_as
        if spec.stop_signal is not None:
            config["StopSignal"] = spec.stop_signal.value
        return config

    def _driver(self) -> dict[str, Any]:
        if not self.volume_driver:
            return {}
        options = dict(self.volume_options or {})
        return {"DriverConfig": {"Name": self.volume_driver, "Options": options}}

    def _labels(self, key: InstanceKey) -> dict[str, str]:
        return {
            LABEL_INSTALLATION: self.containers.installation,
            LABEL_ALLOCATION: key.allocation,
            LABEL_GENERATION: str(key.generation),
        }


def again(service: Document, node: str, network: str = "") -> Document:
    """The spec of a service, to be placed anew on a node that Swarm chooses.

    Args:
        service: as it was read.
        node: the id of the only node that it may run on; empty for any.
        network: that its container is on; empty for the one that it was on before.
    """
    spec = _changed(service, "running", [f"node.id=={node}"] if node else [])
    if network:
        spec["TaskTemplate"]["Networks"] = [{"Target": network}]
    return spec


def halted(service: Document) -> Document:
    """The spec of a service, to run nowhere."""
    return _changed(service, "stopped", [NOWHERE])


def is_wanted(service: Document) -> bool:
    """Whether a service shall run."""
    return bool(service["Spec"]["Labels"].get(LABEL_WANTED) != "stopped")


def _changed(service: Document, wanted: str, constraints: list[str]) -> Document:
    spec: Document = service["Spec"]
    template = spec["TaskTemplate"]
    return {
        **spec,
        "Labels": {**spec["Labels"], LABEL_WANTED: wanted},
        "TaskTemplate": {
            **template,
            "Placement": {**template.get("Placement", {}), "Constraints": constraints},
            "ForceUpdate": template.get("ForceUpdate", 0) + 1,
        },
    }


class Move(Enum):
    """What is going on with a service besides what its instance's standing says."""

    NONE = "none"
    BEGINNING = "a task has not begun yet"
    NOT_STARTED = "a task was not begun, and will not be"
    LET_GO = "Swarm has let go of its task: it is to be placed anew"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a service and its tasks say.

    Attributes:
        standing: of the instance.
        move: what is going on.
        newest: the newest task; None before there is one.
        ran: the newest task that has run; None where none has.
    """

    standing: Standing
    move: Move
    newest: Document | None = None
    ran: Document | None = None

    @property
    def words(self) -> str:
        """Why the newest task is not begun, in the cluster's words."""
        status = (self.newest or {}).get("Status", {})
        return str(status.get("Err", ""))


def situation_of(
    service: Document, tasks: Sequence[Document], nodes: Mapping[str, ClusterNode]
) -> Situation:
    """What is so of the instance of a service.

    Args:
        service: one of ours.
        tasks: of that service, in any order.
        nodes: by their id; what was on a node that is not there any more has ended.
    """
    key = key_of(service["Spec"]["Labels"])
    assert key is not None
    ordered = sorted(tasks, key=lambda task: (task["CreatedAt"], task["Version"]["Index"]))
    newest = ordered[-1] if ordered else None
    ran = next((task for task in reversed(ordered) if _has_run(task)), None)
    standing = Standing(
        key=key,
        name=service["Spec"]["Name"],
        running=False,
        image=service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"].partition("@")[0],
        ports=_ports(service),
    )
    wanted = is_wanted(service)
    if ran is None:
        return Situation(standing, _move(newest, wanted=wanted), newest)
    standing = _of_run(standing, ran, nodes)
    if newest is ran:
        state = ran["Status"]["State"]
        lost = state == "running" and not standing.running
        if wanted and (standing.away or lost or state in ("shutdown", "orphaned")):
            # A drained node, or one that was lost: the program has not ended by itself.
            return Situation(_away(standing), Move.LET_GO, newest, ran)
        return Situation(standing, Move.NONE, newest, ran)
    move = _move(newest, wanted=wanted)
    if wanted:
        # Between two runs: the one before is over, or was on a node that is lost.
        standing = _away(standing)
        if move is Move.NOT_STARTED:
            move = Move.LET_GO
    return Situation(standing, move, newest, ran)


def _move(newest: Document | None, *, wanted: bool) -> Move:
    if not wanted:
        return Move.NONE
    if newest is None or newest["Status"]["State"] in _BEGINNING:
        return Move.BEGINNING
    return Move.NOT_STARTED


def _of_run(standing: Standing, task: Document, nodes: Mapping[str, ClusterNode]) -> Standing:
    """What the task of a run says."""
    status = task["Status"]
    node = nodes.get(task.get("NodeID", ""))
    began = instant(task["CreatedAt"])
    there = replace(
        standing,
        run=task["ID"],
        start_time=began,
        node=node.name if node else "",
        host=node.host if node else "",
    )
    if status["State"] == "running" and node is not None:
        return replace(there, running=True, away=not node.answers)
    code = status.get("ContainerStatus", {}).get("ExitCode")
    if status["State"] == "running" or code is None:
        return replace(there, finish_time=began)
    return replace(there, finish_time=max(began, instant(status["Timestamp"])), exit_code=int(code))


def _away(standing: Standing) -> Standing:
    """A standing of which is not known what it is now: as it was before, but away."""
    return replace(standing, running=True, away=True, finish_time=None, exit_code=None)


def _has_run(task: Document) -> bool:
    """Whether the program of a task was ever started."""
    status = task["Status"]
    if status["State"] in ("running", "complete"):
        return True
    if not status.get("ContainerStatus", {}).get("ContainerID"):
        return False
    # One that could not be started says what was being done: `starting` or `preparing`.
    return status.get("Message") in ("started", "finished", "shutdown")


def is_waiting(task: Document) -> bool:
    """Whether no node was found for a task yet."""
    return task["Status"]["State"] in _WAITING


def is_over(task: Document) -> bool:
    """Whether nothing of a task runs any more."""
    return task["Status"]["State"] in ("complete", "shutdown", "failed", "rejected", "remove")


def _ports(service: Document) -> tuple[PublishedPort, ...]:
    found = service["Spec"].get("EndpointSpec", {}).get("Ports") or ()
    return tuple(
        PublishedPort(port["TargetPort"], port["PublishedPort"], Protocol(port["Protocol"]))
        for port in found
    )


def isolation(nodes: Sequence[ClusterNode], *, keeps_apart: bool) -> str:
    """What keeps instances on these nodes from each other and from their host, in words.

    Args:
        nodes: those that take instances.
        keeps_apart: whether their network lets no traffic through between them.
    """
    said = [
        "Each instance is a container of its own on a node of the cluster: its own file system, "
        "processes and network, few capabilities, limits on processor, memory and processes. They "
        "share the kernel of their node."
    ]
    if not all(node.forbids_privileges for node in nodes):
        said.append("Programs may gain privileges by setuid.")
    said.append(
        "No traffic to other instances."
        if keeps_apart
        else "Instances on one node can reach each other."
    )
    return " ".join(said)
