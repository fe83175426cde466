"""The settings of allocation_svc."""

from __future__ import annotations

import json
import re
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from allocation_svc.domain.capacity import AMOUNTS, Bounds, Overcommit
from allocation_svc.domain.crashes import RestartRules
from allocation_svc.domain.quota import EVERYBODY, RoleQuotas
from allocation_svc.domain.resource_class import Size
from allocation_svc.domain.step import Rules
from allocation_svc.domain.terms import LONGEST_SECONDS, TermLimits
from chassis.settings import ServiceSettings

_MIB = 1 << 20
_CLASS_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_GIB = 1 << 30
_CLASSES = {
    "nano": {"cpu_millis": 250, "memory_bytes": 128 * _MIB, "pids": 64, "disk_bytes": _GIB // 2},
    "small": {"cpu_millis": 500, "memory_bytes": 512 * _MIB, "pids": 128, "disk_bytes": _GIB},
    "medium": {"cpu_millis": 1000, "memory_bytes": _GIB, "pids": 256, "disk_bytes": 2 * _GIB},
    "large": {"cpu_millis": 2000, "memory_bytes": 4 * _GIB, "pids": 512, "disk_bytes": 4 * _GIB},
}
# What a person may have for each allocation that they may have, unless the settings say otherwise.
_EACH = {"cpu_millis": 2000, "memory_bytes": 4 * _GIB, "disk_bytes": 20 * _GIB}


class Settings(ServiceSettings, prefix="ALLOCATOR_ALLOCATION_"):
    """What an operator may choose about renting."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where allocations are kept, mysql://user:password@host/name; by default a file "
        "in the data folder.",
    )
    port_range: str = Field(
        default="20000-29999",
        description="First and last port of the node that are leased. Below the ephemeral range "
        "of Linux (32768-60999), so that outgoing connections do not take them.",
    )
    port_rest_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long a port rests after its release, seconds, so that clients of the "
        "former owner do not reach the next one. 60: the time that TCP keeps old connections.",
    )
    quota: int = Field(
        default=10,
        ge=0,
        description="How many allocations a person may have, if `quotas` does not say it; admins have "
        "no limit.",
    )
    quotas: dict[str, Bounds] = Field(
        default_factory=dict,
        description='What each role may have at once, as JSON: {"PERSON": {"instances": 10, '
        '"cpu_millis": 20000, "memory_bytes": 42949672960, "disk_bytes": 214748364800}, "ADMIN": {}}. '
        "PERSON is everybody; what is left out of a role that is named has no limit. By default a "
        "person may have `quota` allocations, and for each of them 2 cores, 4 GiB of memory and 20 GiB "
        "of disk; admins have no limit. Who has several roles may have the most of each. An admin can "
        "set it for one person.",
    )
    resource_classes: dict[str, Size] = Field(
        default_factory=lambda: {name: Size(**size) for name, size in _CLASSES.items()},
        description='The resource classes of the first start, as JSON: {"small": {"cpu_millis": 500, '
        '"memory_bytes": 536870912, "pids": 128, "disk_bytes": 1073741824}}. Those that are left out '
        "keep their defaults. Later, admins define them.",
    )
    default_class: str = Field(
        default="small",
        description="The resource class of machines that name none, at the first start; later, admins "
        "choose it.",
    )
    capacity_cpu_overcommit: float = Field(
        default=4.0,
        ge=0,
        description="How much processor is given away, as a multiple of what the node has; 0 for no "
        "limit. 4: programs wait most of the time.",
    )
    capacity_memory_overcommit: float = Field(
        default=1.0,
        ge=0,
        description="How much memory is given away, as a multiple of what the node has; 0 for no limit. "
        "1: memory that is not there ends programs.",
    )
    capacity_disk_overcommit: float = Field(
        default=1.0,
        ge=0,
        description="How much disk is given away, as a multiple of what the node has; 0 for no limit.",
    )
    max_wait_seconds: float = Field(
        default=3600.0,
        gt=0,
        description="How long a request waits for room at most, and if it does not say how long, seconds.",
    )
    queue_limit: int = Field(
        default=1000,
        ge=0,
        description="How many requests may wait for room; 0: none waits.",
    )
    provisioning_seconds: float = Field(
        default=600.0,
        gt=0,
        description="How long fetching and making an instance may take without progress, seconds.",
    )
    starting_seconds: float = Field(
        default=120.0, gt=0, description="How long a start may take, seconds."
    )
    stopping_extra_seconds: float = Field(
        default=30.0,
        gt=0,
        description="How long a stop may take above the program's own grace, seconds.",
    )
    deleting_seconds: float = Field(
        default=120.0,
        gt=0,
        description="How long one try of a removal may take, seconds; it is tried until it is done.",
    )
    engine_away_seconds: float = Field(
        default=3.0,
        ge=0,
        description="How long the engine may be away before its allocations become UNKNOWN, "
        "and requests are refused, seconds. 3: a restart of an engine, or a change of the "
        "replica that works with it, is often shorter.",
    )
    sweep_seconds: float = Field(
        default=15.0,
        gt=0,
        description="How often all instances are compared with all allocations, seconds; events "
        "are faster, this finds what they missed. One that fails is made again sooner.",
    )
    node_seconds: float = Field(
        default=2.0,
        gt=0,
        le=600,
        description="How often the nodes are looked at, seconds: a lost one is told of so late.",
    )
    node_failures: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="How often a node may be lost within the window before it is taken out: it is drained, "
        "with its reason, unless it is the only one that answers.",
    )
    node_failure_window_seconds: float = Field(
        default=3600.0,
        gt=0,
        le=30 * 86_400,
        description="For how long a lost node counts, seconds.",
    )
    orphan_grace_seconds: float = Field(
        default=60.0,
        ge=0,
        description="How long an instance without an allocation is left alone before it is "
        "removed, seconds.",
    )
    volume_sweep_seconds: float = Field(
        default=15.0,
        gt=0,
        description="How often volumes are compared with what the engine has of them, seconds: so long it "
        "may take until one that is full stops its allocation, once it was measured.",
    )
    detached_volumes: int = Field(
        default=20,
        ge=0,
        description="How many detached volumes a person may have; admins any number.",
    )
    detached_volume_bytes: int = Field(
        default=20 << 30,
        ge=0,
        description="How much may be in the detached volumes of a person together, bytes, and so in one "
        "upload; admins have no limit.",
    )
    transfers: int = Field(
        default=3,
        ge=1,
        le=100,
        description="How many downloads and uploads a person may have at a time, on each replica: each "
        "keeps a disk busy.",
    )
    transfer_stall_seconds: float = Field(
        default=60.0,
        gt=0,
        le=3600,
        description="How long a download or an upload may stand still before it is ended, seconds.",
    )
    concurrency: int = Field(
        default=16,
        ge=1,
        le=256,
        description="How many allocations are worked on at a time; removals have as many places of "
        "their own, since they wait for programs to end.",
    )

    default_lifetime_seconds: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="How long an allocation lasts that says nothing itself, seconds; 0: for ever, or "
        "as long as it may.",
    )
    longest_lifetime_seconds: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="How long an allocation lasts at most, from when it was rented, seconds; 0: no "
        "limit. Admins have none.",
    )
    default_idle_seconds: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="After how long without use an allocation is stopped that says nothing itself, "
        "seconds; 0: never, or as late as it may be.",
    )
    longest_idle_seconds: float = Field(
        default=0.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="After how long without use an allocation is stopped at the latest, seconds; 0: "
        "no limit. Admins have none.",
    )
    shortest_idle_seconds: float = Field(
        default=60.0,
        gt=0,
        description="The shortest time without use after which an allocation can be stopped, "
        "seconds. 60: twice the time between two looks.",
    )
    idle_look_seconds: float = Field(
        default=30.0,
        ge=0.5,
        description="How often it is looked what is in use, seconds.",
    )
    warning_seconds: float = Field(
        default=600.0,
        ge=0,
        description="How long before an allocation is stopped or removed by itself its owner is told, "
        "seconds; half of the time until then, where that is less.",
    )
    restart_first_seconds: float = Field(
        default=1.0,
        gt=0,
        description="How long after its first end by itself a program is started again, where its "
        "restart policy says so, seconds; twice that after the next end, and so on.",
    )
    restart_longest_seconds: float = Field(
        default=60.0, gt=0, description="The most that this wait grows to, seconds."
    )
    restart_steady_seconds: float = Field(
        default=600.0,
        gt=0,
        description="How long a program must have been ready for the wait to begin anew, seconds.",
    )
    restart_limit: int = Field(
        default=8,
        ge=1,
        le=100,
        description="How often a program is started again by itself within restart_window_seconds; "
        "then its allocation is FAILED. 8: some three minutes of a program that ends at once.",
    )
    restart_window_seconds: float = Field(
        default=600.0, gt=0, description="See restart_limit; seconds."
    )
    boot_starts: int = Field(
        default=4,
        ge=1,
        le=256,
        description="How many allocations are started at a time after a restart of the host or its "
        "engine; all at once would keep each other from the processor and the disk.",
    )

    @field_validator("resource_classes", mode="before")
    @classmethod
    def _classes_from_json(cls, value: object) -> object:
        """Reads the JSON form in which the environment carries it."""
        if isinstance(value, str):
            value = json.loads(value or "{}")
        if not isinstance(value, dict):
            raise ValueError("give a JSON object of classes")  # noqa: TRY004 - pydantic reports it
        for name in value:
            if not _CLASS_NAME.fullmatch(str(name)):
                raise ValueError(f"{name!r} cannot be the name of a resource class")
        return {**_CLASSES, **value}

    @field_validator("resource_classes")
    @classmethod
    def _classes_are_possible(cls, value: dict[str, Size]) -> dict[str, Size]:
        """Refuses sizes with which nothing runs."""
        for name, size in value.items():
            if size.cpu_millis < 1 or size.memory_bytes < 6 * _MIB or size.pids < 1:
                raise ValueError(f"{name!r}: cpu_millis, pids from 1 and memory_bytes from 6 MiB")
            if size.disk_bytes < 0:
                raise ValueError(f"{name!r}: disk_bytes from 0")
        return value

    @field_validator("quotas", mode="before")
    @classmethod
    def _quotas_from_json(cls, value: object) -> object:
        """Reads the JSON form in which the environment carries it."""
        if isinstance(value, str):
            value = json.loads(value or "{}")
        if not isinstance(value, dict):
            raise ValueError("give a JSON object of roles")  # noqa: TRY004 - pydantic reports it
        return value

    @field_validator("quotas")
    @classmethod
    def _quotas_are_possible(cls, value: dict[str, Bounds]) -> dict[str, Bounds]:
        """Refuses what is no limit."""
        for role, bounds in value.items():
            for name in AMOUNTS:
                if (getattr(bounds, name) or 0) < 0:
                    raise ValueError(f"{role}: {name} from 0; leave it out for no limit")
        return value

    @model_validator(mode="after")
    def _default_class_is_defined(self) -> Self:
        """Refuses a default class that is not there."""
        if self.default_class not in self.resource_classes:
            raise ValueError(f"default_class: {self.default_class!r} is none of resource_classes")
        return self

    @field_validator("port_range")
    @classmethod
    def _range_is_possible(cls, value: str) -> str:
        """Refuses what is no range."""
        first, dash, last = value.partition("-")
        if not (dash and first.strip().isdigit() and last.strip().isdigit()):
            raise ValueError("write the first and the last port: 20000-29999")
        if not 1 <= int(first) <= int(last) <= 65535:
            raise ValueError("ports are 1 to 65535, the first not above the last")
        return value

    @property
    def role_quotas(self) -> RoleQuotas:
        """What each role may have."""
        each = {name: amount * self.quota for name, amount in _EACH.items()}
        usual = {EVERYBODY: Bounds(self.quota, **each), "ADMIN": Bounds()}
        return RoleQuotas({**usual, **self.quotas})

    @property
    def overcommit(self) -> Overcommit:
        """How much of a node is given away."""
        return Overcommit(
            self.capacity_cpu_overcommit,
            self.capacity_memory_overcommit,
            self.capacity_disk_overcommit,
        )

    @property
    def ports(self) -> range:
        """The ports that are leased."""
        first, _, last = self.port_range.partition("-")
        return range(int(first), int(last) + 1)

    @property
    def rules(self) -> Rules:
        """How long things may take."""
        return Rules(
            provisioning=self.provisioning_seconds,
            starting=self.starting_seconds,
            stopping=self.stopping_extra_seconds,
            deleting=self.deleting_seconds,
            away=self.engine_away_seconds,
            warning=self.warning_seconds,
            restarts=RestartRules(
                first=self.restart_first_seconds,
                longest=max(self.restart_first_seconds, self.restart_longest_seconds),
                steady=self.restart_steady_seconds,
                most=self.restart_limit,
                window=self.restart_window_seconds,
            ),
        )

    @property
    def term_limits(self) -> TermLimits:
        """When allocations may end and rest by themselves."""
        return TermLimits(
            default_lifetime=self.default_lifetime_seconds,
            longest_lifetime=self.longest_lifetime_seconds,
            default_idle=self.default_idle_seconds,
            longest_idle=self.longest_idle_seconds,
            shortest_idle=self.shortest_idle_seconds,
        )
