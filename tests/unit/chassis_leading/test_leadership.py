"""Who leads, and when it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from chassis.clock import SystemClock
from chassis.faults import Unavailable
from chassis.leading import Leadership, LeaseLost, Replica
from chassis.sql import open_database
from chassis.sql.leases import SqlLeases, lease_table

TABLE = lease_table(MetaData())
FASTER = 20


class QuickClock:
    """A clock that runs twenty times as fast."""

    def now(self) -> datetime:
        return SystemClock().now()

    def monotonic(self) -> float:
        return time.monotonic() * FASTER

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / FASTER)


class Told:
    """What replicas have told each other."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.failures = 0
        self.by_address: dict[str, Leadership] = {}

    async def tell(self, address: str, keys: Sequence[str]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("It does not answer.")
        self.calls.append((address, list(keys)))
        self.by_address[address].heard(keys)


@pytest.fixture
async def leases(tmp_path: Path) -> AsyncIterator[SqlLeases]:
    database = await open_database(
        f"sqlite:///{tmp_path}/l.sqlite3", "allocation_svc.schema", SystemClock()
    )
    await database.write(lambda connection: TABLE.create(connection, checkfirst=True))
    yield SqlLeases(database, TABLE)
    await database.close()


@pytest.fixture
def told() -> Told:
    return Told()


def replica_of(leases: SqlLeases | None, told: Told, name: str) -> Leadership:
    address = f"{name}:50051"
    leadership = Leadership(
        "allocation_svc", leases, Replica(name, lambda: address, told.tell), QuickClock()
    )
    told.by_address[address] = leadership
    return leadership


@asynccontextmanager
async def running(leadership: Leadership) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(leadership.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - a property changes
            await asyncio.sleep(0.005)


async def test_who_has_the_store_alone_leads(told: Told) -> None:
    alone = replica_of(None, told, "one")
    heard: list[Sequence[str]] = []
    alone.on_wake(heard.append)
    alone.wake("allocations/a")
    assert alone.leads
    assert heard == [("allocations/a",)]


async def test_who_leads_alone_rests(told: Told) -> None:
    alone = replica_of(None, told, "one")
    looked = 0

    class Counting(Leadership):
        @property
        def leads(self) -> bool:
            nonlocal looked
            looked += 1
            return True

    alone.__class__ = Counting
    task = asyncio.create_task(alone.while_leading(asyncio.Event().wait))
    for _ in range(100):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert looked < 10, "it waits, and does not look again and again"


async def test_of_two_replicas_one_leads(leases: SqlLeases, told: Told) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    async with running(one), running(two):
        await until(lambda: one.leads or two.leads)
        first = one if one.leads else two
        since = time.monotonic()
        # For longer than a lease lasts that nobody renews.
        while time.monotonic() - since < 8 / FASTER:
            assert one.leads != two.leads
            await asyncio.sleep(0.01)
        assert first.leads


async def test_another_takes_over_from_one_that_is_gone(leases: SqlLeases, told: Told) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    async with running(one) as gone:
        await until(lambda: one.leads)
        async with running(two):
            gone.cancel()
            since = time.monotonic()
            await until(lambda: two.leads)
            # It has waited until the first one counts itself out.
            assert not one.leads
            assert (time.monotonic() - since) * FASTER < 10 + FASTER * 0.3
            with pytest.raises(LeaseLost):
                _ = one.epoch
            assert two.epoch == 2


async def test_a_lease_given_back_is_taken_at_once(leases: SqlLeases, told: Told) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    async with running(one) as stopping:
        await until(lambda: one.leads)
        async with running(two):
            await until(lambda: two._leader_at == "one:50051")
            stopping.cancel()
            await asyncio.gather(stopping, return_exceptions=True)
            await one.release()
            assert not one.leads
            since = time.monotonic()
            await until(lambda: two.leads)
            assert (time.monotonic() - since) * FASTER < 4


async def test_a_restarted_replica_takes_its_own_lease_at_once(
    leases: SqlLeases, told: Told
) -> None:
    before = replica_of(leases, told, "one")
    async with running(before) as killed:
        await until(lambda: before.leads)
        killed.cancel()
    after = replica_of(leases, told, "one")
    async with running(after):
        since = time.monotonic()
        await until(lambda: after.leads)
        assert (time.monotonic() - since) * FASTER < 4


async def test_work_runs_where_the_lease_is(leases: SqlLeases, told: Told) -> None:
    replicas = {name: replica_of(leases, told, name) for name in ("one", "two")}
    works: dict[str, int] = {"one": 0, "two": 0}

    async def work(name: str) -> None:
        works[name] += 1
        try:
            await asyncio.Event().wait()
        finally:
            works[name] -= 1

    async with running(replicas["one"]) as first:
        await until(lambda: replicas["one"].leads)
        async with running(replicas["two"]):
            tasks = [
                asyncio.create_task(r.while_leading(lambda n=n: work(n)))
                for n, r in replicas.items()
            ]
            await until(lambda: works == {"one": 1, "two": 0})
            first.cancel()
            await until(lambda: works == {"one": 0, "two": 1})
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    assert works == {"one": 0, "two": 0}


async def test_work_that_fails_says_so(leases: SqlLeases, told: Told) -> None:
    alone = replica_of(None, told, "one")

    async def fails() -> None:
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        await alone.while_leading(fails)


async def test_the_leader_hears_what_another_replica_committed(
    leases: SqlLeases, told: Told
) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    heard: list[str] = []
    one.on_wake(heard.extend)
    async with running(one):
        await until(lambda: one.leads)
        async with running(two):
            await until(lambda: two._leader_at == "one:50051")
            told.failures = 2
            two.wake("allocations/a")
            two.wake("allocations/a", "allocations/b")
            await until(lambda: len(heard) == 2)
            assert heard == ["allocations/a", "allocations/b"]


async def test_a_word_without_names_is_said_again_too(leases: SqlLeases, told: Told) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    heard: list[Sequence[str]] = []
    one.on_wake(heard.append)
    async with running(one):
        await until(lambda: one.leads)
        heard.clear()
        async with running(two):
            await until(lambda: two._leader_at == "one:50051")
            told.failures = 3
            two.wake()
            await until(lambda: heard == [[]])


async def test_what_nobody_heard_the_next_leader_does(leases: SqlLeases, told: Told) -> None:
    one, two = replica_of(leases, told, "one"), replica_of(leases, told, "two")
    heard: list[str] = []
    two.on_wake(heard.extend)
    async with running(one) as killed:
        await until(lambda: one.leads)
        async with running(two):
            await until(lambda: two._leader_at == "one:50051")
            told.by_address.clear()  # the leader is gone, and nobody knows yet
            told.failures = 10_000
            killed.cancel()
            two.wake("allocations/a")
            await until(lambda: two.leads)
            await until(lambda: heard == ["allocations/a"])
