"""On which network a container is put: none on which it could reach others."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from engine_model import EngineModel

from docker_svc.adapters.container_runtime.docker import DockerRuntime
from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy
from docker_svc.domain import InstanceKey, InstanceSpec, Limits
from docker_svc.ports.container_runtime import EngineAvailable

SPEC = InstanceSpec(Limits(1000, 1 << 28, 64), image="model:1", command=("sleep", "9"))
ICC = "com.docker.network.bridge.enable_icc"


@asynccontextmanager
async def runtime_on(engine: EngineModel) -> AsyncIterator[DockerRuntime]:
    policy = ContainerPolicy("anybody", "127.0.0.1", "10m", 3)
    runtime = DockerRuntime(policy, ["10.215.0.0/16"], url=engine.url)
    try:
        yield runtime
    finally:
        await runtime.close()


async def network_of_the_next(runtime: DockerRuntime, engine: EngineModel) -> str:
    """The network of a container that is made now."""
    key = InstanceKey(f"allocations/{secrets.token_hex(6)}", 1)
    await runtime.ensure(key, SPEC, lambda _: None)
    [container] = engine.of(key.allocation)
    return str(container.host["NetworkMode"])


@pytest.fixture
def engine(tmp_path: Path) -> EngineModel:
    return EngineModel(tmp_path / "e.sock")


@pytest.mark.parametrize("options", [{ICC: "true"}, {}, None])
async def test_an_own_network_where_the_engines_lets_containers_reach_each_other(
    engine: EngineModel, options: dict[str, str] | None
) -> None:
    engine.networks["bridge"] = {"Name": "bridge", "Id": "b", "Created": "c", "Options": options}
    async with runtime_on(engine) as runtime:
        name = await network_of_the_next(runtime, engine)
        assert name != "bridge"
        assert engine.networks[name]["Options"] == {ICC: "false"}
    engine.close()


async def test_the_engines_own_where_it_keeps_containers_apart_and_no_longer(
    engine: EngineModel,
) -> None:
    """Its settings are looked at again whenever it has been away; it is never removed."""
    bridge = {"Name": "bridge", "Id": "b", "Created": "c", "Options": {ICC: "false"}}
    engine.networks["bridge"] = bridge
    async with runtime_on(engine) as runtime:
        assert await network_of_the_next(runtime, engine) == "bridge"
        assert list(engine.networks) == ["bridge"]
        bridge["Options"] = {ICC: "true"}
        async for event in runtime.events():
            assert event == EngineAvailable(available=True, session="b c")
            break
        assert await network_of_the_next(runtime, engine) != "bridge"
        for standing in await runtime.list_all():
            await runtime.remove(standing.key.allocation, 1)
    assert list(engine.networks) == ["bridge"]
    engine.close()
