"""Conformance of `ActivityMeter`: over processes always, over a real engine when asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from free_ports import free_port

from chassis.clock import SystemClock
from docker_svc.adapters.activity_meter.process import ProcessActivityMeter
from docker_svc.adapters.activity_meter.samples import SampledActivityMeter
from docker_svc.domain import InstanceSpec, Limits, Standing
from docker_svc.domain.activity import Activity, Counters
from docker_svc.ports.activity_meter import ActivityMeter
from docker_svc.usecases.activity import ActivityWatch
from docker_svc.usecases.followers import Followers
from tests.conformance.test_container_runtime import (
    PATIENCE,
    SLEEPS,
    Ground,
    _docker_ground,
    _process_ground,
    new_key,
)

BUSY = "while :; do :; done"


@dataclass
class Measured:
    """A meter over a runtime.

    Attributes:
        ground: the runtime.
        meter: counts.
        counts_bytes: whether bytes are counted.
        counts_connections: whether connections are.
    """

    ground: Ground
    meter: ActivityMeter
    counts_bytes: bool
    counts_connections: bool

    async def of(self, standing: Standing) -> Counters:
        """The counters of one that runs."""
        return (await self.meter.measure([standing]))[standing.key]

    async def until(self, standing: Standing, wanted: Callable[[Counters], bool]) -> Counters:
        """Measures until it is as it is wanted."""
        async with asyncio.timeout(PATIENCE):
            while True:
                counters = await self.of(standing)
                if wanted(counters):
                    return counters
                await asyncio.sleep(0.2)


@pytest_asyncio.fixture(
    params=[
        "process",
        pytest.param("docker", marks=pytest.mark.real_docker),
        pytest.param("docker, asked", marks=pytest.mark.real_docker),
        pytest.param("docker, sampled", marks=pytest.mark.real_docker),
    ]
)
async def measured(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Measured]:
    """Each meter on its ground."""
    kind: str = request.param
    if kind == "process":
        ground = await _process_ground(tmp_path)
        await ground.up()
        meter: ActivityMeter = ProcessActivityMeter(tmp_path / "instances")
        yield Measured(ground, meter, counts_bytes=False, counts_connections=True)
        await _swept(ground)
        return
    from docker_svc.adapters.activity_meter.docker import DockerActivityMeter

    async for ground in _docker_ground(tmp_path):
        await ground.up()
        if kind == "docker, sampled":
            meter = SampledActivityMeter(ground.runtime)
        else:
            meter = DockerActivityMeter(looks_itself=kind == "docker")
        yield Measured(ground, meter, counts_bytes=True, counts_connections=kind == "docker")
        await meter.close()
        await _swept(ground)


async def _swept(ground: Ground) -> None:
    for standing in await ground.runtime.list_all():
        await ground.runtime.remove(standing.key.allocation, 9)
    await ground.down()


async def test_an_idle_program_uses_almost_nothing(measured: Measured) -> None:
    standing = await measured.ground.run(new_key(), measured.ground.script("exec sleep 600"))
    async with asyncio.timeout(PATIENCE):
        while True:
            before, began = await measured.of(standing), time.monotonic()
            await asyncio.sleep(1.0)
            after, seconds = await measured.of(standing), time.monotonic() - began
            assert before.cpu_seconds is not None
            assert after.cpu_seconds is not None
            assert not after.connections
            # Its start may still be going on at first.
            if after.cpu_seconds - before.cpu_seconds < 0.02 * seconds:
                return


async def test_a_busy_program_is_seen_to_compute(measured: Measured) -> None:
    standing = await measured.ground.run(new_key(), measured.ground.script(BUSY))
    before = await measured.of(standing)
    assert before.cpu_seconds is not None
    floor = before.cpu_seconds
    await measured.until(standing, lambda now: (now.cpu_seconds or 0.0) > floor + 0.3)


async def test_traffic_is_counted(measured: Measured) -> None:
    port = free_port()
    standing = await measured.ground.run(new_key(), measured.ground.web_server(port))
    await _answers(port)
    before = await measured.of(standing)
    for _ in range(20):
        await _answers(port)
    if measured.counts_bytes:
        floor = before.network_bytes or 0
        await measured.until(standing, lambda now: (now.network_bytes or 0) > floor + 2000)
    else:
        assert before.network_bytes is None


async def test_an_open_connection_is_counted(measured: Measured) -> None:
    port = free_port()
    standing = await measured.ground.run(new_key(), measured.ground.web_server(port))
    await _answers(port)
    async with connected(port):
        if measured.counts_connections:
            await measured.until(standing, lambda now: bool(now.connections))
        else:
            assert (await measured.of(standing)).connections is None


async def test_what_has_ended_is_left_out(measured: Measured) -> None:
    key = new_key()
    standing = await measured.ground.run(key, measured.ground.script(SLEEPS))
    assert await measured.meter.measure([standing])
    ended = await measured.ground.runtime.stop(key, 5.0)
    assert not await measured.meter.measure([standing])
    assert not await measured.meter.measure([ended])


async def test_an_open_connection_is_use_whoever_looks(measured: Measured) -> None:
    """The whole way: what is counted becomes what is told."""
    port = free_port()
    spec = measured.ground.web_server(port)
    standing = await measured.ground.run(new_key(), spec)
    await _answers(port)
    watch = a_watch(measured.meter, standing, spec)
    first = await seen(watch, standing)
    assert first.network_time is None
    assert first.cpu_time is None
    async with connected(port), asyncio.timeout(PATIENCE):
        while True:
            now = await seen(watch, standing)
            if now.connection_time or now.network_time:
                return
            if not measured.counts_connections:
                for _ in range(20):
                    await _answers(port)
            await asyncio.sleep(0.6)


@pytest.mark.parametrize("measured", ["process"], indirect=True)
async def test_other_limits_hold_from_the_next_start(measured: Measured) -> None:
    await _relimited(measured.ground)


@pytest.mark.real_docker
@pytest.mark.parametrize("measured", ["docker"], indirect=True)
async def test_other_limits_hold_from_the_next_start_of_a_container(measured: Measured) -> None:
    await _relimited(measured.ground)


async def _relimited(ground: Ground) -> None:
    key = new_key()
    spec = ground.script("echo kept >> note; cat note; " + SLEEPS)
    await ground.run(key, spec)
    await ground.runtime.stop(key, 5.0)
    larger = replace(spec, limits=Limits(250, 128 << 20, 48))
    await ground.runtime.start(key, larger)
    async with asyncio.timeout(PATIENCE):
        async for usage in ground.runtime.stats(key):
            assert usage.memory_limit_bytes == 128 << 20
            break


def a_watch(meter: ActivityMeter, standing: Standing, spec: InstanceSpec) -> ActivityWatch:
    """Watches one that runs."""
    clock = SystemClock()
    return ActivityWatch(lambda _: (standing, spec), Followers(clock).last, meter, clock)


async def seen(watch: ActivityWatch, standing: Standing) -> Activity:
    """What is told of it now."""
    found, _ = await watch.seen([standing.key.allocation])
    return found[0]


async def _answers(port: int) -> None:
    """Waits for an answer over HTTP."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                async with connected(port) as (reader, writer):
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    if await reader.read():
                        return
            except OSError:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """An open connection to a port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
