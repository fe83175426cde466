"""Logs and statistics on their way from docker_svc to interact_svc, over gRPC."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

import pytest
from allocator.containers.v1 import container_service_pb2, log_pb2

from chassis.faults import Fault, NotFound, Unavailable
from chassis.identity import ServiceTokens, Trust
from chassis.rpc import Chain, PeerChannel
from chassis.rpc.server import RpcServer
from interact_svc.adapters.log_feed.grpc import GrpcLogFeed
from interact_svc.domain.frames import Chunk, Measure
from interact_svc.ports import LogFeed, Page

ALLOCATION = "allocations/7f3k2m9q"
AT_MOST = 10.0
"""Seconds for what takes milliseconds, on a busy machine."""


class Docker:
    """What stands in for docker_svc at the other end of the wire."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.page = container_service_pb2.ReadLogResponse()
        self.streamed: Sequence[Any] = ()
        self.fails: Fault | None = None
        self.fails_so_often = 1_000_000
        self.stays = False
        self.left = asyncio.Event()

    async def ReadLog(self, request: Any, call: Any) -> container_service_pb2.ReadLogResponse:
        """Tells the page, or fails as it is told to."""
        self.asked.append(request)
        if self.fails is not None and len(self.asked) <= self.fails_so_often:
            raise self.fails
        return self.page

    async def FollowLog(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """Tells what it has; then fails, stays or ends."""
        self.asked.append(request)
        try:
            for one in self.streamed:
                yield one
            if self.fails is not None:
                raise self.fails
            if self.stays:
                await asyncio.Event().wait()
        finally:
            self.left.set()

    FollowStats = FollowLog
    # The contract has more; a feed asks for none of it.
    EnsureInstance = GetInstance = GetNode = ListInstances = RemoveInstance = ReadLog
    RestartInstance = StartInstance = StopInstance = ReadLog
    ActivateNode = DrainNode = GetActivity = ListNodes = ReadLog
    ImportVolume = ListVolumes = MeasureVolumes = RemoveVolume = ReadLog
    ExportVolume = PullImage = WatchInstances = FollowLog


@pytest.fixture
async def wire() -> AsyncIterator[tuple[Docker, PeerChannel]]:
    """The other end, and a channel to it as interact_svc."""
    tokens = ServiceTokens(b"s" * 32)
    served = Docker()
    chain = Chain({"allocator.containers.v1.ContainerService": served}, Trust(tokens))
    with tempfile.TemporaryDirectory(prefix="allocator-") as folder:
        address = f"unix:{folder}/d.sock"
        server = RpcServer(chain, address=address, internal=True, max_request_bytes=1 << 20)
        await server.start()
        channel = PeerChannel("docker_svc", address, lambda: tokens.mint("interact_svc"))
        yield served, channel
        await channel.close()
        await server.stop(0)


@pytest.fixture
def docker(wire: tuple[Docker, PeerChannel]) -> Docker:
    """The other end."""
    return wire[0]


@pytest.fixture(params=["grpc"])
def feed(request: pytest.FixtureRequest, wire: tuple[Docker, PeerChannel]) -> LogFeed:
    """The adapter."""
    assert request.param == "grpc"
    return GrpcLogFeed(wire[1])  # type: ignore[arg-type]


def lines(first: int, *texts: str, streams: bytes = b"") -> log_pb2.LogRecord:
    """A record of lines, one a millisecond."""
    batch = log_pb2.LogBatch(
        first_seq=first,
        generation=2,
        incarnation=3,
        times=[1_700_000_000_000_000_000 + n * 1_000_000 for n in range(len(texts))],
        text="\n".join(texts).encode(),
        streams=streams or b"\x01" * len(texts),
    )
    return log_pb2.LogRecord(batch=batch)


def gap(first: int, last: int, cause: str) -> log_pb2.LogRecord:
    """A record of missing lines."""
    number = log_pb2.LogGap.Cause.Value(cause)
    return log_pb2.LogRecord(gap=log_pb2.LogGap(first_seq=first, last_seq=last, cause=number))


async def first_of(feed: LogFeed, count: int) -> list[Chunk]:
    """As many chunks of the live log, and hangs up."""
    found = []
    async with asyncio.timeout(AT_MOST), aclosing(feed.follow(ALLOCATION, 1)) as chunks:  # type: ignore[type-var]
        while len(found) < count:
            found.append(await anext(chunks))
    return found


async def test_a_page_comes_with_its_bounds(docker: Docker, feed: LogFeed) -> None:
    docker.page = container_service_pb2.ReadLogResponse(
        records=[gap(4, 6, "ROTATED"), lines(7, "one", "", "🚀 漢字", streams=b"\x01\x82\x02")],
        first_seq=4,
        last_seq=900,
        next_cursor=10,
    )
    page = await feed.read(ALLOCATION, -3, 10_000)
    [request] = docker.asked
    assert (request.allocation, request.cursor, request.max_lines) == (ALLOCATION, -3, 10_000)
    assert (page.first, page.last, page.next) == (4, 900, 10)
    missing, written = page.chunks
    assert missing == Chunk(first=4, last=6, gap="ROTATED")
    assert (written.first, written.last) == (7, 9)
    assert list(written.texts) == ["one", "", "🚀 漢字"]
    assert (written.streams, list(written.truncated)) == ("oee", [1])
    assert list(written.times) == [1.7e12, 1.7e12 + 1, 1.7e12 + 2]
    assert (written.generation, written.incarnation) == (2, 3)
    assert written.size >= len("one\n\n🚀 漢字".encode())


async def test_a_single_empty_line_is_a_line(docker: Docker, feed: LogFeed) -> None:
    docker.page = container_service_pb2.ReadLogResponse(records=[lines(1, "")], next_cursor=2)
    [chunk] = (await feed.read(ALLOCATION, 0, 1)).chunks
    assert (chunk.first, chunk.last, list(chunk.texts)) == (1, 1, [""])


@pytest.mark.parametrize(("cursor", "following"), [(0, 1), (-200, 1), (1, 1), (41, 41)])
async def test_a_log_that_is_not_there_yet_is_empty(
    docker: Docker, feed: LogFeed, cursor: int, following: int
) -> None:
    docker.fails = NotFound("There is no log.", reason="LOG_NOT_FOUND")
    assert await feed.read(ALLOCATION, cursor, 100) == Page([], 0, 0, following)


async def test_anything_else_that_is_not_found_is_told(docker: Docker, feed: LogFeed) -> None:
    docker.fails = NotFound("There is none.", reason="INSTANCE_NOT_FOUND")
    with pytest.raises(NotFound) as missing:
        await feed.read(ALLOCATION, 0, 100)
    assert missing.value.reason == "INSTANCE_NOT_FOUND"


async def test_the_largest_page_arrives(docker: Docker, feed: LogFeed) -> None:
    text = "x" * 600
    records = [lines(1 + 100 * n, *[text] * 100) for n in range(100)]
    docker.page = container_service_pb2.ReadLogResponse(records=records, next_cursor=10_001)
    page = await feed.read(ALLOCATION, 0, 10_000)
    assert sum(len(chunk.texts) for chunk in page.chunks) == 10_000
    assert page.chunks[-1].last == 10_000


async def test_a_live_log_comes_in_order(docker: Docker, feed: LogFeed) -> None:
    docker.streamed = [lines(1, "a", "b"), gap(3, 7, "SLOW_READER"), lines(8, "c")]
    docker.stays = True
    found = await first_of(feed, 3)
    assert [(one.first, one.last, one.gap) for one in found] == [
        (1, 2, ""),
        (3, 7, "SLOW_READER"),
        (8, 8, ""),
    ]
    assert docker.asked[0].cursor == 1


async def test_who_leaves_ends_the_stream_at_the_other_end(docker: Docker, feed: LogFeed) -> None:
    docker.streamed, docker.stays = [lines(1, "a")], True
    await first_of(feed, 1)
    async with asyncio.timeout(AT_MOST):
        await docker.left.wait()


async def test_a_stream_that_fails_has_told_what_came_before(docker: Docker, feed: LogFeed) -> None:
    docker.streamed, docker.fails = [lines(1, "a")], Unavailable("Away.")
    found = []
    with pytest.raises(Unavailable):
        async with asyncio.timeout(AT_MOST):
            async for chunk in feed.follow(ALLOCATION, 0):
                found.append(chunk.last)
    assert found == [1]


async def test_measures_arrive_as_the_contract_writes_them(docker: Docker, feed: LogFeed) -> None:
    stats = [
        container_service_pb2.InstanceStats(cpu_millis=n, memory_bytes=1 << 40) for n in (1, 2)
    ]
    docker.streamed = stats
    async with asyncio.timeout(AT_MOST):
        found = [one async for one in feed.measure(ALLOCATION)]
    assert found == [Measure(wire=one.SerializeToString()) for one in stats]


async def test_a_page_is_asked_for_until_another_replica_has_taken_over(
    docker: Docker, feed: LogFeed
) -> None:
    docker.page = container_service_pb2.ReadLogResponse(
        records=[lines(1, "one")], first_seq=1, last_seq=1, next_cursor=2
    )
    docker.fails = Unavailable("stands by", reason="SERVICE_STOPPING", retry_after=1.0)
    docker.fails_so_often = 3
    page = await feed.read(ALLOCATION, 1, 10)
    assert page.last == 1
    assert len(docker.asked) == 4


async def test_what_is_not_about_being_away_is_told_at_once(docker: Docker, feed: LogFeed) -> None:
    docker.fails = NotFound("gone", reason="ALLOCATION_NOT_FOUND")
    with pytest.raises(NotFound):
        await feed.read(ALLOCATION, 1, 10)
    assert len(docker.asked) == 1


async def test_a_docker_svc_that_is_away_is_unavailable() -> None:
    tokens = ServiceTokens(b"s" * 32)
    channel = PeerChannel("docker_svc", "unix:/nonexistent/d.sock", lambda: tokens.mint("i"))
    feed: LogFeed = GrpcLogFeed(channel)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        await feed.read(ALLOCATION, 0, 1)
    with pytest.raises(Unavailable):
        await anext(feed.follow(ALLOCATION, 0))
    with pytest.raises(Unavailable):
        await anext(feed.measure(ALLOCATION))
    await channel.close()
