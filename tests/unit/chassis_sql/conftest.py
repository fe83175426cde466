"""A database of books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.clock import ManualClock
from chassis.sql import Database, open_database

SCHEMA = "tests.unit.chassis_sql.shelf_schema"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the database."""
    return tmp_path / "folder" / "books.sqlite3"


@pytest.fixture
async def books(path: Path) -> AsyncIterator[Database]:
    """The database, at the newest schema."""
    database = await open_database(f"sqlite:///{path}", SCHEMA, ManualClock())
    yield database
    await database.close()
