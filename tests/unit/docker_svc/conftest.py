"""The use cases of docker_svc over local processes and SQLite."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest_asyncio
import structlog

from chassis.clock import SystemClock
from chassis.identity.vault import Vault
from chassis.sql import Database, open_database
from docker_svc.adapters.container_runtime.process import (
    ProcessPolicy,
    ProcessRuntime,
    open_process_runtime,
)
from docker_svc.adapters.instance_records.sql import SqlInstanceRecords
from docker_svc.adapters.log_journal.files import FileLogJournal, JournalLimits
from docker_svc.adapters.log_source.pump import Pump
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.adapters.readiness.network import NetworkReadiness
from docker_svc.domain import Instance, InstanceKey, InstanceSpec, Limits, Probe, State
from docker_svc.usecases.following import Following
from docker_svc.usecases.instances import Instances
from docker_svc.usecases.known import Known
from docker_svc.usecases.life import Life, Place
from docker_svc.usecases.logs import Logs
from docker_svc.usecases.probing import Probing
from docker_svc.usecases.watching import Available, Told, Watching

PATIENCE = 30.0
KEY = b"k" * 32


def new_key(generation: int = 1) -> InstanceKey:
    """A key that no other test uses."""
    return InstanceKey(f"allocations/{secrets.token_hex(6)}", generation)


def script(text: str, probe: Probe | None = None) -> InstanceSpec:
    """The spec of a shell script."""
    return InstanceSpec(
        Limits(500, 64 << 20, 32),
        command=("sh", "-c", text),
        probe=probe or Probe(),
        stop_grace=3.0,
    )


SLEEPS = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"


class Installation:
    """One data folder, and the service over it, which can be ended and begun again."""

    def __init__(self, folder: Path) -> None:
        """Keeps the folder."""
        self.folder = folder
        self.told: list[Told] = []
        self.reports: list[tuple[str, BaseException]] = []
        self.instances: Instances
        self.known: Known
        self.runtime: ProcessRuntime
        self.records: SqlInstanceRecords
        self.watching: Watching
        self.logs: Logs
        self._arrived = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._database: Database

    async def begin(self) -> None:
        """Opens everything, and waits until it has taken over what was left."""
        clock = SystemClock()
        self.told.clear()
        self.runtime = await open_process_runtime(
            self.folder, ProcessPolicy("127.0.0.1", 1 << 20, 50_000, 5, trusts_everyone=False)
        )
        self._database = await open_database(
            f"sqlite:///{self.folder / 'docker.sqlite3'}", "docker_svc.schema", clock
        )
        self.records = SqlInstanceRecords(self._database, Vault(KEY))
        journal = FileLogJournal(self.folder / "journal", JournalLimits())
        pump = Pump(SourceLimits(), structlog.get_logger())
        self.logs = Logs(journal, pump, clock, asyncio.Event())
        self.watching = Watching(clock)
        life = Life(
            runtime=self.runtime,
            records=self.records,
            logs=self.logs,
            probing=Probing(self.runtime, NetworkReadiness(), self.logs, clock),
            watching=self.watching,
            clock=clock,
            place=Place("process", "here"),
            report=lambda allocation, error: self.reports.append((allocation, error)),
        )
        self.known = Known(self.runtime, self.records, life, self.watching)
        parts = {
            "known": self.known,
            "runtime": self.runtime,
            "records": self.records,
            "life": life,
            "watching": self.watching,
        }
        self.instances = Instances(**parts)
        following = Following(**parts, clock=clock)
        # A task of its own listens before anything is told.
        self._tasks = [asyncio.create_task(self._follow())]
        await asyncio.sleep(0)
        self._tasks.append(asyncio.create_task(self.logs.run()))
        await self.logs.writing()
        self._tasks.append(asyncio.create_task(following.run()))
        await self.until(lambda one: one == Available(available=True))

    async def end(self) -> None:
        """Closes everything; instances go on."""
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task])
        await self.logs.close()
        await self._database.close()
        await self.runtime.close()

    async def _follow(self) -> None:
        async with aclosing(self.watching.watch()) as watching:
            async for one in watching:
                async with self._arrived:
                    self.told.append(one)
                    self._arrived.notify_all()

    async def until(self, wanted: Callable[[Told], bool]) -> Told:
        """Waits until something that is wanted has been told since the last `begin` or `forget`."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: any(map(wanted, self.told)))
            return next(filter(wanted, self.told))

    async def until_state(self, key: InstanceKey, state: State, incarnation: int = 0) -> Instance:
        """Waits until an instance was told to be in a state."""
        found = await self.until(
            lambda one: (
                isinstance(one, Instance)
                and one.key == key
                and one.state is state
                and one.incarnation >= incarnation
            )
        )
        assert isinstance(found, Instance)
        return found

    def states(self, key: InstanceKey) -> list[State]:
        """The states that were told of an instance, in order."""
        told = [one.state for one in self.told if isinstance(one, Instance) and one.key == key]
        return [state for i, state in enumerate(told) if i == 0 or state is not told[i - 1]]


@pytest_asyncio.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """A running service; fails if it met what nobody expects, or left something."""
    one = Installation(tmp_path)
    await one.begin()
    try:
        yield one
    finally:
        for standing in await one.runtime.list_all():
            key = standing.key
            await one.runtime.remove(key.allocation, key.generation)
        await one.end()
    assert one.reports == []
