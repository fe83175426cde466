"""Log records of the contract: made once, when lines are kept, and sent as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from allocator.containers.v1 import log_pb2

from docker_svc.ports.logs import GapCause, Lines, LogEntry, Run

MERGED_BYTES = 128 * 1024
"""Small records of a quiet instance are merged up to this size when they are read."""
SMALL_BYTES = 16 * 1024
"""Records from this size on are sent as they are."""


def lines_record(first: int, run: Run, lines: Lines) -> bytes:
    """The serialised record of lines whose first has the number `first`."""
    record = log_pb2.LogRecord()
    batch = record.batch
    batch.first_seq = first
    batch.generation = run.generation
    batch.incarnation = run.incarnation
    batch.times.extend(lines.times)
    batch.text = lines.text
    batch.streams = lines.streams
    return record.SerializeToString()


def gap_entry(first: int, last: int, cause: GapCause) -> LogEntry:
    """The entry of the missing numbers from `first` to `last`."""
    gap = log_pb2.LogGap(first_seq=first, last_seq=last, cause=int(cause))  # type: ignore[arg-type]
    return LogEntry(first, last, log_pb2.LogRecord(gap=gap).SerializeToString(), int(cause))


def cut(entry: LogEntry, first: int, last: int) -> LogEntry:
    """The part of an entry from `first` to `last`, both within it."""
    if first == entry.first and last == entry.last:
        return entry
    if entry.cause:
        return gap_entry(first, last, GapCause(entry.cause))
    record = log_pb2.LogRecord.FromString(entry.payload)
    batch = record.batch
    start, stop = first - entry.first, last + 1 - entry.first
    texts = batch.text.split(b"\n")[start:stop]
    times = batch.times[start:stop]
    streams = batch.streams[start:stop]
    run = Run(batch.generation, batch.incarnation)
    payload = lines_record(first, run, Lines(times, b"\n".join(texts), streams))
    return LogEntry(first, last, payload)


def merged(entries: Iterable[LogEntry]) -> list[LogEntry]:
    """The same entries with runs of small ones made one: a message costs more than its bytes."""
    result: list[LogEntry] = []
    small: list[LogEntry] = []
    size = 0
    for entry in entries:
        fits = not entry.cause and len(entry.payload) < SMALL_BYTES
        if small and (not fits or size + len(entry.payload) > MERGED_BYTES):
            result += _joined(small)
            small, size = [], 0
        if fits:
            small.append(entry)
            size += len(entry.payload)
        else:
            result.append(entry)
    if small:
        result += _joined(small)
    return result


def _joined(entries: list[LogEntry]) -> list[LogEntry]:
    """Adjacent entries of lines as few entries: one for each run of a program."""
    if len(entries) == 1:
        return entries
    result: list[LogEntry] = []
    group: list[log_pb2.LogBatch] = []

    def close() -> None:
        first, run = group[0].first_seq, Run(group[0].generation, group[0].incarnation)
        times = [time for batch in group for time in batch.times]
        text = b"\n".join(batch.text for batch in group)
        streams = b"".join(batch.streams for batch in group)
        payload = lines_record(first, run, Lines(times, text, streams))
        result.append(LogEntry(first, first + len(times) - 1, payload))
        group.clear()

    for entry in entries:
        batch = log_pb2.LogRecord.FromString(entry.payload).batch
        if group and (batch.generation, batch.incarnation) != (
            group[0].generation,
            group[0].incarnation,
        ):
            close()
        group.append(batch)
    close()
    return result


def has_match(entry: LogEntry, run: Run, pattern: re.Pattern[str]) -> bool:
    """Whether a line of the entry is of the run and matches."""
    if entry.cause:
        return False
    batch = log_pb2.LogRecord.FromString(entry.payload).batch
    if (batch.generation, batch.incarnation) != run:
        return False
    text = batch.text.decode("utf-8", "replace")
    return any(pattern.search(line) for line in text.split("\n"))
