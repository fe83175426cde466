"""An engine that goes away and comes back, seen by the docker runtime."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from docker_svc.adapters.container_runtime.docker import DockerRuntime
from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy
from docker_svc.adapters.container_runtime.docker_engine import engine_url
from docker_svc.domain import EngineUnavailable, InstanceKey, InstanceSpec, Limits
from docker_svc.ports.container_runtime import EngineAvailable, InstanceChanged

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_docker
PATIENCE = 30.0


class Road:
    """A unix socket that leads to the engine, and can be cut.

    Attributes:
        bridge_seconds: how long each question for the engine's bridge takes more.
    """

    def __init__(self, path: Path) -> None:
        """Keeps the path of the socket."""
        self.path = path
        self._engine = engine_url().removeprefix("unix://")
        self._server: asyncio.Server | None = None
        self._travels: set[asyncio.Task[None]] = set()
        self.bridge_seconds = 0.0

    async def open(self) -> None:
        """Lets connections through."""
        self._server = await asyncio.start_unix_server(self._travel, self.path)

    async def cut(self) -> None:
        """Ends all connections, and refuses new ones."""
        assert self._server is not None
        self._server.close()
        self.path.unlink(missing_ok=True)
        for travel in list(self._travels):
            travel.cancel()
        if self._travels:
            await asyncio.wait(self._travels)

    async def _travel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._travels.add(task)
        there, back = await asyncio.open_unix_connection(self._engine)
        try:
            await asyncio.gather(self._ask(reader, back), _copy(there, writer))
        except asyncio.CancelledError:
            pass
        finally:
            self._travels.discard(task)
            writer.close()
            back.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while question := await reader.read(65536):
                if b"/networks/bridge" in question:
                    await asyncio.sleep(self.bridge_seconds)
                writer.write(question)
                await writer.drain()
            writer.write_eof()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


@pytest_asyncio.fixture
async def road(tmp_path: Path) -> AsyncIterator[Road]:
    """An open road."""
    one = Road(tmp_path / "engine.sock")
    await one.open()
    yield one
    await one.cut()


async def test_the_runtime_recovers_by_itself(road: Road) -> None:
    """Calls fail with a reason while it is away; nothing is opened again; nothing is lost."""
    policy = ContainerPolicy(f"test{secrets.token_hex(4)}", "127.0.0.1", "10m", 3)
    runtime = DockerRuntime(policy, ["10.216.0.0/16"], url=f"unix://{road.path}")
    key = InstanceKey(f"allocations/{secrets.token_hex(6)}", 1)
    spec = InstanceSpec(
        Limits(500, 64 << 20, 32),
        image="busybox:latest",
        command=("sh", "-c", "while :; do sleep 0.1; done"),
    )
    async with asyncio.timeout(4 * PATIENCE), aclosing(runtime.events()) as events:
        assert await anext(events) == EngineAvailable(available=True)
        made = await runtime.ensure(key, spec, lambda _: None)
        assert await anext(events) == InstanceChanged(key, "started")

        await road.cut()
        for call in (
            runtime.get(key),
            runtime.list_all(),
            runtime.ensure(key, spec, lambda _: None),
            runtime.stop(key, 1),
            runtime.remove(key.allocation, 1),
            runtime.node(),
        ):
            with pytest.raises(EngineUnavailable):
                await call
        assert await anext(events) == EngineAvailable(available=False)

        await road.open()
        assert await anext(events) == EngineAvailable(available=True)
        assert await runtime.get(key) == made
        await runtime.remove(key.allocation, 1)
        # The last moment before the reconnection may be told again.
        while await anext(events) != InstanceChanged(key, "removed"):
            pass
    await runtime.close()


async def test_an_engine_that_is_slow_to_tell_of_its_bridge_is_not_away(road: Road) -> None:
    """Its networks are locked while it makes those of others, on a small machine for many seconds."""
    road.bridge_seconds = 11.0
    policy = ContainerPolicy(f"test{secrets.token_hex(4)}", "127.0.0.1", "10m", 3)
    runtime = DockerRuntime(policy, ["10.216.0.0/16"], url=f"unix://{road.path}")
    async with asyncio.timeout(2 * PATIENCE), aclosing(runtime.events()) as events:
        assert await anext(events) == EngineAvailable(available=True)
    await runtime.close()
