"""The configuration of containers and networks, hardened, in the engine's own words."""

from __future__ import annotations

import hashlib
import math
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from docker_svc.adapters.container_runtime.docker_limits import limits_config
from docker_svc.domain import (
    InstanceKey,
    InstanceSpec,
    Protocol,
    PublishedPort,
    Standing,
    Volume,
    volume_ids,
)

LABEL_INSTALLATION = "allocator.installation"
LABEL_ALLOCATION = "allocator.allocation"
LABEL_GENERATION = "allocator.generation"
LABEL_SPEC = "allocator.spec"
LABEL_VOLUME = "allocator.volume"
LABEL_SIZE = "allocator.size-mib"
LABEL_CARRIER = "allocator.carrier"
LABEL_CARRIED = "allocator.carried"

KILLED_CODE = 128 + int(signal.SIGKILL)
"""The exit code of who was killed, for lack of memory or by somebody."""
CARRIED = "/volume"
"""Where a container that carries a volume in or out has it."""
_VOLUMES = "allocator-"

CAPABILITIES = (
    # What images need that begin as root, give files and ports away, and go on as somebody else:
    # the official redis, postgres and nginx do. All others of the engine's default set are left out:
    # AUDIT_WRITE, MKNOD, NET_RAW (spoofing neighbours), SETFCAP, SETPCAP, SYS_CHROOT.
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
)

MEMBERS_PER_NETWORK = 500
"""A bridge of the kernel takes 1023; the engine's rules for each member make it slow before that."""


@dataclass(frozen=True, slots=True)
class ContainerPolicy:
    """What every container of this installation has in common.

    Attributes:
        installation: the id that keeps installations on one engine apart.
        bind_address: the address of this host that published ports are bound to.
        log_max_size: when the engine turns over a log file, in its words: `10m`.
        log_max_files: how many of them it keeps.
    """

    installation: str
    bind_address: str
    log_max_size: str
    log_max_files: int

    def container_config(
        self, key: InstanceKey, spec: InstanceSpec, network: str
    ) -> dict[str, Any]:
        """What is asked of the engine to make a container."""
        published = {f"{p.container_port}/{p.protocol.value}": p.host_port for p in spec.ports}
        config: dict[str, Any] = {
            "Image": spec.image,
            "Env": [
                *(f"{name}={value}" for name, value in spec.environment.items()),
                *(f"ALLOCATOR_VOLUME_{n}={v.path}" for n, v in enumerate(spec.volumes, 1)),
            ],
            "Labels": {
                LABEL_INSTALLATION: self.installation,
                LABEL_ALLOCATION: key.allocation,
                LABEL_GENERATION: str(key.generation),
                LABEL_SPEC: spec_digest(spec),
            },
            "ExposedPorts": {port: {} for port in published},
            "StopTimeout": math.ceil(spec.stop_grace),
            "HostConfig": {
                "Init": True,
                "NetworkMode": network,
                "PortBindings": {
                    port: [{"HostIp": self.bind_address, "HostPort": str(number)}]
                    for port, number in published.items()
                },
                "Mounts": [
                    {"Type": "volume", "Source": volume_name(identity), "Target": volume.path}
                    for identity, volume in zip(
                        volume_ids(key.allocation, spec.volumes), spec.volumes, strict=True
                    )
                ],
                "RestartPolicy": {"Name": "no"},
                "CapDrop": ["ALL"],
                "CapAdd": list(CAPABILITIES),
                "SecurityOpt": ["no-new-privileges"],
                **limits_config(spec.limits),
                "LogConfig": {
                    "Type": "json-file",
                    "Config": {
                        "max-size": self.log_max_size,
                        "max-file": str(self.log_max_files),
                    },
                },
            },
        }
        if spec.command:
            config["Cmd"] = list(spec.command)
        if spec.run_as:
            config["User"] = spec.run_as
        if spec.stop_signal is not None:
            config["StopSignal"] = spec.stop_signal.value
        return config

    def volume_config(self, key: InstanceKey, identity: str, volume: Volume) -> dict[str, Any]:
        """What is asked of the engine to make a volume of an allocation."""
        return {
            "Name": volume_name(identity),
            "Labels": {
                LABEL_INSTALLATION: self.installation,
                LABEL_ALLOCATION: key.allocation,
                LABEL_VOLUME: volume.path,
                LABEL_SIZE: str(volume.size_mib),
            },
        }

    def carrier_config(self, image: str, identity: str, *, fills: bool) -> dict[str, Any]:
        """What is asked of the engine to make a container that never runs.

        What is in its volume is handed in and out by its archive.

        Args:
            image: with nothing in it.
            identity: the id of the volume.
            fills: whether the volume is made with it, and goes with it until it is full.
        """
        mount: dict[str, Any] = {
            "Type": "volume",
            "Source": volume_name(identity),
            "Target": CARRIED,
        }
        labels = {
            LABEL_INSTALLATION: self.installation,
            LABEL_CARRIER: "fills" if fills else "reads",
        }
        if fills:
            made = {LABEL_INSTALLATION: self.installation, LABEL_VOLUME: "/"}
            mount["VolumeOptions"] = {"Labels": made}
        return {
            "Image": image,
            "Cmd": ["none"],
            "Labels": {**labels, LABEL_CARRIED: identity},
            "NetworkDisabled": True,
            "HostConfig": {"Mounts": [mount], "NetworkMode": "none"},
        }

    def network_config(self, name: str, subnet: str) -> dict[str, Any]:
        """What is asked of the engine to make a shared network whose members cannot reach each other."""
        return {
            "Name": name,
            "Driver": "bridge",
            "CheckDuplicate": True,
            "Labels": {LABEL_INSTALLATION: self.installation},
            "IPAM": {"Config": [{"Subnet": subnet}]},
            "Options": {"com.docker.network.bridge.enable_icc": "false"},
        }

    def container_name(self, key: InstanceKey) -> str:
        """The name of a container: with the generation, so that making one again never collides."""
        return f"allocator-{key.allocation_id}-g{key.generation}"


def volume_name(identity: str) -> str:
    """The engine's name of a volume: without a generation, since it outlasts them."""
    return f"{_VOLUMES}{identity}"


def volume_of(name: str) -> str:
    """The id of the volume that the engine has by that name; empty where it is none of ours."""
    return name.removeprefix(_VOLUMES) if name.startswith(_VOLUMES) else ""


def spec_digest(spec: InstanceSpec) -> str:
    """Tells specs apart without telling what is in them: nobody gets from it to a short secret."""
    shape = [
        spec.image,
        spec.command,
        sorted(spec.environment),
        [(p.container_port, p.host_port, p.protocol.value) for p in spec.ports],
        [spec.limits.cpu_millis, spec.limits.memory_bytes, spec.limits.pids],
        spec.run_as,
        spec.stop_signal and spec.stop_signal.value,
        [volume.path for volume in spec.volumes],
    ]
    return hashlib.sha256(orjson.dumps(shape)).hexdigest()[:32]


def key_of(labels: dict[str, str]) -> InstanceKey | None:
    """The key in a container's labels; None where they are not as we write them."""
    allocation, generation = labels.get(LABEL_ALLOCATION, ""), labels.get(LABEL_GENERATION, "")
    if not allocation or not generation.isdecimal():
        return None
    return InstanceKey(allocation, int(generation))


def standing_of(key: InstanceKey, shown: dict[str, Any]) -> Standing:
    """What the engine's answer to `inspect` says of an instance."""
    state, host = shown["State"], shown["HostConfig"]
    started, finished = _instant(state["StartedAt"]), _instant(state["FinishedAt"])
    running = bool(state["Running"])
    networks = shown["NetworkSettings"]["Networks"] or {}
    ended = started is not None and not running
    return Standing(
        key=key,
        name=shown["Name"].lstrip("/"),
        running=running,
        run=state["StartedAt"] if started else "",
        start_time=started,
        finish_time=finished if ended else None,
        exit_code=state["ExitCode"] if ended else None,
        # The engine says it also where only a child lacked memory, some time before the end.
        out_of_memory=ended and bool(state["OOMKilled"]) and state["ExitCode"] == KILLED_CODE,
        paused=running and bool(state.get("Paused")),
        image=shown["Config"]["Image"],
        ports=tuple(
            PublishedPort(int(number), int(binding["HostPort"]), Protocol(protocol))
            for port, bindings in (host["PortBindings"] or {}).items()
            for number, _, protocol in [port.partition("/")]
            for binding in bindings
        ),
        address=next((n["IPAddress"] for n in networks.values() if n.get("IPAddress")), ""),
    )


def _instant(text: str) -> datetime | None:
    """The engine's time, `2026-11-21T05:16:45.123456789Z`, in whole milliseconds; None for its zero."""
    if text.startswith("0001-"):
        return None
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return whole.replace(microsecond=int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0)
