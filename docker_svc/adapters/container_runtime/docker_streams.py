"""What an engine streams: the progress of a pull, what a container uses."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_engine import asked, image_fault
from docker_svc.domain import EngineUnavailable, Progress, Usage

_SHORT = 15.0
_PULL_SILENCE = 300.0
_USAGE_SECONDS = 1.9


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
