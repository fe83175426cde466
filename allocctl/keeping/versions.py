"""What the owners know at the moment of a backup, against what the bus has heard since.

The stores are read one after the other, and the bus after them. So it may hold what happened after
its owner was read, and an archive that told of it would tell of what has never been. What is newer
than its owner is put back to where the owner was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chassis.bus import Record, is_compacted

# By store and table: the noun of the topics, and the column that ends the resource's name.
_RESOURCES = {
    ("users", "users"): ("users", "id"),
    ("machines", "machines"): ("machines", "name"),
    ("allocations", "allocations"): ("allocations", "name"),
}


class Versions:
    """The version of every resource that an archive holds, on disk."""

    def __init__(self, scratch: Path) -> None:
        """Keeps them in a file of the scratch folder."""
        self._rows = sqlite3.connect(scratch / "versions.sqlite3", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode=OFF")
        self._rows.execute("CREATE TABLE versions (name TEXT PRIMARY KEY, version INTEGER)")
        self._rows.execute("BEGIN")

    def learn(self, store: str, table: str, row: Mapping[str, Any]) -> None:
        """Looks at a row that goes into the archive."""
        known = _RESOURCES.get((store, table))
        if known is None:
            return
        noun, column = known
        name = f"{noun}/{str(row[column]).removeprefix(f'{noun}/')}"
        self._rows.execute(
            "INSERT OR REPLACE INTO versions VALUES (?, ?)", (name, int(row["version"]))
        )

    def fitting(self, record: Record) -> Record | None:
        """A record as it may stand in the archive; None where it may not.

        A newer fact has not happened. Of a newer state, what it says is one step ahead, which the
        owner's next change puts right: for that it takes the version of the owner.
        """
        row = self._rows.execute(
            "SELECT version FROM versions WHERE name = ?", (record.key,)
        ).fetchone()
        if row is None:
            # Facts about what is gone by now stay, and so do tombstones.
            is_unknown = is_compacted(record.topic) and not record.is_tombstone
            return None if is_unknown else record
        if int(record.headers.get("version") or 0) <= int(row[0]):
            return record
        if record.is_tombstone or not is_compacted(record.topic):
            return None
        return replace(record, headers={**record.headers, "version": str(row[0])})

    def close(self) -> None:
        """Forgets everything."""
        self._rows.close()
