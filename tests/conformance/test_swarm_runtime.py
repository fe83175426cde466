"""Conformance of `ContainerRuntime` on a real Swarm: what is so of every runtime, and where it differs.

A task of a Swarm is a container of its own, so what a program wrote beside its volumes does not outlast
a stop, and a program that is another user finds volumes as the image has them. Ports are a node's, and
not of this host.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from docker_svc.adapters.container_runtime.docker_config import LABEL_INSTALLATION, ContainerPolicy
from docker_svc.adapters.container_runtime.docker_engine import open_engine
from docker_svc.adapters.container_runtime.swarm import SwarmRuntime
from docker_svc.adapters.container_runtime.swarm_service import ServicePolicy
from docker_svc.domain import EngineRefused, NoNodeFits, PortTaken, PublishedPort
from tests.conformance.test_container_runtime import (  # noqa: F401 - these tests are of this module too
    SLEEPS,
    Ground,
    _checked,
    new_key,
    no_collector,
    test_a_cancelled_ensure_leaves_all_or_nothing,
    test_a_program_is_asked_to_end_by_its_own_signal,
    test_a_program_that_does_not_exist_is_refused_or_ends,
    test_a_program_that_does_not_stop_is_killed_after_the_grace,
    test_a_program_that_stops_when_asked_keeps_its_exit_code,
    test_a_program_that_takes_too_much_memory_is_ended_and_said_to_be,
    test_a_started_program_has_another_run,
    test_an_image_that_does_not_exist_is_said_so,
    test_an_instance_gets_the_volume_that_its_spec_names,
    test_an_instance_is_made_started_and_found,
    test_ensuring_twice_makes_one,
    test_instances_survive_reopening,
    test_many_at_once_are_made_and_removed,
    test_removing_spares_higher_generations_and_other_allocations,
    test_the_exit_code_of_a_program_is_told,
    test_the_node_says_what_it_is,
    test_the_program_has_its_variables_and_nothing_of_ours,
    test_use_is_measured_while_it_runs,
    test_what_is_in_a_volume_outlasts_instances,
    test_what_is_not_there_is_not_found,
    test_who_stops_looking_at_use_lets_go_of_it,
)
from tests.servers import swarm_engines, swarm_manager

pytestmark = pytest.mark.real_swarm


@pytest_asyncio.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    """A Swarm; fails where something is left on any of its nodes afterwards."""
    installation = f"test{secrets.token_hex(4)}"
    label = f"{LABEL_INSTALLATION}={installation}"
    policy = ServicePolicy(ContainerPolicy(installation, "0.0.0.0", "10m", 3))

    async def opening() -> SwarmRuntime:
        return SwarmRuntime(policy, swarm_manager(), engines=swarm_engines(), poll_seconds=0.2)

    async def leftovers() -> list[str]:
        found: list[str] = []
        async with AsyncExitStack() as exits:
            for url in (swarm_manager(), *swarm_engines().values()):
                engine = open_engine(url)
                exits.push_async_callback(engine.connector.close)
                exits.push_async_callback(engine.close)
                volumes = await engine.volumes.list(  # type: ignore[no-untyped-call]
                    filters={"label": [label]}
                )
                found += [volume["Name"] for volume in volumes["Volumes"] or []]
                found += [s["Spec"]["Name"] for s in await engine_services(engine, label)]
        return found

    async for checked in _checked(
        Ground("swarm", opening, leftovers, tmp_path, image="busybox:latest")
    ):
        yield checked


async def engine_services(engine: object, label: str) -> list[dict[str, dict[str, str]]]:
    """The services with a label, where the engine is a manager."""
    about = await engine.system.info()  # type: ignore[attr-defined]
    if not about["Swarm"]["ControlAvailable"]:
        return []
    found: list[dict[str, dict[str, str]]] = await engine.services.list(  # type: ignore[attr-defined]
        filters={"label": label}
    )
    return found


async def test_an_instance_answers_at_the_node_that_it_is_on(ground: Ground) -> None:
    """Its standing names the node and the address, and so does where it is probed."""
    key = new_key()
    standing = await ground.run(key, ground.web_server(28_411))
    [target] = ground.runtime.targets(standing, 8080)
    assert standing.node
    assert (target.host, target.port) == (standing.host, 28_411)
    async with asyncio.timeout(20):
        while True:
            try:
                reader, writer = await asyncio.open_connection(target.host, target.port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(20):
        assert (await reader.readline()).startswith(b"HTTP/1.")
    writer.close()
    await writer.wait_closed()


async def test_instances_with_one_port_are_on_different_nodes_until_there_is_none_left(
    ground: Ground,
) -> None:
    """A port is a node's; Swarm finds another one for it, and says so when there is none."""
    spec = ground.script(SLEEPS, PublishedPort(8080, 28_412))
    made = [await ground.run(new_key(), spec) for _ in range(1 + len(swarm_engines()))]
    assert len({standing.node for standing in made}) == len(made)
    key = new_key()
    with pytest.raises(PortTaken):
        await ground.run(key, spec)
    assert await ground.runtime.get(key) is None


async def test_what_no_node_can_take_is_refused(ground: Ground) -> None:
    """With Swarm's words, and nothing remains."""
    key = new_key()
    spec = ground.script(SLEEPS)
    spec = replace(spec, limits=replace(spec.limits, memory_bytes=1 << 50))
    with pytest.raises(NoNodeFits, match="insufficient resources"):
        await ground.run(key, spec)
    assert await ground.runtime.get(key) is None


async def test_a_service_of_somebody_else_is_neither_used_nor_removed(ground: Ground) -> None:
    """Whatever its name is."""
    key = new_key()
    engine = open_engine(swarm_manager())
    name = f"allocator-{key.allocation_id}-g1"
    theirs = await engine.services.create(
        {"ContainerSpec": {"Image": "busybox:latest"}},
        name=name,
        mode={"Replicated": {"Replicas": 0}},
    )
    try:
        with pytest.raises(EngineRefused, match=name):
            await ground.run(key, ground.script(SLEEPS))
        await ground.runtime.remove(key.allocation, 1)
        assert (await engine.services.inspect(theirs["ID"]))["Spec"]["Name"] == name
    finally:
        await engine.services.delete(theirs["ID"])
        await engine.close()
        await engine.connector.close()


async def test_programs_gain_privileges_only_where_that_is_said(ground: Ground) -> None:
    """Engines before 25 do not look at what forbids it; people are told so."""
    key = new_key()
    await ground.run(key, ground.script('exit "$(grep -c "NoNewPrivs:.1" /proc/self/status)"'))
    is_forbidden = (await ground.ended(key)).exit_code == 1
    said = (await ground.runtime.node()).isolation
    assert is_forbidden == ("may gain privileges" not in said)
