"""Entries and ends as rows of tables, and as documents, which have the same fields."""

from __future__ import annotations

from typing import Any

from broker.domain.entry import Ended, Entry


def entry_row(entry: Entry) -> dict[str, Any]:
    """An entry, but for the directory that it is in."""
    return {
        "kind": entry.kind.value,
        "name": entry.name,
        "version": entry.version,
        "create_time": entry.create_time,
        "message": entry.message,
        "owner": entry.owner,
        "machine": entry.machine,
        "write_time": entry.write_time,
    }


def end_row(ended: Ended) -> dict[str, Any]:
    """An end, but for the directory that it is in."""
    return {
        "kind": ended.kind.value,
        "name": ended.name,
        # No version of what was made by then is newer, every version of what comes after is.
        "version": 0,
        "create_time": ended.end_time,
        "message": None,
        "owner": "",
        "machine": "",
        "write_time": ended.end_time,
    }
