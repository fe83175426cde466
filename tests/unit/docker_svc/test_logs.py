"""Handing logs out: pages, followers, probes; on the file journal and the file source."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from allocator.containers.v1 import container_service_pb2, log_pb2

from allocctl.sequence import SequenceChecker
from chassis.clock import SystemClock
from chassis.faults import Invalid
from chassis.rpc import Call
from docker_svc.adapters.log_journal.files import JournalLimits, open_file_journal
from docker_svc.adapters.log_source.pump import open_pump
from docker_svc.adapters.node_lock.file import FileNodeLock
from docker_svc.ports.logs import LogEntry, LogNotFound, LogSource, ServiceStopping
from docker_svc.transport.log_servicing import LogServicing
from docker_svc.usecases.duty import Duty, NotOnDuty, Work
from docker_svc.usecases.followers import Followers
from docker_svc.usecases.logs import LogLimits, Logs

MINE = "allocations/abcd2345"
SMALL = LogLimits(recent_bytes=2000, read_bytes=4000)


class Instance:
    """A program that writes a file of JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "instance.log"
        self.path.touch()
        self.written = 0

    def write(self, count: int, text: str = "line") -> None:
        with self.path.open("ab") as file:
            for _ in range(count):
                self.written += 1
                time = f"2026-11-21T05:00:{self.written % 60:02d}.5Z"
                line = {"log": f"{text} {self.written}\n", "stream": "stdout", "time": time}
                file.write(json.dumps(line).encode() + b"\n")

    def source(self, *, running: bool = True) -> LogSource:
        return LogSource("file", "one", str(self.path), running)


class Service:
    def __init__(self, logs: Logs, draining: asyncio.Event, run: asyncio.Task[None]) -> None:
        self.logs = logs
        self.draining = draining
        self.run = run


@asynccontextmanager
async def serving(
    folder: Path, limits: LogLimits = SMALL, journal: JournalLimits | None = None
) -> AsyncIterator[Service]:
    draining = asyncio.Event()
    logs = Logs(
        open_file_journal(folder / "journal", journal),
        open_pump(structlog.get_logger()),
        SystemClock(),
        draining,
        limits,
    )
    run = asyncio.create_task(logs.run())
    try:
        yield Service(logs, draining, run)
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await logs.close()


async def on_duty(folder: Path, logs: Logs) -> Duty:
    """A replica that works with these logs, and has nothing else."""

    async def begin(_exits: AsyncExitStack) -> Work:
        nobody = cast("Any", None)
        return Work(nobody, nobody, nobody, logs, nobody, nobody, Followers(SystemClock()))

    duty = Duty(
        FileNodeLock(folder / "node.lock", "one"),
        begin,
        SystemClock(),
        asyncio.Event(),
        is_shared=False,
        log=structlog.get_logger(),
    )
    await duty.take_over(asyncio.Event())
    return duty


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


async def taken(stream: AsyncIterator[LogEntry], until: int, checker: SequenceChecker) -> None:
    async with asyncio.timeout(20):
        while checker.next <= until:
            entry = await anext(stream)
            checker.feed(entry.first, entry.last, "gap" if entry.cause else "")


async def closed(stream: AsyncIterator[LogEntry]) -> None:
    await cast("Any", stream).aclose()


async def written(service: Service, instance: Instance, count: int) -> None:
    """Has so many lines in the journal."""
    instance.write(count)
    await service.logs.attach(MINE, 1, 1, instance.source())
    stream = service.logs.follow(MINE, instance.written)
    async with asyncio.timeout(20):
        assert (await anext(stream)).first == instance.written
    await closed(stream)


async def test_a_page_says_where_it_is(tmp_path: Path, instance: Instance) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 50)
        page = await service.logs.read(MINE, 11, 10)
        assert (page.first, page.last, page.next_cursor) == (1, 50, 21)
        assert [entry[:2] for entry in page.entries] == [(11, 20)]
        end = await service.logs.read(MINE, page.last + 1, 10)
        assert (end.entries, end.next_cursor) == ([], 51)


@pytest.mark.parametrize(("cursor", "first"), [(-1, 50), (-10, 41), (-50, 1), (-900, 1), (0, 1)])
async def test_a_negative_cursor_counts_from_the_end(
    tmp_path: Path, instance: Instance, cursor: int, first: int
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 50)
        assert (await service.logs.read(MINE, cursor, 1000)).entries[0].first == first
        stream = service.logs.follow(MINE, cursor)
        assert (await anext(stream)).first == first
        await closed(stream)


async def test_an_allocation_without_a_log_has_no_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(LogNotFound):
            await service.logs.read(MINE, 0, 10)


async def test_a_follower_may_come_before_the_log(tmp_path: Path, instance: Instance) -> None:
    async with serving(tmp_path) as service:
        streams = [service.logs.follow(MINE, cursor) for cursor in (0, -5, 1, 3)]
        firsts = [asyncio.create_task(anext(stream)) for stream in streams]  # type: ignore[arg-type]
        await service.logs.writing()
        instance.write(10)
        await service.logs.attach(MINE, 1, 1, instance.source())
        async with asyncio.timeout(10):
            assert [(await first).first for first in firsts] == [1, 1, 1, 3]
        for stream in streams:
            await closed(stream)


async def test_replay_goes_over_into_live_without_a_seam(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 2000)

        async def follow(cursor: int) -> int:
            stream, checker = service.logs.follow(MINE, cursor), SequenceChecker(cursor)
            await taken(stream, 4000, checker)
            await closed(stream)
            return checker.lines

        followers = [asyncio.create_task(follow(cursor)) for cursor in (1, 500, 1999, 2000, 2001)]
        for _ in range(40):
            instance.write(50)
            await asyncio.sleep(0)
        assert [await each for each in followers] == [4000, 3501, 2002, 2001, 2000]


async def test_a_slow_follower_misses_nothing_and_slows_nobody(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 10)
        slow, slow_checker = service.logs.follow(MINE, 1), SequenceChecker(1)
        quick, quick_checker = service.logs.follow(MINE, 1), SequenceChecker(1)
        await taken(slow, 10, slow_checker)
        for _ in range(20):
            instance.write(200)
            await taken(quick, instance.written, quick_checker)
        await taken(slow, instance.written, slow_checker)
        assert slow_checker.lines == quick_checker.lines == 4010
        await closed(slow)
        await closed(quick)


async def test_what_a_slow_follower_finds_gone_is_a_gap(tmp_path: Path, instance: Instance) -> None:
    kept = JournalLimits(max_bytes=40_000, segment_bytes=5000)
    async with serving(tmp_path, journal=kept) as service:
        await written(service, instance, 10)
        stream, checker = service.logs.follow(MINE, 1), SequenceChecker(1)
        await taken(stream, 10, checker)
        await written(service, instance, 5000)
        await taken(stream, 5010, checker)
        assert checker.gaps == {"gap": 1}
        assert checker.lines + checker.missing == 5010
        await closed(stream)


async def test_a_busy_event_loop_costs_no_line(tmp_path: Path, instance: Instance) -> None:
    limits = LogLimits(handed_entries=1, recent_bytes=2000, read_bytes=4000)
    async with serving(tmp_path, limits) as service:
        await written(service, instance, 10)
        stream, checker = service.logs.follow(MINE, 1), SequenceChecker(1)
        for _ in range(30):
            instance.write(100)
            await taken(stream, instance.written - 50, checker)
        await taken(stream, instance.written, checker)
        assert checker.lines == 3010
        await closed(stream)


async def test_followers_are_sent_away_when_the_service_stops(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 10)
        stream = service.logs.follow(MINE, 11)
        waiting = asyncio.create_task(anext(stream))  # type: ignore[arg-type]
        probe = asyncio.create_task(service.logs.matches(MINE, 1, 1, "never"))
        await asyncio.sleep(0)
        service.draining.set()
        async with asyncio.timeout(5):
            for task in (waiting, probe):
                with pytest.raises(ServiceStopping):
                    await task


async def test_a_probe_waits_for_its_line(tmp_path: Path, instance: Instance) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 10)
        probe = asyncio.create_task(service.logs.matches(MINE, 1, 1, "^ready to .* 1[0-9]+$"))
        await written(service, instance, 3)
        assert not probe.done()
        instance.write(1, "ready to serve")
        async with asyncio.timeout(10):
            await probe
            await service.logs.matches(MINE, 1, 1, "^line 7$")


async def test_a_line_of_another_run_does_not_answer_a_probe(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await service.logs.matches(MINE, 1, 2, "line")


async def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as service:
        with pytest.raises(Invalid):
            await service.logs.matches(MINE, 1, 1, "(")


async def test_a_second_process_goes_on_where_the_first_has_ended(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as first:
        await written(first, instance, 100)
        async with serving(tmp_path) as second:
            first.run.cancel()
            await asyncio.gather(first.run, return_exceptions=True)
            assert not second.logs.writes
            await first.logs.close()
            async with asyncio.timeout(10):
                await second.logs.writing()
            stream, checker = second.logs.follow(MINE, 1), SequenceChecker(1)
            await second.logs.attach(MINE, 1, 1, instance.source())
            instance.write(50)
            await taken(stream, 150, checker)
            assert checker.lines == 150
            await closed(stream)


async def test_a_log_that_is_closed_says_that_the_service_stops(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 10)
    with pytest.raises(ServiceStopping):
        await service.logs.read(MINE, 1, 10)


async def test_the_servicer_hands_out_the_bytes_of_the_journal(
    tmp_path: Path, instance: Instance
) -> None:
    async with serving(tmp_path) as service:
        await written(service, instance, 30)
        duty = await on_duty(tmp_path, service.logs)
        servicer, call = LogServicing(duty), cast("Call", None)
        read = container_service_pb2.ReadLogRequest(allocation=MINE, cursor=5, max_lines=10)
        page = await servicer.ReadLog(read, call)
        assert (page.first_seq, page.last_seq, page.next_cursor) == (1, 30, 15)
        assert page.records[0].batch.text.split(b"\n")[0] == b"line 5"
        follow = container_service_pb2.FollowLogRequest(allocation=MINE, cursor=-2)
        stream = servicer.FollowLog(follow, call)
        record = log_pb2.LogRecord.FromString(await anext(stream))
        assert record.batch.text == b"line 29\nline 30"
        await cast("Any", stream).aclose()
        await duty.hand_over()
        with pytest.raises(NotOnDuty):
            await servicer.ReadLog(read, call)
