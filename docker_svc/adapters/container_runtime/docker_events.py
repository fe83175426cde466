"""The events of an engine: what happens to containers, and how their programs have ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiodocker import Docker
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.boot import boot_id
from docker_svc.adapters.container_runtime.docker_config import (
    KILLED_CODE,
    LABEL_INSTALLATION,
    key_of,
)
from docker_svc.adapters.container_runtime.docker_engine import asked
from docker_svc.domain import EngineUnavailable
from docker_svc.ports.container_runtime import (
    Change,
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
_KILL = str(int(signal.SIGKILL))
_CHANGES: dict[str, Change] = {
    "start": "started",
    "die": "ended",
    "destroy": "removed",
    "pause": "paused",
    "unpause": "unpaused",
}


async def engine_events(
    docker: Docker, installation: str, ends: ProgramEnds
) -> AsyncGenerator[RuntimeEvent, None]:
    """Events of this installation's containers, each shown to `ends`; reconnects for ever."""
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
            ends.begin()
            stream = _one_connection(docker, installation, since, ends)
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
    docker: Docker, installation: str, since: float, ends: ProgramEnds
) -> AsyncGenerator[InstanceChanged, None]:
    """Events until the connection ends, for whatever reason."""
    wanted = {
        "type": ["container"],
        "event": [*_CHANGES, "oom", "kill"],
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
            end = ends.after(event)
            key, change = key_of(event["Actor"]["Attributes"]), _CHANGES.get(event["Action"])
            if end is not None and end.exit_code == KILLED_CODE and not end.out_of_memory:
                change = "killed"
            if key is not None and change is not None:
                yield InstanceChanged(key, change, end)
    finally:
        reading.cancel()
        with contextlib.suppress(
            asyncio.CancelledError, DockerError, aiohttp.ClientError, OSError, ValueError
        ):
            await reading


class ProgramEnds:
    """How programs have ended, as the events of one connection say it together.

    A container need not be inspected then, of which the engine tells nobody while it takes down the
    network (a tenth of a second, Docker 20.10). And they say more than the engine tells when it is asked:
    it calls each one out of memory of which a child was, however that one itself has ended.
    """

    def __init__(self) -> None:
        # Both by the container's id.
        self._lacked_memory: set[str] = set()
        self._killed: set[str] = set()

    def begin(self) -> None:
        """Forgets all: of what another connection told, the end may have been missed."""
        self._lacked_memory.clear()
        self._killed.clear()

    def was_killed(self, container: str) -> bool:
        """Whether somebody has killed the program that a container, known by its id, ran last."""
        return container in self._killed

    def after(self, event: dict[str, Any]) -> ProgramEnd | None:
        """Takes the next event; the end that it tells of, None where the engine is to be asked of it.

        Of one that was killed for neither reason that events tell of, only the engine may know why.
        """
        action, actor = event["Action"], event["Actor"]
        container, about = actor["ID"], actor["Attributes"]
        lacked = container in self._lacked_memory
        if action == "oom" and container not in self._killed:
            self._lacked_memory.add(container)
        elif action == "kill" and about.get("signal") == _KILL:
            # Whoever does that has a reason of their own, whatever a child of it lacked before.
            self._killed.add(container)
            self._lacked_memory.discard(container)
        elif action in ("start", "die", "destroy"):
            self._lacked_memory.discard(container)
        if action in ("start", "destroy"):
            self._killed.discard(container)
        code = about.get("exitCode", "")
        if action != "die" or not code.isdecimal():
            return None
        killed = int(code) == KILLED_CODE
        if killed and not lacked and container not in self._killed:
            return None
        millis = event["timeNano"] // 1_000_000
        ended = datetime.fromtimestamp(millis / 1000, UTC)
        return ProgramEnd(ended, int(code), out_of_memory=killed and lacked)
