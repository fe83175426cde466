"""Replicas on one node come and go, also by `kill -9`: nobody who watches notices, nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from stored import leased_ports
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from allocctl.sequence import SequenceChecker
from tests.faults.node_processes import NodeProcesses, ServiceProcess
from tests.faults.reconciliation_host import folders_of, listens, programs_of, until

# They need no server, but two cores for themselves.
pytestmark = [
    pytest.mark.real_mesh,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("node"),
]

PATIENCE = 60.0
MOST_WITHOUT_LINES = 10.0
"""So long may nothing come in the worst case, seconds; that it is less than one is usual."""
SIGNALS = (signal.SIGTERM, signal.SIGKILL)
MOMENTS = (0.0, 0.04)
"""Seconds from a request to the end of the process that has it."""


@pytest.fixture(
    scope="module", params=["process", pytest.param("docker", marks=pytest.mark.real_docker)]
)
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeProcesses]:
    made = NodeProcesses(
        Path(tmp_path_factory.mktemp("node")),
        ALLOCATOR_RUNTIME=request.param,
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="1",
        ALLOCATOR_ALLOCATION_SWEEP_SECONDS="1",
    )
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def token(node: NodeProcesses) -> str:
    return node.admin()


@pytest.fixture
def writer(node: NodeProcesses, token: str) -> Iterator[str]:
    """An allocation whose line with the number n + 1 says n, a hundred a second."""
    name = node.rent(token, "chatty", LINES="1000000", RATE="100", WIDTH="20")
    node.wait(token, name, "READY")
    yield name
    node.act(token, name)
    node.wait(token, name, "DELETED")


def left_of(node: NodeProcesses) -> list[str]:
    """What the host and the engine have of instances of this node."""
    installation = json.loads((node.state_dir / "runtime.json").read_text())
    if installation["runtime"] == "process":
        return programs_of(node.state_dir) + folders_of(node.state_dir)
    label = f"label=allocator.installation={installation['installation']}"
    listed = subprocess.run(
        ["docker", "ps", "-aq", "--filter", label],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return listed.stdout.split()


class Watcher:
    """Watches an allocation from its first line on; where a console ends, at the next replica.

    Attributes:
        checker: what came, and that nothing is missing.
        byes: the last frames of consoles.
        opened: how many consoles it took.
        longest: the longest time without a line, seconds.
    """

    def __init__(self, node: NodeProcesses, token: str, name: str, at: int) -> None:
        self._node = node
        self._token = token
        self._name = name
        self._replicas = itertools.cycle([*node.consoles[at:], *node.consoles[:at]])
        self._last = 0.0
        self._news = asyncio.Event()
        self._rewinds = False
        self.socket: ClientConnection | None = None
        self.checker = SequenceChecker(1)
        self.byes: list[dict[str, Any]] = []
        self.opened = 0
        self.longest = 0.0

    async def run(self) -> None:
        """Watches until it is cancelled."""
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, InvalidHandshake):
                await self._watch(next(self._replicas))
            self.socket = None
            await asyncio.sleep(0.05)

    async def _watch(self, replica: ServiceProcess) -> None:
        url = f"wss://{replica.http}/v1/{self._name}/console"
        async with connect(url, ssl=self._node.edge, proxy=None, open_timeout=5) as socket:
            await socket.send(json.dumps({"auth": {"token": self._token}}))
            await socket.send(json.dumps({"resume": {"cursor": str(self.checker.next)}}))
            async for message in socket:
                self._take(json.loads(message), socket)

    def _take(self, frame: dict[str, Any], socket: ClientConnection) -> None:
        if "hello" in frame:
            self.socket = socket
            self.opened += 1
        elif "bye" in frame:
            self.byes.append(frame["bye"])
        elif "gap" in frame:
            gap = frame["gap"]
            self.checker.feed(int(gap["firstSeq"]), int(gap["lastSeq"]), gap["cause"])
        elif "log" in frame:
            self._take_lines(int(frame["log"]["firstSeq"]), frame["log"]["texts"])
        self._news.set()

    async def rewind(self) -> None:
        """Asks for the first line again; what is under way still is let by."""
        assert self.socket is not None
        self._rewinds, self.checker = True, SequenceChecker(1)
        await self.socket.send(json.dumps({"resume": {"cursor": "1"}}))

    def _take_lines(self, first: int, texts: list[str]) -> None:
        if self._rewinds and first > 1:
            return
        self._rewinds = False
        self.checker.feed(first, first + len(texts) - 1)
        for seq, text in enumerate(texts, first):
            # The first says that it begins; the content counts as well as the numbers.
            assert seq == 1 or int(text.split()[0]) == seq - 1, (seq, text)
        now = time.monotonic()
        self.longest = max(self.longest, now - (self._last or now))
        self._last = now

    def is_at(self, replica: ServiceProcess) -> bool:
        """Whether its console is open at this replica."""
        if self.socket is None:
            return False
        host, port = self.socket.remote_address[:2]
        return f"{host}:{port}" == replica.http

    async def move_to(self, replica: ServiceProcess) -> None:
        """Opens its console at this replica."""
        while not self.is_at(replica):
            if self.socket is not None:
                socket, self.socket = self.socket, None
                await socket.close()
            await self._next()

    async def until(self, number: int) -> None:
        """Waits until it has the line with this number."""
        while self.checker.next <= number:
            await self._next()

    async def _next(self) -> None:
        self._news.clear()
        async with asyncio.timeout(PATIENCE):
            await self._news.wait()


@asynccontextmanager
async def watching(node: NodeProcesses, token: str, name: str) -> AsyncIterator[list[Watcher]]:
    """Two watchers at each replica; what any of them found wrong fails here."""
    watchers = [Watcher(node, token, name, at) for at in (0, 1, 0, 1)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watcher.run()) for watcher in watchers]
        for watcher in watchers:
            await watcher.until(10)
        yield watchers
        for task in tasks:
            task.cancel()


async def up_to_now(
    node: NodeProcesses, token: str, name: str, watchers: list[Watcher], at: int = 0
) -> None:
    """Waits until all have what was written until now, by what a replica of the consoles says."""
    url = f"https://{node.consoles[at].http}/v1/{name}/lines?cursor=-1"
    answer = await asyncio.to_thread(node.call, "interact_svc", "GET", url, token)
    assert answer.status_code == 200, answer.text
    for watcher in watchers:
        await watcher.until(int(answer.json()["lastCursor"]))


async def test_watchers_do_not_notice_that_replicas_of_the_node_change(
    node: NodeProcesses, token: str, writer: str
) -> None:
    async with watching(node, token, writer) as watchers:
        for number in SIGNALS:
            former = node.on_duty()
            former.end(number)
            present = await asyncio.to_thread(node.on_duty)
            assert present is not former
            await up_to_now(node, token, writer, watchers)
            await asyncio.to_thread(node.begin, former)
        await up_to_now(node, token, writer, watchers)
    assert [watcher.opened for watcher in watchers] == [1] * 4
    assert [watcher.checker.gaps for watcher in watchers] == [{}] * 4
    assert max(watcher.longest for watcher in watchers) < MOST_WITHOUT_LINES
    # The program itself was not touched.
    assert node.look(token, writer)["state"] == "READY"


async def test_watchers_go_on_at_another_replica_of_the_consoles(
    node: NodeProcesses, token: str, writer: str
) -> None:
    async with watching(node, token, writer) as watchers:
        for (at, replica), number in itertools.product(enumerate(node.consoles), SIGNALS):
            for watcher in watchers:
                await watcher.move_to(replica)
                watcher.byes.clear()
            await asyncio.to_thread(replica.end, number)
            await up_to_now(node, token, writer, watchers, at=1 - at)
            if number is signal.SIGTERM:
                assert [w.byes[0]["reason"] for w in watchers] == ["SERVICE_STOPPING"] * 4
                assert all(watcher.byes[0]["retryAfter"] for watcher in watchers)
            await asyncio.to_thread(node.begin, replica)
        await up_to_now(node, token, writer, watchers)
    assert [watcher.checker.gaps for watcher in watchers] == [{}] * 4


async def test_who_reads_old_lines_keeps_the_socket_while_no_replica_works(
    node: NodeProcesses, token: str, writer: str
) -> None:
    async with watching(node, token, writer) as watchers:
        for one in node.nodes:
            one.end(signal.SIGKILL)
        last = watchers[0].checker.next
        for watcher in watchers:
            await watcher.rewind()
        # Longer than a read is tried again before it fails.
        await asyncio.sleep(4)
        for one in node.nodes:
            await asyncio.to_thread(node.begin, one)
        await asyncio.to_thread(node.on_duty)
        for watcher in watchers:
            await watcher.until(last + 100)
        assert [watcher.opened for watcher in watchers] == [1] * 4
        assert [watcher.byes for watcher in watchers] == [[]] * 4
    assert [watcher.checker.gaps for watcher in watchers] == [{}] * 4


def test_a_replica_that_is_killed_while_it_works_leaves_nothing_half(
    node: NodeProcesses, token: str
) -> None:
    ports = set()

    def kill_after(seconds: float) -> None:
        time.sleep(seconds)
        former = node.on_duty()
        former.end(signal.SIGKILL)
        node.on_duty()
        node.begin(former)

    for moment in MOMENTS:
        name = node.rent(token, "http-files")
        kill_after(moment)
        ports.add(node.wait(token, name, "READY")["port"])
        node.act(token, name, "stop")
        kill_after(moment)
        node.wait(token, name, "STOPPED")
        assert not listens(max(ports))
        node.act(token, name, "start")
        kill_after(moment)
        assert listens(node.wait(token, name, "READY")["port"])
        node.act(token, name)
        kill_after(moment)
        node.wait(token, name, "DELETED")
    until(lambda: not left_of(node))
    store = Path(node.all["allocation_svc"][0].settings["ALLOCATOR_DATA_DIR"])
    assert leased_ports(store) == []
    assert [port for port in ports if listens(port)] == []
