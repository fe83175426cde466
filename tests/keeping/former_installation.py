"""The data folder of the version before the present one, from its recipe in `former/`.

It was written by the version whose every store was at revision 0001: dumps of its SQLite files, and its
other files. Ada has an allocation that she stopped, with a log and a secret variable, and one that she
removed; the first admin has published its machine.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from contextlib import closing
from importlib import import_module
from pathlib import Path

from sqlalchemy import LargeBinary, Table, create_engine, func, insert, select

from chassis.clock import ManualClock
from chassis.sql import Instant, JsonText

RECIPE = Path(__file__).parent / "former"
STORES = {
    "allocations": "allocation_svc.schema",
    "broker": "broker.schema",
    "bus": "chassis.bus.schema",
    "docker": "docker_svc.schema",
    "machines": "machines_svc.schema",
    "notifications": "notifier.schema",
    "users": "user_svc.schema",
}
STOPPED, DELETED = "allocations/wmntuzy7", "allocations/vfa246bh"
SECRET = "swordfish"


def make_former(folder: Path) -> Path:
    """Makes the data folder, as it was when that version had stopped."""
    for name in STORES:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / f"{name}.sqlite3")) as rows:
            rows.execute("PRAGMA journal_mode=WAL")
            rows.executescript((RECIPE / f"{name}.sql").read_text())
    for name, content in json.loads((RECIPE / "files.json").read_text()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else b64decode(content["base64"])
        path.write_bytes(raw)
    return folder


def fill_what_is_empty(folder: Path) -> None:
    """Puts a row into every table that the former version had not, or had nothing in.

    So whatever has come since travels too, without anybody having to remember it here. Of people and
    allocations alone: their rows are the same on files and on servers.

    Args:
        folder: a data folder at the newest revisions.
    """
    for name in ("allocations", "users"):
        engine = create_engine(f"sqlite:///{folder / name}.sqlite3")
        with engine.begin() as connection:
            for table in import_module(f"{STORES[name]}.tables").METADATA.sorted_tables:
                is_empty = not connection.execute(select(func.count()).select_from(table)).scalar()
                if is_empty and table.name not in {"leases", "outbox"}:
                    connection.execute(insert(table).values(_a_row(table)))
        engine.dispose()


def _a_row(table: Table) -> dict[str, object]:
    """A row with something in every column."""
    row: dict[str, object] = {}
    for column in table.columns:
        if isinstance(column.type, Instant):
            row[column.name] = ManualClock().now()
        elif isinstance(column.type, JsonText):
            row[column.name] = {"kept": ["🦊", 7, None]}
        elif isinstance(column.type, LargeBinary):
            row[column.name] = b"\0x\xff"
        else:
            row[column.name] = "x🦊" if column.type.python_type is str else 1
    return row


def tables(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a SQLite file, by table, without who leads and the words that are made of machines."""
    with closing(sqlite3.connect(file)) as rows:
        names = [
            str(name)
            for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted(rows.execute(f"SELECT * FROM {name}"), key=repr)
            for name in names
            if name not in {"alembic_version", "sqlite_sequence", "leases", "machine_words"}
        }


def columns(file: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of a SQLite file, by table, and what it has in each column."""
    with closing(sqlite3.connect(file)) as rows:
        rows.row_factory = sqlite3.Row
        return {
            name: [dict(row) for row in rows.execute(f"SELECT * FROM {name} ORDER BY 1, 2")]
            for name in tables(file)
        }


def revision(file: Path) -> str:
    """The revision of a SQLite file."""
    with closing(sqlite3.connect(file)) as rows:
        return str(rows.execute("SELECT version_num FROM alembic_version").fetchone()[0])
