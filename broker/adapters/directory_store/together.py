"""Learning many entries by a few statements: what is kept is read once, and decided about here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, insert, or_, select, update

from broker.adapters.directory_store.rows import end_row, entry_row
from broker.domain.entry import Ended, Entry
from broker.ports import ENDED_KEPT
from broker.schema.tables import DIRECTORIES, ENTRIES

_COLUMNS = ENTRIES.c
_WRITTEN = select(DIRECTORIES.c.number)
_KEPT = select(
    _COLUMNS.directory,
    _COLUMNS.kind,
    _COLUMNS.name,
    _COLUMNS.version,
    _COLUMNS.create_time,
    _COLUMNS.message.is_(None).label("is_end"),
).where(
    _COLUMNS.directory.in_(bindparam("directories", expanding=True)),
    _COLUMNS.kind.in_(bindparam("kinds", expanding=True)),
    _COLUMNS.name.in_(bindparam("names", expanding=True)),
)
_NEW = insert(ENTRIES)
# Decided about once more where it is written: on a server another replica may have been faster.
_CHANGE = update(ENTRIES).where(
    _COLUMNS.directory == bindparam("of_directory"),
    _COLUMNS.kind == bindparam("of_kind"),
    _COLUMNS.name == bindparam("of_name"),
    or_(
        _COLUMNS.create_time < bindparam("of_time"),
        and_(
            _COLUMNS.create_time == bindparam("of_time"),
            or_(
                _COLUMNS.version < bindparam("of_version"),
                and_(bindparam("of_version") == 0, _COLUMNS.message.is_not(None)),
            ),
        ),
    ),
)
_OLD_ENDS = delete(ENTRIES).where(
    _COLUMNS.message.is_(None), _COLUMNS.write_time < bindparam("before")
)


class _Place(NamedTuple):
    """Where an entry is."""

    directory: int
    kind: str
    name: str


class _Known(NamedTuple):
    """What is known of a name."""

    create_time: datetime
    version: int
    is_end: bool


def learn_together(connection: Connection, news: Sequence[Entry | Ended]) -> None:
    """Learns entries and ends, in their order.

    Args:
        connection: in a transaction.
        news: a few hundred at most.

    Raises:
        IntegrityError: another replica has put one of them meanwhile; nothing may be committed.
    """
    ends = [one.end_time for one in news if isinstance(one, Ended)]
    if ends:
        connection.execute(_OLD_ENDS, {"before": min(ends) - ENDED_KEPT})
    directories = connection.execute(_WRITTEN).scalars().all()
    kept = {
        _Place(row.directory, row.kind, row.name): _Known(
            row.create_time, row.version, bool(row.is_end)
        )
        for row in connection.execute(
            _KEPT,
            {
                "directories": directories,
                "kinds": list({one.kind.value for one in news}),
                "names": list({one.name for one in news}),
            },
        )
    }
    present, rows = dict(kept), {}
    for one in news:
        said = _said_by(one)
        for directory in directories:
            place = _Place(directory, one.kind.value, one.name)
            if _is_news(said, present.get(place)):
                present[place] = said
                rows[place] = one
    added = [_row_at(place, one) for place, one in rows.items() if place not in kept]
    changed = [_change_at(place, one) for place, one in rows.items() if place in kept]
    if added:
        connection.execute(_NEW, added)
    if changed:
        connection.execute(_CHANGE, changed)


def _said_by(one: Entry | Ended) -> _Known:
    if isinstance(one, Entry):
        return _Known(one.create_time, one.version, is_end=False)
    return _Known(one.end_time, 0, is_end=True)


def _is_news(said: _Known, known: _Known | None) -> bool:
    """Whether something that is said is newer than what is known."""
    if known is None or known.create_time < said.create_time:
        return True
    if known.create_time != said.create_time:
        return False
    return not known.is_end if said.is_end else known.version < said.version


def _row_at(place: _Place, one: Entry | Ended) -> dict[str, Any]:
    row = entry_row(one) if isinstance(one, Entry) else end_row(one)
    return {"directory": place.directory, **row}


def _change_at(place: _Place, one: Entry | Ended) -> dict[str, Any]:
    row = _row_at(place, one)
    return {
        **row,
        "of_directory": place.directory,
        "of_kind": place.kind,
        "of_name": place.name,
        "of_time": row["create_time"],
        "of_version": row["version"],
    }
