"""What every source of a `LogReader` keeps: each line once, in order, also for a later process."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
import structlog
from allocator.containers.v1 import log_pb2

from allocctl.sequence import SequenceChecker
from chassis.clock import SystemClock
from docker_svc.adapters.log_journal.files import open_file_journal
from docker_svc.adapters.log_source.pump import open_pump
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.ports.logs import CUT, STDERR, STDOUT, GapCause, LogSource
from docker_svc.usecases.logs import Logs
from tests.conformance.scripted_engine import Container, ScriptedEngine, stamp

MINE = "allocations/abcd2345"
START = 1_795_238_331_000_000_000
FAST = SourceLimits(first_retry=0.01, last_retry=0.02)


class Origin(Protocol):
    """Something that writes a log, of one kind or another."""

    start: int
    times: Iterator[int]

    def source(self, instance: str = "one", **more: Any) -> LogSource: ...
    def write(self, *texts: bytes, stream: int = STDOUT, instance: str = "one") -> None: ...
    def stop(self, instance: str = "one") -> None: ...
    def lose(self, instance: str = "one") -> None:
        """Throws away what was written up to now, as a rotation does that was not waited for."""


class EngineOrigin:
    def __init__(self, folder: Path) -> None:
        self.engine = ScriptedEngine(folder / "engine.sock", "one")
        # As now as it can be: what is fresh is read in another way than what is old.
        self.start = time.time_ns()
        self.times = itertools.count(self.start, 30_000)

    def source(self, instance: str = "one", **more: Any) -> LogSource:
        self.engine.containers.setdefault(instance, Container())
        return LogSource("docker", instance, self.engine.address, **more)

    def write(self, *texts: bytes, stream: int = STDOUT, instance: str = "one") -> None:
        for text in texts:
            for piece in [text[at : at + 16384] for at in range(0, len(text), 16384)]:
                self.engine.write(instance, (next(self.times), stream, piece))

    def stop(self, instance: str = "one") -> None:
        self.engine.stop(instance)

    def lose(self, instance: str = "one") -> None:
        self.engine.containers[instance].pieces.clear()

    def close(self) -> None:
        self.engine.close()


class FileOrigin:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start = START
        self.times = itertools.count(START, 30_000)

    def source(self, instance: str = "one", **more: Any) -> LogSource:
        return LogSource("file", instance, str(self.folder / instance), **more)

    def write(self, *texts: bytes, stream: int = STDOUT, instance: str = "one") -> None:
        name = {STDOUT: "stdout", STDERR: "stderr"}[stream]
        with (self.folder / instance).open("ab") as file:
            for text in texts:
                written = stamp(next(self.times)).decode().strip()
                entry = {"log": text.decode("utf-8", "replace"), "stream": name, "time": written}
                file.write(json.dumps(entry).encode() + b"\n")

    def rotate(self, instance: str = "one") -> None:
        (self.folder / instance).replace(self.folder / f"{instance}.1")

    def stop(self, instance: str = "one") -> None:
        pass

    def lose(self, instance: str = "one") -> None:
        # A file that is open may live on without a name, so the new ones get other inodes.
        held = os.open(self.folder / instance, os.O_RDONLY)
        self.write(b"lost\n", instance=instance)
        (self.folder / instance).unlink()
        self.write(b"", instance=instance)
        self.rotate(instance)
        (self.folder / f"{instance}.1").write_bytes(b"")
        os.close(held)

    def close(self) -> None:
        pass


@pytest.fixture(params=[EngineOrigin, FileOrigin], ids=["docker", "file"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineOrigin | FileOrigin]:
    origin = request.param(tmp_path)
    yield origin
    origin.close()


@asynccontextmanager
async def running_logs(folder: Path, limits: SourceLimits = FAST) -> AsyncIterator[Logs]:
    journal = open_file_journal(folder / "journal")
    logs = Logs(journal, open_pump(structlog.get_logger(), limits), SystemClock(), asyncio.Event())
    run = asyncio.create_task(logs.run())
    await logs.writing()
    try:
        yield logs
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await logs.close()


async def collect(logs: Logs, count: int, cursor: int = 0, allocation: str = MINE) -> list[str]:
    """The next so many lines and gaps of the allocation."""
    checker = SequenceChecker(cursor)
    found: list[str] = []
    async with asyncio.timeout(20):
        stream = logs.follow(allocation, cursor)
        async for entry in stream:
            checker.feed(entry.first, entry.last, "gap" if entry.cause else "")
            if entry.cause:
                found.append(f"gap {GapCause(entry.cause).name}")
            else:
                batch = log_pb2.LogRecord.FromString(entry.payload).batch
                found += batch.text.decode().split("\n")
            if len(found) >= count:
                break
        await stream.aclose()  # type: ignore[attr-defined]
    return found


async def page(logs: Logs) -> list[tuple[int, int, int, str]]:
    """Generation, incarnation, stream and text of each line."""
    found = []
    for entry in (await logs.read(MINE, 0, 10_000)).entries:
        batch = log_pb2.LogRecord.FromString(entry.payload).batch
        for stream, text in zip(batch.streams, batch.text.decode().split("\n"), strict=True):
            found.append((batch.generation, batch.incarnation, stream, text))
    return found


def numbered(first: int, last: int) -> list[bytes]:
    return [b"line %d\n" % n for n in range(first, last + 1)]


def names(first: int, last: int) -> list[str]:
    return [f"line {n}" for n in range(first, last + 1)]


async def test_lines_come_once_and_in_order(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(*numbered(1, 500))
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 500) == names(1, 500)
        origin.write(*numbered(501, 505))
        assert await collect(logs, 5, 501) == names(501, 505)


async def test_an_instance_that_has_ended_is_read_to_its_end(
    origin: Origin, tmp_path: Path
) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source(running=False)
        origin.write(*numbered(1, 5000))
        origin.stop()
        await logs.attach(MINE, 1, 1, source)
        assert await logs.drained(MINE, 10)
        assert await collect(logs, 5000) == names(1, 5000)
        assert (await logs.read(MINE, -1, 1)).last == 5000


async def test_a_later_process_goes_on_without_loss_or_repetition(
    origin: Origin, tmp_path: Path
) -> None:
    for round_ in range(4):
        async with running_logs(tmp_path) as logs:
            source = origin.source()
            origin.write(*numbered(round_ * 100 + 1, round_ * 100 + 100))
            await logs.attach(MINE, 1, 1, source)
            assert await collect(logs, (round_ + 1) * 100, 1) == names(1, (round_ + 1) * 100)


async def test_what_was_thrown_away_unread_is_a_gap(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(*numbered(1, 10))
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 10) == names(1, 10)
    origin.write(*numbered(11, 20))
    origin.lose()
    origin.write(*numbered(21, 30))
    for _ in range(2):
        async with running_logs(tmp_path) as logs:
            await logs.attach(MINE, 1, 1, source)
            assert await collect(logs, 21) == [*names(1, 10), "gap ROTATED", *names(21, 30)]


async def test_streams_are_told_apart(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(b"out\n")
        origin.write(b"err\n", stream=STDERR)
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 2) == ["out", "err"]
        assert [line[2] for line in await page(logs)] == [STDOUT, STDERR]


async def test_long_lines_are_cut_and_marked(origin: Origin, tmp_path: Path) -> None:
    long = ("é" * 20_000).encode()
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(b"x" * 16384 + b"\n", long + b"\n", b"y" * 100_000 + b"\n", b"\n", b"end\n")
        await logs.attach(MINE, 1, 1, source)
        await collect(logs, 5)
        found = await page(logs)
        assert [line[2] for line in found] == [STDOUT, STDOUT | CUT, STDOUT | CUT, STDOUT, STDOUT]
        assert [line[3] for line in found] == [
            "x" * 16384, "é" * 8192, "y" * 16384, "", "end",
        ]  # fmt: skip


async def test_what_is_no_text_is_replaced(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(b"a\xff\xfe\n", b"b\xc3\n", "ü\r\u2028\n".encode())
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 3) == ["a\ufffd\ufffd", "b\ufffd", "ü\r\u2028"]


async def test_the_next_instance_is_read_after_the_one_before(
    origin: Origin, tmp_path: Path
) -> None:
    async with running_logs(tmp_path) as logs:
        first, second = origin.source("one"), origin.source("two")
        origin.write(*numbered(1, 3000), instance="one")
        await logs.attach(MINE, 1, 1, first)
        origin.stop("one")
        origin.write(*numbered(3001, 3100), instance="two")
        await logs.attach(MINE, 2, 1, second)
        assert await collect(logs, 3100) == names(1, 3100)
        runs = [line[:2] for line in await page(logs)]
        assert runs == [(1, 1)] * 3000 + [(2, 1)] * 100


async def test_lines_carry_the_run_that_wrote_them(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(*numbered(1, 10))
        await logs.attach(MINE, 1, 1, source)
        await collect(logs, 10)
        again = origin.start + 3_000_000_000
        origin.times = itertools.count(again + 1)
        origin.write(*numbered(11, 20))
        await logs.attach(MINE, 1, 2, origin.source(started_ns=again))
        await collect(logs, 20)
        assert {line[1] for line in (await page(logs))[:10]} == {1}
        origin.write(*numbered(21, 25))
        await collect(logs, 25)
        assert {line[1] for line in (await page(logs))[20:]} == {2}


async def test_what_was_written_before_a_restart_that_nobody_saw_is_told_apart(
    origin: Origin, tmp_path: Path
) -> None:
    origin.source()
    origin.write(*numbered(1, 10))
    again = origin.start + 3_000_000_000
    origin.times = itertools.count(again + 1)
    origin.write(*numbered(11, 20))
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 2, origin.source(started_ns=again))
        await collect(logs, 20)
        assert [line[1] for line in await page(logs)] == [1] * 10 + [2] * 10


async def test_a_program_that_was_started_again_is_read_on(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        origin.source()
        origin.write(*numbered(1, 10))
        origin.stop()
        await logs.attach(MINE, 1, 1, origin.source(running=False))
        assert await logs.drained(MINE, 10)
        origin.write(*numbered(11, 20))
        await logs.attach(MINE, 1, 2, origin.source(running=False))
        assert await logs.drained(MINE, 10)
        assert [line[:2] for line in await page(logs)] == [(1, 1)] * 10 + [(1, 2)] * 10


async def test_what_is_detached_is_read_no_more(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = origin.source()
        origin.write(*numbered(1, 10))
        await logs.attach(MINE, 1, 1, source)
        await collect(logs, 10)
        await logs.detach(MINE)
        assert await logs.drained(MINE, 1)
        # The reader does one thing after the other: once it reads this one, it has heard of the end.
        other = "allocations/other1"
        second = origin.source("two")
        origin.write(*numbered(1, 5), instance="two")
        await logs.attach(other, 1, 1, second)
        assert await collect(logs, 5, allocation=other) == names(1, 5)
        origin.write(*numbered(11, 20))
        origin.write(*numbered(6, 10), instance="two")
        assert await collect(logs, 5, 6, allocation=other) == names(6, 10)
        assert len(await page(logs)) == 10


async def test_a_last_line_without_an_end_is_a_line(origin: Origin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        for incarnation, last in enumerate((b"no end", b"x" * 16384, b"none either"), start=1):
            origin.write(b"one\n", last)
            origin.stop()
            await logs.attach(MINE, 1, incarnation, origin.source(running=False))
            assert await logs.drained(MINE, 10)
        wanted = ["one", "no end", "one", "x" * 16384, "one", "none either"]
        assert await collect(logs, 6) == wanted
    async with running_logs(tmp_path) as logs:
        origin.write(b"more\n")
        await logs.attach(MINE, 1, 4, origin.source(running=False))
        assert await logs.drained(MINE, 10)
        assert await collect(logs, 7) == [*wanted, "more"]


# The engine


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineOrigin]:
    origin = EngineOrigin(tmp_path)
    yield origin
    origin.close()


async def test_an_early_end_is_not_believed(engine: EngineOrigin, tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        source = engine.source()
        engine.engine.containers["one"].cuts = [0, 7, 7, 7, 50, 1, 300]
        engine.write(*numbered(1, 1000))
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 1000) == names(1, 1000)
        engine.stop()
        assert await logs.drained(MINE, 10)
        assert (await logs.read(MINE, -1, 1)).last == 1000


async def test_lines_of_one_moment_are_not_taken_for_one(
    engine: EngineOrigin, tmp_path: Path
) -> None:
    engine.times = itertools.repeat(START)  # type: ignore[assignment]
    async with running_logs(tmp_path) as logs:
        source = engine.source()
        engine.engine.containers["one"].cuts = [3, 5, 11, 40]
        engine.write(*numbered(1, 100))
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 100) == names(1, 100)


async def test_times_need_not_be_in_order(engine: EngineOrigin, tmp_path: Path) -> None:
    swapped = [START + (n ^ 3) * 700_000 for n in range(20_000)]
    engine.times = iter(swapped)  # type: ignore[assignment]
    async with running_logs(tmp_path) as logs:
        source = engine.source()
        engine.engine.containers["one"].cuts = [*range(2, 4000, 397), 19_999]
        engine.write(*numbered(1, 20_000))
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 20_000) == names(1, 20_000)


async def test_an_engine_that_is_away_is_waited_for(tmp_path: Path) -> None:
    source = LogSource("docker", "one", f"unix://{tmp_path}/engine.sock")
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, source)
        for round_ in range(3):
            origin = EngineOrigin(tmp_path)
            origin.times = itertools.count(START, 30_000)
            origin.source()
            origin.write(*numbered(1, 10 * (round_ + 1)))
            assert len(await collect(logs, 10 * (round_ + 1))) == 10 * (round_ + 1)
            origin.close()
            (tmp_path / "engine.sock").unlink()
        assert await collect(logs, 30) == names(1, 30)


async def test_a_container_that_is_gone_unread_leaves_a_gap(
    engine: EngineOrigin, tmp_path: Path
) -> None:
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, LogSource("docker", "nowhere", engine.engine.address))
        assert await logs.drained(MINE, 10)
        assert await collect(logs, 1) == ["gap ROTATED"]


@pytest.mark.parametrize("garbage", [b"Error grabbing logs: unexpected EOF\n", b"x" * 200])
async def test_what_is_no_log_ends_nothing(
    engine: EngineOrigin, tmp_path: Path, garbage: bytes
) -> None:
    async with _odd_server(tmp_path / "odd.sock", garbage), running_logs(tmp_path) as logs:
        odd = LogSource("docker", "x", f"unix://{tmp_path}/odd.sock")
        await logs.attach(MINE, 1, 1, odd)
        source = engine.source()
        engine.write(*numbered(1, 10))
        await logs.attach("allocations/other1", 1, 1, source)
        assert await collect(logs, 10, 0, "allocations/other1") == names(1, 10)


async def test_what_a_lost_node_had_still_to_tell_is_a_gap_that_says_so(
    engine: EngineOrigin, tmp_path: Path
) -> None:
    """Once its instance runs elsewhere; before that its node may come back."""
    words = (
        b"Error grabbing logs: rpc error: code = Unknown desc = warning: incomplete log stream. some "
        b"logs could not be retrieved for the following reasons: node n2 is not available"
    )
    async with _odd_server(tmp_path / "odd.sock", words), running_logs(tmp_path) as logs:
        lost = LogSource("swarm", "task1", f"unix://{tmp_path}/odd.sock")
        await logs.attach(MINE, 1, 1, lost)
        source = engine.source()
        engine.write(*numbered(1, 3))
        await logs.attach(MINE, 1, 2, source)
        assert await collect(logs, 4, 1) == ["gap NODE_LOST", *names(1, 3)]


@asynccontextmanager
async def _odd_server(path: Path, garbage: bytes) -> AsyncIterator[None]:
    answering: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        answering.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + garbage)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_unix_server(answer, str(path))
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()
        # The server does not wait for those whom it has let in.
        await asyncio.gather(*answering)


# The file


async def test_a_file_is_followed_through_its_rotation(tmp_path: Path) -> None:
    origin = FileOrigin(tmp_path)
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, origin.source())
        for turn in range(6):
            origin.write(*numbered(turn * 50 + 1, turn * 50 + 50))
            assert len(await collect(logs, turn * 50 + 50, 1)) == turn * 50 + 50
            origin.rotate()
        origin.write(*numbered(301, 310))
        assert await collect(logs, 310, 1) == names(1, 310)


async def test_a_file_rotated_while_nobody_read_is_read_in_order(tmp_path: Path) -> None:
    origin = FileOrigin(tmp_path)
    async with running_logs(tmp_path) as logs:
        origin.write(*numbered(1, 20))
        await logs.attach(MINE, 1, 1, origin.source())
        await collect(logs, 20)
    origin.write(*numbered(21, 30))
    origin.rotate()
    origin.write(*numbered(31, 40))
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, origin.source())
        assert await collect(logs, 40) == names(1, 40)


async def test_half_a_line_is_waited_for(tmp_path: Path) -> None:
    origin = FileOrigin(tmp_path)
    origin.write(b"one\n", b"two\n")
    content = (tmp_path / "one").read_bytes()
    (tmp_path / "one").write_bytes(content[:-30])
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, origin.source())
        assert await collect(logs, 1) == ["one"]
        with (tmp_path / "one").open("ab") as file:
            file.write(content[-30:])
        assert await collect(logs, 2) == ["one", "two"]


async def test_a_damaged_line_is_left_out(tmp_path: Path) -> None:
    origin = FileOrigin(tmp_path)
    origin.write(b"one\n")
    with (tmp_path / "one").open("ab") as file:
        file.write(b'{"log": "bro\n{"log": 5, "time": "x"}\n[]\n')
    origin.write(b"two\n")
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, origin.source())
        assert await collect(logs, 2) == ["one", "two"]


async def test_pieces_of_the_two_streams_may_alternate(tmp_path: Path) -> None:
    origin = FileOrigin(tmp_path)
    async with running_logs(tmp_path, SourceLimits(max_line=100)) as logs:
        source = origin.source()
        origin.write(b"one ", stream=STDOUT)
        origin.write(b"eins ", stream=STDERR)
        origin.write(b"whole\n", stream=STDERR)
        await logs.attach(MINE, 1, 1, source)
        assert await collect(logs, 1) == ["eins whole"]
    async with running_logs(tmp_path, SourceLimits(max_line=100)) as logs:
        await logs.attach(MINE, 1, 1, source)
        origin.write(b"two\n")
        assert await collect(logs, 2) == ["eins whole", "one two"]


async def test_an_engine_elsewhere_is_read_over_tcp(engine: EngineOrigin, tmp_path: Path) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = engine.engine.address.removeprefix("unix://")
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        inner_writer.write(await reader.readuntil(b"\r\n\r\n"))
        while some := await inner_reader.read(1000):
            writer.write(some)
        writer.close()
        inner_writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with running_logs(tmp_path) as logs:
            engine.source()
            engine.write(*numbered(1, 100))
            source = LogSource("docker", "one", f"tcp://127.0.0.1:{port}")
            await logs.attach(MINE, 1, 1, source)
            assert await collect(logs, 100) == names(1, 100)
            engine.write(*numbered(101, 200))
            assert await collect(logs, 200) == names(1, 200)
            engine.stop()
            await logs.attach(MINE, 1, 1, LogSource("docker", "one", source.address, running=False))
            assert await logs.drained(MINE, 10)
    finally:
        server.close()
        await server.wait_closed()


async def test_an_engine_whose_address_is_none_is_tried_for_ever(tmp_path: Path) -> None:
    async with running_logs(tmp_path) as logs:
        await logs.attach(MINE, 1, 1, LogSource("docker", "one", "https://nowhere"))
        assert not await logs.drained(MINE, 0.1)
