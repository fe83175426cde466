"""What the owners know at the moment of a backup, against what the bus has heard since.

The stores are read one after the other, and the bus after them. So it may hold what happened after
its owner was read, and an archive that told of it would tell of what has never been. What is newer
than its owner is put back to where the owner was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chassis.bus import Record, is_compacted

# By store and table: the noun of the topics, and the key of a row's records there.
_RESOURCES: Mapping[tuple[str, str], tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    ("users", "users"): ("users", lambda row: _named("users", row["id"])),
    ("machines", "machines"): ("machines", lambda row: _named("machines", row["name"])),
    ("allocations", "allocations"): ("allocations", lambda row: _named("allocations", row["name"])),
    ("allocations", "nodes"): ("nodes", lambda row: _named("nodes", row["name"])),
    ("allocations", "volumes"): ("volumes", lambda row: _named("volumes", row["name"])),
    # A feed has the key of its machine.
    ("feed", "feeds"): ("feed", lambda row: str(row["machine"])),
}
_NOUNS = frozenset(noun for noun, _ in _RESOURCES.values())


class Versions:
    """The version of every resource that an archive holds, by the noun of its topics, on disk."""

    def __init__(self, scratch: Path) -> None:
        """Keeps them in a file of the scratch folder."""
        self._rows = sqlite3.connect(scratch / "versions.sqlite3", isolation_level=None)
        self._rows.execute("PRAGMA journal_mode=OFF")
        self._rows.execute(
            "CREATE TABLE versions (noun TEXT, key TEXT, version INTEGER, "
            "PRIMARY KEY (noun, key)) WITHOUT ROWID"
        )
        self._rows.execute("BEGIN")

    def learn(self, store: str, table: str, row: Mapping[str, Any]) -> None:
        """Looks at a row that goes into the archive."""
        known = _RESOURCES.get((store, table))
        if known is None:
            return
        noun, key_of = known
        self._rows.execute(
            "INSERT OR REPLACE INTO versions VALUES (?, ?, ?)",
            (noun, key_of(row), int(row["version"])),
        )

    def fitting(self, record: Record) -> Record | None:
        """A record as it may stand in the archive; None where it may not.

        A newer fact has not happened. Of a newer state, what it says is one step ahead, which the
        owner's next change puts right: for that it takes the version of the owner.
        """
        noun = _noun_of(record.topic)
        if noun not in _NOUNS:
            # Nobody's state: it only tells.
            return record
        row = self._rows.execute(
            "SELECT version FROM versions WHERE noun = ? AND key = ?", (noun, record.key)
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


def _named(noun: str, end: object) -> str:
    """The name of a resource, of which a column may hold the end alone."""
    return f"{noun}/{str(end).removeprefix(f'{noun}/')}"


def _noun_of(topic: str) -> str:
    """`feed` of `allocator.feed.state.v1`; empty where the name is another one."""
    words = topic.split(".")
    return words[1] if len(words) == 4 else ""
