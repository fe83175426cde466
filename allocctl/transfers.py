"""Files that come and go in pieces, with their progress on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from allocctl.failures import Failure

if TYPE_CHECKING:
    from google.api.httpbody_pb2 import HttpBody

PIECE_BYTES = 1 << 18
"""How many bytes go at a time."""

TRANSFER_SECONDS = 24 * 3600.0
"""How long a transfer may take."""

STANDARD = "-"
"""Stands for standard input or output."""


@contextmanager
def _counted(title: str, total: int) -> Iterator[Any]:
    """Shows how far something is, where standard error is a terminal; is called with counts of bytes."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    ) as shown:
        task = shown.add_task(title, total=total or None)
        yield lambda count: shown.advance(task, count)


def receive(call: Any, target: str, default: str) -> str:
    """Writes what a call streams to a file, which is there only once it is whole.

    Args:
        call: the stream of HttpBody; its initial metadata may say `x-volume-bytes`.
        target: the file, a folder, `-` for standard output; empty for `default` in this folder.
        default: what the file is called where that is not said.

    Returns:
        The path that was written; `-` for standard output.

    Raises:
        Failure: the file cannot be written, or is there already.
    """
    metadata = dict(call.initial_metadata())
    total = int(metadata.get("x-volume-bytes", 0))
    if target == STANDARD:
        with _counted(default, total) as count:
            _write(call, sys.stdout.buffer, count)
        return STANDARD
    path = Path(target or default)
    if path.is_dir():
        path /= default
    if path.exists():
        raise Failure(f"{path} is there already; name another file, or remove it first.")
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with scratch.open("xb") as file, _counted(path.name, total) as count:
            _write(call, file, count)
        scratch.replace(path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        call.cancel()
        scratch.unlink(missing_ok=True)
    return str(path)


def _write(call: Iterable[HttpBody], file: BinaryIO, count: Any) -> None:
    for piece in call:
        file.write(piece.data)
        count(len(piece.data))
    file.flush()


def pieces(source: str) -> Iterator[bytes]:
    """The bytes of a file, or of standard input, piece by piece; at least one piece, perhaps empty.

    Raises:
        Failure: it cannot be opened: at once, since what a stream of requests raises is not told.
    """
    try:
        file = sys.stdin.buffer if source == STANDARD else Path(source).open("rb")  # noqa: SIM115 - read later
        total = 0 if source == STANDARD else os.fstat(file.fileno()).st_size
    except OSError as error:
        raise Failure(f"{source} cannot be read: {error.strerror}.") from None
    return _read(file, Path(source).name, total)


def _read(file: BinaryIO, title: str, total: int) -> Iterator[bytes]:
    with file, _counted(title, total) as count:
        piece = file.read(PIECE_BYTES)
        yield piece
        while piece:
            count(len(piece))
            piece = file.read(PIECE_BYTES)
            if piece:
                yield piece
