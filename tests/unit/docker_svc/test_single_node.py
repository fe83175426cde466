"""The one node of a runtime that has no others."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from chassis.clock import SystemClock
from docker_svc.adapters.container_runtime.process import ProcessPolicy, open_process_runtime
from docker_svc.adapters.node_roster.single import SingleNode
from docker_svc.domain.faults import NodeNotFound
from docker_svc.usecases.node import Node
from docker_svc.usecases.watching import ListAgain, Watching


async def test_that_it_is_drained_outlasts_its_process(tmp_path: Path) -> None:
    policy = ProcessPolicy("127.0.0.1", 1 << 20, 0, 5, trusts_everyone=True)
    runtime = await open_process_runtime(tmp_path, policy)
    try:
        roster = SingleNode(runtime, tmp_path, "here", "127.0.0.1", SystemClock())
        node = Node(runtime, "here", "127.0.0.1", roster, Watching(SystemClock()))
        [found] = await roster.list_all()
        assert (found.name, found.answers, found.drained) == ("here", True, False)
        assert found.cpu_millis > 0
        assert not await node.is_drained()
        with pytest.raises(NodeNotFound, match="there"):
            await roster.drain("there", "")
        await roster.drain("here", "new disks")
        later = SingleNode(runtime, tmp_path, "here", "127.0.0.1", SystemClock())
        [found] = await later.list_all()
        assert (found.drained, found.drain_reason) == (True, "new disks")
        assert await node.is_drained()
        await later.activate("here")
        await later.activate("here")
        assert not await node.is_drained()
    finally:
        await runtime.close()


async def test_whoever_watches_is_told_that_nodes_are_different(tmp_path: Path) -> None:
    policy = ProcessPolicy("127.0.0.1", 1 << 20, 0, 5, trusts_everyone=True)
    runtime = await open_process_runtime(tmp_path, policy)
    try:
        roster = SingleNode(runtime, tmp_path, "here", "127.0.0.1", SystemClock())
        watching = Watching(SystemClock())
        node = Node(runtime, "here", "127.0.0.1", roster, watching)
        async with asyncio.timeout(5), aclosing(watching.watch()) as told:
            assert await anext(told) == ListAgain()
            await node.drain("here", "new disks")
            assert await anext(told) == ListAgain()
            await node.activate("here")
            assert await anext(told) == ListAgain()
    finally:
        await runtime.close()
