"""A copy of a SQLite file, made before a migration changes it."""

from __future__ import annotations

import glob
import os
import sqlite3
from pathlib import Path

_KEPT = 2
_MARK = ".before-"


def copy_before(path: Path, revision: str) -> Path:
    """Copies a database beside itself, as `<file>.before-<revision>`, readable by nobody else.

    The copy is of what is committed now. The newest two copies are kept, older ones removed; one of the
    same revision, of a migration that failed, is replaced.

    Args:
        path: the file of the database. Nobody may write to it meanwhile.
        revision: the one that it is about to be brought to.

    Raises:
        sqlite3.Error: the disk is full, or the database is damaged.
        OSError: the folder cannot be written to.
    """
    copy = path.with_name(f"{path.name}{_MARK}{revision}")
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        _copy(path, unfinished)
        unfinished.replace(copy)
    finally:
        unfinished.unlink(missing_ok=True)
    others = [found for found in copies_of(path) if found != copy]
    for old in others[: max(0, len(others) - _KEPT + 1)]:
        old.unlink(missing_ok=True)
    return copy


def copies_of(path: Path) -> list[Path]:
    """The copies of a database that there are, oldest first."""
    found = [
        file
        for file in path.parent.glob(f"{glob.escape(path.name)}{_MARK}*")
        if not file.name.endswith(".unfinished")
    ]
    return sorted(found, key=lambda file: (file.stat().st_mtime_ns, file.name))


def _copy(source: Path, target: Path) -> None:
    reading = sqlite3.connect(source)
    try:
        writing = sqlite3.connect(target)
        try:
            reading.backup(writing)
            # One file, that can be moved about: without a log beside it.
            writing.execute("PRAGMA journal_mode=DELETE")
        finally:
            writing.close()
    finally:
        reading.close()
    with target.open("rb") as file:
        os.fsync(file.fileno())
