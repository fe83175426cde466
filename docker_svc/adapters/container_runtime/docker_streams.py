"""What an engine streams: events, the progress of a pull, what a container uses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import signal
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.boot import boot_id
from docker_svc.adapters.container_runtime.docker_config import LABEL_INSTALLATION, key_of
from docker_svc.adapters.container_runtime.docker_engine import asked, image_fault
from docker_svc.domain import EngineUnavailable, Progress, Usage
from docker_svc.ports.container_runtime import (
    EngineAvailable,
    InstanceChanged,
    ProgramEnd,
    RuntimeEvent,
)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_PING_SECONDS = 10.0
# An engine that makes networks for others tells of its own when it is done, and is not away.
_SESSION_SECONDS = 60.0
_SHORT = 15.0
_PULL_SILENCE = 300.0
_USAGE_SECONDS = 1.9
_KILLED = 128 + signal.SIGKILL
_CHANGES: dict[str, Literal["started", "ended", "removed", "paused", "unpaused"]] = {
    "start": "started",
    "die": "ended",
    "destroy": "removed",
    "pause": "paused",
    "unpause": "unpaused",
}


async def engine_events(docker: Docker, installation: str) -> AsyncGenerator[RuntimeEvent, None]:
    """Events of this installation's containers; reconnects for ever."""
    available: bool | None = None
    pause = _FIRST_PAUSE
    while True:
        try:
            async with asked(_PING_SECONDS):
                await docker.version()
            async with asked(_SESSION_SECONDS):
                session = await _session(docker)
            answers = True
        except (EngineUnavailable, DockerError):
            answers = False
        if answers:
            pause = _FIRST_PAUSE
            # From a moment ago on: what happens between this line and the connection is told too.
            since = time.time() - 1
            stream = _one_connection(docker, installation, since)
            # Told again after each reconnection, since some changes may have been missed.
            available = True
            yield EngineAvailable(available=True, session=session)
            async with contextlib.aclosing(stream):
                async for event in stream:
                    yield event
        elif available is not False:
            available = False
            yield EngineAvailable(available=False)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _session(docker: Docker) -> str:
    """Tells one time from the engine's start to its end from every other.

    An engine makes its default bridge anew at each start. One without a bridge is told from others by
    the boot of this host alone.
    """
    try:
        bridge = await docker._query_json("networks/bridge")  # noqa: SLF001 - its show() knows ids only
    except DockerError:
        return boot_id()
    return f"{bridge['Id'][:32]} {bridge['Created']}"[:128]


async def _one_connection(
    docker: Docker, installation: str, since: float
) -> AsyncGenerator[InstanceChanged, None]:
    """Events until the connection ends, for whatever reason."""
    wanted = {
        "type": ["container"],
        "event": list(_CHANGES),
        "label": [f"{LABEL_INSTALLATION}={installation}"],
    }
    subscriber = docker.events.subscribe(create_task=False)  # type: ignore[no-untyped-call]
    reading = asyncio.create_task(
        docker.events.run(since=f"{since:.3f}", filters=json.dumps(wanted))
    )
    try:
        # None comes when the connection has ended; a silent one is told from a lost one by TCP or,
        # on a unix socket, by the kernel.
        while (event := await subscriber.get()) is not None:
            attributes = event.get("Actor", {}).get("Attributes", {})
            key, change = key_of(attributes), _CHANGES.get(event.get("Action", ""))
            if key is not None and change is not None:
                yield InstanceChanged(key, change, _end(event))
    finally:
        reading.cancel()
        with contextlib.suppress(
            asyncio.CancelledError, DockerError, aiohttp.ClientError, OSError, ValueError
        ):
            await reading


def _end(event: dict[str, Any]) -> ProgramEnd | None:
    """How a program has ended, where its event says it all.

    It need not be asked for then: the engine tells nobody of a container while it takes down its
    network (a tenth of a second, Docker 20.10). Who was killed may have been killed for lack of memory,
    or to be removed, and of that an event says nothing.
    """
    code = event["Actor"]["Attributes"].get("exitCode", "")
    if event["Action"] != "die" or not code.isdecimal() or int(code) == _KILLED:
        return None
    millis = event["timeNano"] // 1_000_000
    return ProgramEnd(datetime.fromtimestamp(millis / 1000, UTC), int(code))


class PullMeter:
    """Adds up the progress of an image's layers."""

    def __init__(self, image: str) -> None:
        """Begins at nothing."""
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}
        self._shown = ""

    def take(self, step: dict[str, Any]) -> bool:
        """Takes one line of the engine; True where what is shown has changed."""
        detail = step.get("progressDetail") or {}
        if step.get("status") == "Downloading" and detail.get("total"):
            self._layers[step.get("id", "")] = (int(detail["current"]), int(detail["total"]))
        elif step.get("status") in ("Download complete", "Pull complete"):
            layer = step.get("id", "")
            if layer in self._layers:
                total = self._layers[layer][1]
                self._layers[layer] = (total, total)
        message = self.progress().message
        changed, self._shown = message != self._shown, message
        return changed

    def progress(self) -> Progress:
        """How far it is."""
        done = sum(current for current, _ in self._layers.values())
        total = sum(size for _, size in self._layers.values())
        words = f"pulling {self._image}"
        if total:
            words += f", {100 * done // total} %"
        return Progress(words, done, total)


async def fetched(docker: Docker, image: str) -> AsyncGenerator[Progress, None]:
    """Has an engine fetch an image, unless it has it: that needs no registry.

    Raises:
        ImageNotFound: there is none, or it may not be fetched.
        EngineUnavailable: the engine does not answer.
    """
    if await _has(docker, image):
        return
    meter = PullMeter(image)
    yield meter.progress()
    steps = docker.images.pull(image, stream=True)
    try:
        while True:
            async with asked(_PULL_SILENCE):
                step = await anext(steps, None)
            if step is None:
                return
            if meter.take(step):
                yield meter.progress()
    except DockerError as error:
        raise image_fault(image, error) from error
    finally:
        await _closed(steps)


async def _has(docker: Docker, image: str) -> bool:
    try:
        async with asked(_SHORT):
            await docker.images.inspect(image)
    except DockerError as error:
        if error.status == 404:
            return False
        raise image_fault(image, error) from error
    return True


async def container_usage(docker: Docker, identity: str) -> AsyncGenerator[Usage, None]:
    """What a container uses, about once in two seconds while it runs; from one stream of the engine.

    Raises:
        EngineUnavailable: the engine does not answer.
    """
    last = -math.inf
    samples = docker.containers.container(identity).stats(stream=True)
    try:
        while True:
            async with asked(_SHORT):
                sample = await anext(samples, None)
            if sample is None or not sample.get("pids_stats", {}).get("current"):
                return
            now = time.monotonic()
            usage = usage_of(sample)
            if usage is not None and now - last >= _USAGE_SECONDS:
                last = now
                yield usage
    except DockerError as error:
        if error.status != 404:
            raise EngineUnavailable("The engine could not tell what is used.") from error
    finally:
        await _closed(samples)


async def _closed(stream: Any) -> None:
    """Ends a stream of aiodocker, which is a generator although it is not typed as one."""
    await stream.aclose()


def usage_of(sample: dict[str, Any]) -> Usage | None:
    """What a sample of the engine says; None for the first, which has nothing to compare with."""
    cpu, before = sample["cpu_stats"], sample["precpu_stats"]
    span = cpu.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    if not before.get("system_cpu_usage") or span <= 0:
        return None
    used = cpu["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    cores = cpu.get("online_cpus") or len(cpu["cpu_usage"].get("percpu_usage") or [1])
    memory = sample.get("memory_stats") or {}
    details = memory.get("stats") or {}
    # As `docker stats` counts: without the cache that the kernel can take back.
    cache = details.get("total_inactive_file", details.get("inactive_file", 0))
    networks = (sample.get("networks") or {}).values()
    return Usage(
        time=datetime.now(UTC).replace(microsecond=0),
        cpu_millis=round(1000 * cores * used / span),
        memory_bytes=max(0, memory.get("usage", 0) - cache),
        memory_limit_bytes=memory.get("limit", 0),
        received_bytes=sum(n.get("rx_bytes", 0) for n in networks),
        sent_bytes=sum(n.get("tx_bytes", 0) for n in networks),
        pids=int((sample.get("pids_stats") or {}).get("current", 0)),
    )
