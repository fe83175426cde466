"""Duty on a node: who stands by, who works, and what happens when it changes hands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from allocator.containers.v1 import container_service_pb2 as service_pb2

from chassis.clock import SystemClock
from chassis.rpc import Call
from docker_svc.adapters.node_lock.file import FileNodeLock
from docker_svc.transport.servicer import ContainerServicer
from docker_svc.usecases.duty import Duty, NotOnDuty, Work

PATIENCE = 10.0
CALL = cast("Call", None)


class Running:
    """Something that runs until it is cancelled, and can fail."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.fails = asyncio.Event()

    async def run(self) -> None:
        self.begun.set()
        try:
            await self.fails.wait()
            raise RuntimeError("failed")
        finally:
            self.ended.set()


class Said:
    """What was written down."""

    def __init__(self) -> None:
        self.holders: list[object] = []
        self.arrived = asyncio.Event()

    def info(self, event: str, **values: object) -> None:
        if event == "standing by":
            self.holders.append(values["holder"])
            self.arrived.set()


class Replica:
    """One replica of a node, which works with nothing."""

    def __init__(self, folder: Path, name: str, *, is_shared: bool = True) -> None:
        self.draining = asyncio.Event()
        self.following, self.logs, self.volumes = Running(), Running(), Running()
        self.said = Said()
        self.stands_by = asyncio.Event()
        self.trace: list[str] = []
        self.breaks: Exception | None = None
        self.may_close = asyncio.Event()
        self.may_close.set()
        self.lock = FileNodeLock(folder / "node.lock", name)
        self.duty = Duty(
            self.lock,
            self.begin,
            SystemClock(),
            self.draining,
            is_shared=is_shared,
            log=self.said,
        )
        self.servicer = ContainerServicer(self.duty, self.draining)
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, exits: AsyncExitStack) -> Work:
        assert self.lock.is_held
        self.trace.append("opened")

        def closed() -> None:
            assert self.lock.is_held
            self.trace.append("closed")

        exits.callback(closed)
        exits.push_async_callback(self.may_close.wait)
        if self.breaks:
            raise self.breaks
        nobody = cast("Any", None)
        following, volumes = cast("Any", self.following), cast("Any", self.volumes)
        return Work(nobody, following, nobody, cast("Any", self.logs), volumes, nobody, nobody)

    def start(self) -> asyncio.Task[None]:
        async def life() -> None:
            await self.duty.take_over(self.stands_by)
            await self.duty.run()

        self.tasks.append(asyncio.create_task(life()))
        return self.tasks[-1]

    async def works(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.following.begun.wait()
            await self.logs.begun.wait()
        assert self.duty.present is not None

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.duty.hand_over()


@asynccontextmanager
async def two_replicas(folder: Path) -> AsyncIterator[tuple[Replica, Replica]]:
    """One that works, and one that stands by."""
    one, two = Replica(folder, "one"), Replica(folder, "two")
    try:
        one.start()
        await one.works()
        two.start()
        async with asyncio.timeout(PATIENCE):
            await two.said.arrived.wait()
        yield one, two
    finally:
        await one.end()
        await two.end()


async def test_who_stands_by_opens_nothing_and_refuses_every_call(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (_, two):
        assert str(two.said.holders[0]).startswith("one since ")
        assert two.trace == []
        assert two.duty.present is None
        with pytest.raises(NotOnDuty) as refused:
            await two.servicer.GetNode(service_pb2.GetNodeRequest(), CALL)
        assert refused.value.reason == "SERVICE_STOPPING"
        assert refused.value.retry_after == 1.0
        with pytest.raises(NotOnDuty):
            await anext(two.servicer.WatchInstances(service_pb2.WatchInstancesRequest(), CALL))
        with pytest.raises(NotOnDuty):
            await anext(two.servicer.FollowLog(service_pb2.FollowLogRequest(), CALL))


async def test_a_replica_that_drains_hands_over_while_its_process_goes_on(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        one.draining.set()
        await two.works()
        assert one.following.ended.is_set()
        assert one.logs.ended.is_set()
        assert one.trace == ["opened", "closed"]
        assert not one.tasks[0].done()
        with pytest.raises(NotOnDuty):
            await one.servicer.GetNode(service_pb2.GetNodeRequest(), CALL)


async def test_calls_that_there_are_end_before_the_duty_does(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        with one.duty.working():
            one.draining.set()
            # Somebody waits for this replica to go, so no new call is taken.
            with pytest.raises(NotOnDuty), one.duty.working():
                pass
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await two.following.begun.wait()
            assert one.trace == ["opened"]
        await two.works()


async def test_a_call_that_never_ends_keeps_nobody_waiting(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        with one.duty.working():
            one.draining.set()
            await two.works()


async def test_who_stands_by_says_so_and_who_waits_for_a_moment_does_not(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        async with asyncio.timeout(PATIENCE):
            await two.stands_by.wait()
        assert not one.stands_by.is_set()
        three = Replica(tmp_path, "three")
        await two.end()
        three.start()
        async with asyncio.timeout(PATIENCE):
            await three.said.arrived.wait()
        one.draining.set()
        await three.works()
        assert not three.stands_by.is_set()
        await three.end()


async def test_a_replica_that_stops_does_not_take_over(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        two.draining.set()
        await one.end()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await two.following.begun.wait()
        assert two.trace == []


async def test_a_process_alone_works_until_it_ends(tmp_path: Path) -> None:
    one = Replica(tmp_path, "one", is_shared=False)
    task = one.start()
    await one.works()
    one.draining.set()
    with one.duty.working():
        pass
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await one.following.ended.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert one.trace == ["opened", "closed"]
    assert not one.lock.is_held


async def test_work_that_fails_ends_the_duty_and_is_told(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        one.logs.fails.set()
        await two.works()
        with pytest.raises(ExceptionGroup) as failed:
            await one.tasks[0]
        assert failed.group_contains(RuntimeError, match="failed")
        assert one.following.ended.is_set()


async def test_a_take_over_that_fails_leaves_the_node_to_others(tmp_path: Path) -> None:
    one, two = Replica(tmp_path, "one"), Replica(tmp_path, "two")
    one.breaks = RuntimeError("cannot be opened")
    with pytest.raises(RuntimeError, match="cannot be opened"):
        await one.duty.take_over(one.stands_by)
    assert one.trace == ["opened", "closed"]
    two.start()
    await two.works()
    await two.end()


async def test_a_hand_over_that_is_cancelled_closes_everything_first(tmp_path: Path) -> None:
    one = Replica(tmp_path, "one")
    await one.duty.take_over(one.stands_by)
    one.may_close.clear()
    handing = asyncio.create_task(one.duty.hand_over())
    await asyncio.sleep(0)
    handing.cancel()
    await asyncio.gather(handing, return_exceptions=True)
    assert one.lock.is_held
    one.may_close.set()
    await one.duty.hand_over()
    assert one.trace == ["opened", "closed"]
    assert not one.lock.is_held
