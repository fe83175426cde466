"""A database of books."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chassis.clock import ManualClock
from chassis.sql import Database, open_database

sys.path.insert(0, str(Path(__file__).parent))

SCHEMA = "shelf_schema"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the database is."""
    return f"sqlite:///{tmp_path}/books.sqlite3"


@pytest.fixture
async def books(url: str) -> AsyncIterator[Database]:
    """The database, at the newest schema."""
    database = await open_database(url, SCHEMA, ManualClock())
    yield database
    await database.close()
