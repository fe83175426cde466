"""What is asked of a Docker Swarm through one of its managers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_engine import asked, told
from docker_svc.domain import EngineUnavailable

_SHORT = 15.0
_OUT_OF_SEQUENCE = "out of sequence"
_ATTEMPTS = 5

LABEL_PUBLIC_HOST = "allocator.public-host"
"""The label of a node that says where people reach its ports, if that is not its address."""
LABEL_DRAINED = "allocator.drained"
"""The label of a node that the allocator drained: why."""

Document = dict[str, Any]

_FORBIDS_PRIVILEGES = 25
"""The engine from which on `NoNewPrivileges` of a service is obeyed; older ones do not look at it."""


@dataclass(frozen=True, slots=True)
class ClusterNode:
    """A node as the cluster tells it.

    Attributes:
        id: the cluster's own.
        name: its host name.
        address: where other nodes reach it.
        answers: whether the cluster hears of it.
        active: whether it takes tasks.
        labels: an admin's.
        cpu_millis: thousandths of a core.
        memory_bytes: bytes.
        update_time: when the cluster last changed what it knows of it.
        message: why it does not answer, in the cluster's words.
        is_own: whether the manager that is asked is on it.
        forbids_privileges: whether its engine keeps programs of services from gaining privileges.
    """

    id: str
    name: str
    address: str
    answers: bool
    active: bool
    labels: dict[str, str]
    cpu_millis: int
    memory_bytes: int
    update_time: datetime
    message: str = ""
    is_own: bool = False
    forbids_privileges: bool = False

    @property
    def host(self) -> str:
        """Where people reach its ports."""
        return self.labels.get(LABEL_PUBLIC_HOST) or self.address


class Cluster:
    """A Docker Swarm.

    Args:
        docker: a client of the engine of one of its managers.
    """

    def __init__(self, docker: Docker) -> None:
        self._docker = docker
        self._own = ""

    async def services(self, label: str) -> list[Document]:
        """Every service with a label, `key=value`."""
        return await self._list("services", label=[label])

    async def tasks(self, label: str) -> list[Document]:
        """Every task that is known of services with a label, also of ended and removed ones."""
        return await self._list("tasks", label=[label])

    async def nodes(self) -> dict[str, ClusterNode]:
        """Every node, by its id.

        Raises:
            EngineUnavailable: the engine does not answer, or manages no cluster.
        """
        if not self._own:
            swarm = (await self.about()).get("Swarm") or {}
            if not swarm.get("ControlAvailable"):
                raise EngineUnavailable(
                    "The engine is no manager of a Docker Swarm. Set DOCKER_HOST to one that is, or "
                    "make it one with `docker swarm init`."
                )
            self._own = swarm["NodeID"]
        return {found["ID"]: self._node(found) for found in await self._list("nodes")}

    def _node(self, found: Document) -> ClusterNode:
        node = _node(found)
        return replace(node, is_own=True) if node.id == self._own else node

    async def service(self, name: str) -> Document | None:
        """One service by its name; None where there is none."""
        return next(
            (s for s in await self._list("services", name=[name]) if _name(s) == name), None
        )

    async def create(self, spec: Document) -> None:
        """Makes a service.

        Raises:
            DockerError: the cluster says no; 409 where there is one of that name.
        """
        async with asked(_SHORT):
            await self._ask("services/create", "POST", data=spec)

    async def update(self, service: Document, spec: Document) -> bool:
        """Changes a service as it was read.

        Returns:
            False where somebody else has changed it since: read it again.

        Raises:
            DockerError: the cluster says no.
        """
        try:
            async with asked(_SHORT):
                await self._ask(
                    f"services/{service['ID']}/update",
                    "POST",
                    params={"version": str(service["Version"]["Index"])},
                    data=spec,
                )
        except DockerError as error:
            if _OUT_OF_SEQUENCE in error.message:
                return False
            raise
        return True

    async def remove(self, service: Document) -> None:
        """Removes a service; its tasks end, and go."""
        await self._gone(f"services/{service['ID']}")

    async def configs(self, label: str) -> list[Document]:
        """Every config with a label."""
        return await self._list("configs", label=[label])

    async def keep(self, name: str, labels: dict[str, str]) -> None:
        """Keeps labels in the cluster, under a name; replaced where there are some already."""
        for _ in range(_ATTEMPTS):
            found = [c for c in await self._list("configs", name=[name]) if _name(c) == name]
            try:
                async with asked(_SHORT):
                    if not found:
                        # A config must have content; "eA==" is one letter.
                        spec = {"Name": name, "Labels": labels, "Data": "eA=="}
                        await self._ask("configs/create", "POST", data=spec)
                    else:
                        spec = {**found[0]["Spec"], "Labels": labels}
                        version = {"version": str(found[0]["Version"]["Index"])}
                        path = f"configs/{found[0]['ID']}/update"
                        await self._ask(path, "POST", params=version, data=spec)
            except DockerError as error:
                if error.status == 409 or _OUT_OF_SEQUENCE in error.message:
                    continue
                raise
            return

    async def forget(self, config: Document) -> None:
        """Removes a config."""
        await self._gone(f"configs/{config['ID']}")

    async def label_node(self, node: str, labels: dict[str, str | None], *, active: bool) -> bool:
        """Has a node take tasks or not, and changes labels of it.

        Args:
            node: its id.
            labels: to set; None to remove one.
            active: whether it takes tasks. One that does not lets go of those that it has.

        Returns:
            False where there is no such node.
        """
        for _ in range(_ATTEMPTS):
            try:
                async with asked(_SHORT):
                    found = await self._ask(f"nodes/{node}")
                    spec = dict(found["Spec"])
                    kept = {**(spec.get("Labels") or {}), **labels}
                    spec["Labels"] = {k: v for k, v in kept.items() if v is not None}
                    spec["Availability"] = "active" if active else "drain"
                    version = {"version": str(found["Version"]["Index"])}
                    await self._ask(f"nodes/{node}/update", "POST", params=version, data=spec)
            except DockerError as error:
                if error.status == 404:
                    return False
                if _OUT_OF_SEQUENCE not in error.message:
                    raise
            else:
                return True
        return False

    async def about(self) -> Document:
        """What the manager's engine says of itself."""
        async with told(_SHORT):
            return dict(await self._docker.system.info())

    async def networks(self, name: str) -> list[Document]:
        """The networks of the cluster whose names begin so."""
        # A filter on names would find that very name alone.
        found = await self._list("networks", scope=["swarm"])
        return [network for network in found if network["Name"].startswith(name)]

    async def make_network(self, config: Document) -> None:
        """Makes a network.

        Raises:
            DockerError: the cluster says no.
        """
        async with asked(_SHORT):
            await self._ask("networks/create", "POST", data=config)

    async def remove_network(self, name: str) -> None:
        """Removes a network that nobody is on.

        Raises:
            DockerError: somebody is.
        """
        async with asked(_SHORT):
            await self._gone(f"networks/{name}")

    async def _list(self, what: str, **filters: list[str]) -> list[Document]:
        async with told(_SHORT):
            found = await self._ask(what, params={"filters": json.dumps(filters)})
        return found or []

    async def _gone(self, path: str) -> None:
        try:
            async with asked(_SHORT), self._docker._query(path, "DELETE") as answer:  # noqa: SLF001
                await answer.read()  # else its connection stays open
        except DockerError as error:
            if error.status != 404:
                raise

    async def _ask(
        self,
        path: str,
        method: str = "GET",
        *,
        params: dict[str, str] | None = None,
        data: Document | None = None,
    ) -> Any:
        # The client has no words for configs, and would change a service's spec on its way.
        return await self._docker._query_json(  # noqa: SLF001
            path, method, params=params, data=data
        )


def instant(text: str) -> datetime:
    """The cluster's time, `2026-11-21T05:16:45.123456789Z`, in whole milliseconds."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return whole.replace(microsecond=int(fraction[:3].ljust(3, "0")) * 1000 if fraction else 0)


def _name(found: Document) -> str:
    name: str = found["Spec"]["Name"]
    return name


def _node(found: Document) -> ClusterNode:
    status, spec, about = found["Status"], found["Spec"], found["Description"]
    address = status.get("Addr", "")
    if address in ("", "0.0.0.0", "127.0.0.1"):  # noqa: S104 - compared with
        # A manager may name no address of its own here.
        address = found.get("ManagerStatus", {}).get("Addr", "").rpartition(":")[0] or address
    resources = about.get("Resources", {})
    return ClusterNode(
        id=found["ID"],
        name=about["Hostname"],
        address=address,
        # `unknown` is said of every node for a moment after a manager has begun.
        answers=status["State"] in ("ready", "unknown"),
        active=spec["Availability"] == "active",
        labels=spec.get("Labels") or {},
        cpu_millis=int(resources.get("NanoCPUs", 0) // 1_000_000),
        memory_bytes=int(resources.get("MemoryBytes", 0)),
        update_time=instant(found["UpdatedAt"]),
        message=status.get("Message", ""),
        forbids_privileges=_major(about) >= _FORBIDS_PRIVILEGES,
    )


def _major(about: Document) -> int:
    """The first number of the version of a node's engine, `25.0.3`; 0 where it tells none."""
    first = about.get("Engine", {}).get("EngineVersion", "").partition(".")[0]
    return int(first) if first.isdecimal() else 0
