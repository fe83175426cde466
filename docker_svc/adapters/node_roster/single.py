"""The one node of a runtime that has no others: this host. Whether it is drained is in a file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson

from chassis.clock import Clock
from docker_svc.domain import EngineUnavailable
from docker_svc.domain.faults import NodeNotFound
from docker_svc.domain.node import NodeStanding
from docker_svc.ports.container_runtime import ContainerRuntime

_NAME = "drained.json"


class SingleNode:
    """This host.

    Args:
        runtime: runs instances here.
        folder: where it is kept that it is drained.
        name: of the node.
        host: what people are shown for its ports.
        clock: the time.
    """

    def __init__(
        self, runtime: ContainerRuntime, folder: Path, name: str, host: str, clock: Clock
    ) -> None:
        self._runtime = runtime
        self._path = folder / _NAME
        self._name = name
        self._host = host
        self._clock = clock
        self._last = NodeStanding(name, host, False, False, "", 0, 0, clock.now())  # noqa: FBT003

    async def list_all(self) -> list[NodeStanding]:
        """This one, and whether its engine answers."""
        reason = await asyncio.to_thread(self._read)
        last = self._last
        try:
            capacity = await self._runtime.node()
        except EngineUnavailable as fault:
            answers, message, time = False, fault.message, last.observe_time
            cpu, memory = last.cpu_millis, last.memory_bytes
        else:
            answers, message, time = True, "", self._clock.now()
            cpu, memory = capacity.cpu_millis, capacity.memory_bytes
        self._last = NodeStanding(
            name=self._name,
            host=self._host,
            answers=answers,
            drained=reason is not None,
            drain_reason=reason or "",
            cpu_millis=cpu,
            memory_bytes=memory,
            observe_time=time,
            message=message,
        )
        return [self._last]

    async def drain(self, name: str, reason: str) -> None:
        """Writes it down; what runs here goes on."""
        self._check(name)
        await asyncio.to_thread(self._write, reason)

    async def activate(self, name: str) -> None:
        """Forgets it."""
        self._check(name)
        await asyncio.to_thread(lambda: self._path.unlink(missing_ok=True))

    def _check(self, name: str) -> None:
        if name != self._name:
            raise NodeNotFound(f"There is no node {name!r}; list the nodes.", node=name)

    def _read(self) -> str | None:
        try:
            return str(orjson.loads(self._path.read_bytes())["reason"])
        except FileNotFoundError:
            return None

    def _write(self, reason: str) -> None:
        coming = self._path.with_suffix(".new")
        coming.write_bytes(orjson.dumps({"reason": reason}))
        coming.replace(self._path)
