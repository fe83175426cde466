"""What every `LogJournal` keeps, shown on the one that there is: files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from allocator.containers.v1 import log_pb2

from allocctl.sequence import SequenceChecker
from chassis.faults import Invalid
from docker_svc.adapters.log_journal.files import JournalLimits, open_file_journal
from docker_svc.ports.logs import (
    CUT,
    STDERR,
    STDOUT,
    Extent,
    GapCause,
    JournalUnwritable,
    Lines,
    LogEntry,
    LogJournal,
    Run,
)

MINE = "allocations/abcd2345"
RUN = Run(1, 1)
MANY = 1 << 30


def lines(first: int, count: int, width: int = 0) -> Lines:
    text = b"\n".join(b"line %d" % number + b"." * width for number in range(first, first + count))
    return Lines([1000 * n for n in range(first, first + count)], text, bytes([STDOUT]) * count)


def texts(entries: list[LogEntry]) -> list[str]:
    found = []
    for entry in entries:
        record = log_pb2.LogRecord.FromString(entry.payload)
        if record.WhichOneof("record") == "gap":
            gap = record.gap
            assert (gap.first_seq, gap.last_seq, gap.cause) == (*entry[:2], entry.cause)
            found.append(f"gap {gap.first_seq}-{gap.last_seq} {GapCause(entry.cause).name}")
        else:
            some = record.batch.text.decode().split("\n")
            assert len(some) == len(record.batch.times) == len(record.batch.streams)
            assert record.batch.first_seq == entry.first
            assert entry.last == entry.first + len(some) - 1
            found += some
    return found


def everything(journal: LogJournal, cursor: int = 0, max_bytes: int = MANY) -> list[LogEntry]:
    entries: list[LogEntry] = []
    checker = SequenceChecker(cursor)
    while some := journal.read(MINE, cursor, max_bytes=max_bytes):
        for entry in some:
            checker.feed(entry.first, entry.last, "gap" if entry.cause else "")
        entries += some
        cursor = some[-1].last + 1
    return entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[LogJournal]:
    journal = open_file_journal(folder)
    assert journal.claim()
    yield journal
    journal.close()


def reopened(journal: LogJournal, folder: Path, **limits: float) -> LogJournal:
    journal.close()
    again = open_file_journal(folder, JournalLimits(**limits))  # type: ignore[arg-type]
    assert again.claim()
    return again


def files(folder: Path) -> list[Path]:
    return sorted((folder / "abcd2345").glob("*.log"))


def test_lines_come_back_with_their_numbers(journal: LogJournal) -> None:
    assert journal.extent(MINE) is None
    entry = journal.append(MINE, RUN, lines(1, 3), b"here")
    assert entry[:2] == (1, 3)
    assert journal.append(MINE, RUN, lines(4, 2), b"there")[:2] == (4, 5)
    assert journal.extent(MINE) == Extent(1, 5)
    assert journal.position(MINE) == b"there"
    assert texts(everything(journal)) == [f"line {n}" for n in range(1, 6)]


def test_a_record_that_is_read_is_the_record_that_was_returned(journal: LogJournal) -> None:
    entry = journal.append(MINE, RUN, lines(1, 900, width=80), b"")
    assert journal.read(MINE, 1, max_bytes=MANY) == [entry]


@pytest.mark.parametrize("cursor", [1, 2, 5, 6, 999, 1000])
def test_reading_begins_at_the_cursor(journal: LogJournal, cursor: int) -> None:
    for first in range(1, 1001, 5):
        journal.append(MINE, RUN, lines(first, 5, width=100), b"")
    entries = everything(journal, cursor)
    assert entries[0].first == cursor
    assert [text.rstrip(".") for text in texts(entries)] == [
        f"line {n}" for n in range(cursor, 1001)
    ]


def test_nothing_comes_from_beyond_the_end(journal: LogJournal) -> None:
    assert journal.read(MINE, 7, max_bytes=MANY) == []
    journal.append(MINE, RUN, lines(1, 3), b"")
    assert journal.read(MINE, 4, max_bytes=MANY) == []


def test_a_page_ends_in_the_middle_of_a_record(journal: LogJournal) -> None:
    journal.append(MINE, RUN, lines(1, 100), b"")
    page = journal.read(MINE, 10, max_bytes=MANY, max_lines=5)
    assert texts(page) == [f"line {n}" for n in range(10, 15)]


def test_a_read_is_bounded_and_goes_on(journal: LogJournal) -> None:
    for first in range(1, 20001, 100):
        journal.append(MINE, RUN, lines(first, 100, width=200), b"")
    assert sum(len(e.payload) for e in journal.read(MINE, 0, max_bytes=100_000)) < 300_000
    assert len(texts(everything(journal, max_bytes=100_000))) == 20_000


def test_small_records_of_one_run_are_read_as_few(journal: LogJournal) -> None:
    for n in range(1, 501):
        journal.append(MINE, Run(1, 1 if n <= 250 else 2), lines(n, 1), b"")
    entries = journal.read(MINE, 0, max_bytes=MANY)
    assert [entry[:2] for entry in entries] == [(1, 250), (251, 500)]
    assert texts(entries) == [f"line {n}" for n in range(1, 501)]
    second = log_pb2.LogRecord.FromString(entries[1].payload).batch
    assert (second.generation, second.incarnation) == (1, 2)


def test_streams_and_times_are_kept(journal: LogJournal) -> None:
    streams = bytes([STDOUT, STDERR, STDOUT | CUT])
    times = [1_795_238_331_287_673_172, 5, 6]
    journal.append(MINE, Run(3, 4), Lines(times, b"a\n\nc", streams), b"")
    batch = log_pb2.LogRecord.FromString(journal.read(MINE, 0, max_bytes=MANY)[0].payload).batch
    assert (batch.streams, list(batch.times), batch.text) == (streams, times, b"a\n\nc")
    assert (batch.generation, batch.incarnation) == (3, 4)


def test_numbers_go_on_after_the_process(journal: LogJournal, folder: Path) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"here")
    again = reopened(journal, folder)
    assert again.position(MINE) == b"here"
    assert again.append(MINE, Run(2, 1), lines(4, 1), b"")[:2] == (4, 4)
    assert texts(everything(again)) == ["line 1", "line 2", "line 3", "line 4"]
    again.close()


def test_gaps_take_numbers(journal: LogJournal) -> None:
    journal.append(MINE, RUN, lines(1, 2), b"")
    assert journal.append_gap(MINE, 1, GapCause.ROTATED, b"p")[:2] == (3, 3)
    journal.append(MINE, RUN, lines(4, 1), b"")
    assert texts(everything(journal)) == ["line 1", "line 2", "gap 3-3 ROTATED", "line 4"]


def test_the_oldest_goes_when_there_is_too_much(journal: LogJournal, folder: Path) -> None:
    small = reopened(journal, folder, max_bytes=50_000, segment_bytes=10_000)
    for first in range(1, 5001, 10):
        small.append(MINE, RUN, lines(first, 10, width=20), b"")
    assert sum(each.stat().st_size for each in files(folder)) < 62_000
    extent = small.extent(MINE)
    assert extent is not None
    assert extent.last == 5000
    assert extent.first > 3000
    kept = everything(small)
    assert kept[0].first == extent.first
    wanted = everything(small, 17)
    assert texts(wanted)[0] == f"gap 17-{extent.first - 1} RETENTION"
    assert texts(wanted)[1:] == texts(kept)
    small.close()


def test_numbers_and_position_outlive_what_is_too_old(journal: LogJournal, folder: Path) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"place")
    later = datetime.now(UTC) + timedelta(days=15)
    journal.sweep(later)
    journal.sweep(later)
    assert journal.extent(MINE) == Extent(4, 3)
    assert journal.read(MINE, 0, max_bytes=MANY) == []
    assert texts(everything(journal, 2)) == ["gap 2-3 RETENTION"]
    again = reopened(journal, folder)
    assert again.extent(MINE) == Extent(4, 3)
    assert again.position(MINE) == b"place"
    assert again.append(MINE, RUN, lines(4, 1), b"")[:2] == (4, 4)
    assert texts(everything(again, 1)) == ["gap 1-3 RETENTION", "line 4"]
    again.close()


def test_a_removed_log_goes_with_its_time(journal: LogJournal, folder: Path) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"")
    journal.retire(MINE)
    journal.sweep(datetime.now(UTC) + timedelta(days=1))
    assert journal.extent(MINE) == Extent(1, 3)
    journal.sweep(datetime.now(UTC) + timedelta(days=15))
    assert journal.extent(MINE) is None
    assert not (folder / "abcd2345").exists()


def test_a_log_that_is_used_again_stays(journal: LogJournal) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"")
    journal.retire(MINE)
    journal.reinstate(MINE)
    journal.sweep(datetime.now(UTC) + timedelta(days=15))
    assert journal.extent(MINE) == Extent(4, 3)


def test_removed_logs_go_first_when_all_are_too_much(journal: LogJournal, folder: Path) -> None:
    tight = reopened(journal, folder, total_bytes=20_000)
    for name in ("allocations/old1", "allocations/old2", MINE):
        tight.append(name, RUN, lines(1, 200, width=50), b"")
    now = time.time()
    for age, name in enumerate(("old2", "old1"), start=1):
        tight.retire(f"allocations/{name}")
        os.utime(folder / name / "retired", (now - 1000 * age, now - 1000 * age))
    tight.sweep(datetime.now(UTC))
    assert tight.extent("allocations/old1") is None
    assert tight.extent(MINE) is not None
    tight.close()


@pytest.mark.parametrize("kept", [1, 20, 36, 60, 90])
def test_an_unfinished_record_at_the_end_is_cut_off(
    journal: LogJournal, folder: Path, kept: int
) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"first")
    size = files(folder)[0].stat().st_size
    journal.append(MINE, RUN, lines(4, 3), b"second")
    os.truncate(files(folder)[0], size + kept)
    again = reopened(journal, folder)
    assert again.extent(MINE) == Extent(1, 3)
    assert again.position(MINE) == b"first"
    assert files(folder)[0].stat().st_size == size
    assert again.append(MINE, RUN, lines(4, 1), b"")[:2] == (4, 4)
    assert texts(everything(again)) == ["line 1", "line 2", "line 3", "line 4"]
    again.close()


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("reopen", [True, False])
def test_damage_in_the_middle_is_a_gap(
    journal: LogJournal, folder: Path, header: bool, reopen: bool
) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"")
    size = files(folder)[0].stat().st_size
    journal.append(MINE, RUN, lines(4, 3), b"")
    journal.append(MINE, RUN, lines(7, 3), b"place")
    with files(folder)[0].open("r+b") as file:
        file.seek(size + (10 if header else 60))
        file.write(b"\0\xff\0")
    if reopen:
        journal = reopened(journal, folder)
        assert journal.position(MINE) == b"place"
    assert texts(everything(journal)) == [
        "line 1", "line 2", "line 3", "gap 4-6 JOURNAL_FAULT", "line 7", "line 8", "line 9",
    ]  # fmt: skip
    assert texts(everything(journal, 5))[0] == "gap 5-6 JOURNAL_FAULT"
    journal.close()


def test_a_file_that_is_gone_is_a_gap(journal: LogJournal, folder: Path) -> None:
    small = reopened(journal, folder, segment_bytes=1000)
    for first in range(1, 301, 10):
        small.append(MINE, RUN, lines(first, 10), b"")
    files(folder)[2].unlink()
    again = reopened(small, folder, segment_bytes=1000)
    found = texts(everything(again, 1))
    gaps = [text for text in found if text.startswith("gap")]
    assert len(gaps) == 1
    assert gaps[0].endswith("JOURNAL_FAULT")
    again.close()


def test_one_process_writes_and_others_read_along(journal: LogJournal, folder: Path) -> None:
    small = reopened(journal, folder, segment_bytes=2000)
    other = open_file_journal(folder, JournalLimits(segment_bytes=2000))
    assert not other.claim()
    assert not other.writes
    with pytest.raises(JournalUnwritable):
        other.append(MINE, RUN, lines(1, 1), b"")
    assert other.extent(MINE) is None
    cursor = 1
    for first in range(1, 401, 10):
        small.append(MINE, RUN, lines(first, 10), b"at %d" % first)
        for entry in other.read(MINE, cursor, max_bytes=MANY):
            assert entry.first == cursor
            cursor = entry.last + 1
        assert cursor == first + 10
        assert other.position(MINE) == b"at %d" % first
    small.close()
    assert other.claim()
    assert other.append(MINE, RUN, lines(401, 1), b"")[:2] == (401, 401)
    assert len(texts(everything(other))) == 401
    other.close()


def test_readers_and_the_writer_do_not_disturb_each_other(
    journal: LogJournal, folder: Path
) -> None:
    small = reopened(journal, folder, segment_bytes=20_000, max_bytes=10_000_000)
    total, problems = 20_000, []

    def follow() -> None:
        try:
            checker = SequenceChecker(1)
            deadline = time.monotonic() + 30
            while checker.next <= total and time.monotonic() < deadline:
                for entry in small.read(MINE, checker.next, max_bytes=50_000):
                    assert not entry.cause
                    checker.feed(entry.first, entry.last)
            assert checker.lines == total
        except Exception as problem:  # noqa: BLE001
            problems.append(problem)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(1, total + 1, 50):
        small.append(MINE, RUN, lines(first, 50), b"")
    for thread in threads:
        thread.join(60)
    assert problems == []
    small.close()


def test_a_search_knows_the_digits_of_ascii_only(journal: LogJournal) -> None:
    journal.append(MINE, RUN, Lines([1, 2], "port ٣\nÜber".encode(), b"\1\1"), b"")
    assert journal.search(MINE, 1, RUN, r"port \d", max_bytes=MANY) == (False, 3)
    assert journal.search(MINE, 1, RUN, r"^\w", max_bytes=MANY) == (True, 1)
    assert journal.search(MINE, 1, RUN, r"^\w{4}$", max_bytes=MANY) == (False, 3)
    assert journal.search(MINE, 1, RUN, "^Über$", max_bytes=MANY) == (True, 1)


def test_a_search_goes_on_where_it_ended(journal: LogJournal) -> None:
    journal.append(MINE, RUN, lines(1, 10), b"")
    assert journal.search(MINE, 1, RUN, "line 7$", max_bytes=MANY) == (True, 1)
    assert journal.search(MINE, 1, Run(1, 2), "line 7$", max_bytes=MANY) == (False, 11)
    assert journal.search(MINE, 11, RUN, "line 7$", max_bytes=MANY) == (False, 11)
    journal.append(MINE, RUN, lines(11, 10), b"")
    assert journal.search(MINE, 11, RUN, "line 17", max_bytes=MANY) == (True, 11)


@pytest.mark.parametrize(
    "name", ["allocations/../etc", "allocations/", "x", "allocations/ABCD", "allocations/abcd/.."]
)
def test_only_names_of_allocations_reach_the_disk(journal: LogJournal, name: str) -> None:
    with pytest.raises(Invalid):
        journal.append(name, RUN, lines(1, 1), b"")


def test_what_others_left_in_the_folder_does_not_matter(journal: LogJournal, folder: Path) -> None:
    journal.append(MINE, RUN, lines(1, 3), b"")
    (folder / "abcd2345" / "notes.log").write_text("mine")
    (folder / "abcd2345" / "x.tmp").write_text("mine")
    (folder / "README").write_text("mine")
    again = reopened(journal, folder)
    assert texts(everything(again)) == ["line 1", "line 2", "line 3"]
    again.sweep(datetime.now(UTC))
    again.close()
