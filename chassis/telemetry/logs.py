"""Structured logs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

_LARGEST_FILE_BYTES = 16 << 20
_FORMER_FILES = 3
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


class LineWriter:
    """Appends lines to a file, or to standard error, in one system call each.

    A file that has grown too large is renamed to `.1`, and those before it to `.2` and so on.
    A line that cannot be written (a full disk) is dropped: logging never ends a process.
    """

    def __init__(self, file: Path | None, largest_bytes: int = _LARGEST_FILE_BYTES) -> None:
        """Opens the file to append to; None for standard error.

        Args:
            file: to append to.
            largest_bytes: a file that is larger is turned over.
        """
        self._file = file
        self._largest_bytes = largest_bytes
        self._lock = threading.Lock()
        self._descriptor = sys.stderr.fileno() if file is None else self._open(file)
        self._size = 0 if file is None else os.fstat(self._descriptor).st_size

    def write(self, line: bytes) -> None:
        """Appends a line, which ends with a line feed."""
        with self._lock, contextlib.suppress(OSError):
            if self._file is not None and self._size > self._largest_bytes:
                self._turn_over(self._file)
            self._size += os.write(self._descriptor, line)

    # What structlog calls, by the name of the level.
    msg = debug = info = warning = error = critical = exception = write

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            os.close(self._descriptor)

    def _turn_over(self, file: Path) -> None:
        os.close(self._descriptor)
        for number in range(_FORMER_FILES - 1, 0, -1):
            former = file.with_name(f"{file.name}.{number}")
            if former.exists():
                former.replace(file.with_name(f"{file.name}.{number + 1}"))
        file.replace(file.with_name(f"{file.name}.1"))
        self._descriptor, self._size = self._open(file), 0

    @staticmethod
    def _open(file: Path) -> int:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


class _LibraryLines(logging.Handler):
    """Writes what libraries log in the form of our own lines."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        event = {"event": record.getMessage(), "source": record.name}
        if record.exc_info:
            event["exception"] = logging.Formatter().formatException(record.exc_info)
        event["level"] = record.levelname.lower()
        _stamp(None, "", event)
        self._writer.write(_render(None, "", event))


_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")


def _render(_logger: Any, _name: str, event: structlog.typing.EventDict) -> bytes:
    """One line of JSON; what JSON cannot say is said by its text."""
    return orjson.dumps(event, default=str, option=_OPTIONS)


class _Quick:
    """Where `log_often` writes: nowhere by itself until lines of level info are wanted."""

    writer: LineWriter | None = None


def log_often(source: str, event: str, values: dict[str, Any]) -> None:
    """Writes a line of level info, as `log(source).info(event, **values)` does, at a third of the cost.

    Args:
        source: the room or the service that tells.
        event: the constant message.
        values: the named values; the line takes the dict over.
    """
    writer = _Quick.writer
    if writer is None:
        log(source).info(event, **values)
        return
    values["source"] = source
    values["event"] = event
    values["level"] = "info"
    values["time"] = datetime.now(UTC)
    writer.write(orjson.dumps(values, default=str, option=_OPTIONS | orjson.OPT_UTC_Z))


def configure_logs(level: str, file: Path | None = None) -> None:
    """Sends every log line, also of libraries, to one place as JSON.

    Args:
        level: the least important lines that are kept, `info`.
        file: the file to append to; standard error by default.
    """
    writer = LineWriter(file)
    number = logging.getLevelNamesMapping()[level.upper()]
    _Quick.writer = writer if number <= logging.INFO else None
    logging.basicConfig(handlers=[_LibraryLines(writer)], level=number, force=True)
    for chatty in ("uvicorn.access", "alembic", "asyncio"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _stamp,
            structlog.processors.format_exc_info,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_names: writer,
        cache_logger_on_first_use=True,
    )


def log(name: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a service or a room; its lines carry the name as `source`."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(name, source=name)
    return bound
