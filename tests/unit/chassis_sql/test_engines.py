"""How connections to a SQLite file are set up."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from chassis.sql.engines import make_sqlite_file, sqlite_engine


def writing(path: Path) -> sqlite3.Connection:
    """Somebody who writes to a file that is new, before it has a WAL."""
    make_sqlite_file(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return other


def test_a_new_file_that_somebody_writes_to_is_waited_for(tmp_path: Path) -> None:
    """SQLite itself says at once that it is locked."""
    path = tmp_path / "new.sqlite3"
    other = writing(path)
    ending = threading.Timer(0.3, other.execute, ("ROLLBACK",))
    ending.start()
    with sqlite_engine(path).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    ending.join()
    other.close()


def test_it_is_not_waited_for_longer_than_for_a_lock(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite3"
    other = writing(path)
    with pytest.raises(OperationalError, match="locked"):
        sqlite_engine(path, busy_timeout=0.1).connect()
    other.close()
