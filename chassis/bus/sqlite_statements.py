"""What the log in SQLite asks of its tables; each function is work within a transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from chassis.bus.delivery import Rejection
from chassis.bus.port import DeadLetter, Record, is_compacted
from chassis.bus.schema.tables import DEAD_LETTERS, POSITIONS, RECORDS, Kept
from chassis.sql.prepared import Prepared

TOMBSTONES_KEPT = timedelta(days=7)
"""How long a group may be away and still hear that a resource is gone."""

_SWEPT_AT_ONCE = 2000
_REPLAYED_AT_ONCE = 20
_MAX_BYTES = 8 * 2**20

_ADD = insert(RECORDS)
_REPLACE = delete(RECORDS).where(
    RECORDS.c.topic == bindparam("of_topic"),
    RECORDS.c.key == bindparam("of_key"),
    # Written out, not bound: only so does SQLite see that its partial index is enough.
    RECORDS.c.kept > literal_column("0"),
)
AFTER = Prepared(
    select(RECORDS.c.position, RECORDS.c.topic, RECORDS.c.key, RECORDS.c.value, RECORDS.c.headers)
    .where(RECORDS.c.topic == bindparam("topic"), RECORDS.c.position > bindparam("position"))
    .order_by(RECORDS.c.position)
    .limit(bindparam("limit"))
)
"""The records of a topic after a position, for `read_records`; where they are surely few."""

_HOW_MANY_AFTER = select(func.count()).where(
    RECORDS.c.topic == bindparam("topic"), RECORDS.c.position > bindparam("position")
)
LAST = Prepared(select(func.max(RECORDS.c.position)))
"""The position of the newest record of all; NULL where there is none."""

_OUTDATED = (
    select(RECORDS.c.position.label("of_position"))
    .where(RECORDS.c.kept == bindparam("kept"), RECORDS.c.time < bindparam("since"))
    .order_by(RECORDS.c.time)
    .limit(_SWEPT_AT_ONCE)
)
# By a scan: nothing else looks for the facts of a key, and each index costs whoever publishes.
_OF_KEY = select(RECORDS.c.position, RECORDS.c.headers).where(
    RECORDS.c.key == bindparam("key"), RECORDS.c.kept == int(Kept.FOR_A_TIME)
)
_SWEEP = delete(RECORDS).where(RECORDS.c.position == bindparam("of_position"))

_POSITION = select(POSITIONS.c.position).where(
    POSITIONS.c.consumers == bindparam("group"), POSITIONS.c.topic == bindparam("topic")
)
_ADVANCE = sqlite_insert(POSITIONS)
# Never back: one that was overtaken on its way comes too late.
_REMEMBER = _ADVANCE.on_conflict_do_update(
    index_elements=["consumers", "topic"],
    set_={"position": func.max(POSITIONS.c.position, _ADVANCE.excluded.position)},
)

_BURY = insert(DEAD_LETTERS)
_LETTERS = (
    select(DEAD_LETTERS)
    .where(DEAD_LETTERS.c.id > bindparam("after"))
    .order_by(DEAD_LETTERS.c.id)
    .limit(bindparam("limit"))
)
_HOW_MANY_LETTERS = select(func.count()).select_from(DEAD_LETTERS)
_LETTERS_OF_KEY = delete(DEAD_LETTERS).where(DEAD_LETTERS.c.key == bindparam("of_key"))
_REPLAYING = (
    select(DEAD_LETTERS)
    .where(
        DEAD_LETTERS.c.replaying.is_(True),
        DEAD_LETTERS.c.consumers == bindparam("group"),
        DEAD_LETTERS.c.topic == bindparam("topic"),
    )
    .order_by(DEAD_LETTERS.c.id)
    .limit(_REPLAYED_AT_ONCE)
)
ANY_REPLAYING = Prepared(
    select(DEAD_LETTERS.c.id).where(DEAD_LETTERS.c.replaying.is_(True)).limit(1)
)
"""Whether any dead letter waits to be consumed again."""

_TOPIC_OF = select(DEAD_LETTERS.c.topic).where(DEAD_LETTERS.c.id == bindparam("of_id"))
_MARK = update(DEAD_LETTERS).where(DEAD_LETTERS.c.id == bindparam("of_id")).values(replaying=True)
_SETTLED = delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == bindparam("of_id"))
_FAILED_AGAIN = update(DEAD_LETTERS).where(DEAD_LETTERS.c.id == bindparam("of_id"))


def add(conn: Connection, records: Sequence[Record], now: datetime) -> tuple[int, Sequence[Record]]:
    """Adds records; on state topics each replaces the one of its key.

    Returns:
        The position of the first one, and those that were added, each at the next position.
    """
    newest = {(r.topic, r.key): place for place, r in enumerate(records) if is_compacted(r.topic)}
    replaced = [{"of_topic": topic, "of_key": key} for topic, key in newest]
    if replaced:
        conn.execute(_REPLACE, replaced)
    added = [
        record
        for place, record in enumerate(records)
        if newest.get((record.topic, record.key), place) == place
    ]
    conn.execute(
        _ADD,
        [
            {
                "topic": record.topic,
                "key": record.key,
                "value": record.value,
                "headers": dict(record.headers),
                "time": now,
                "kept": _kept(record),
            }
            for record in added
        ],
    )
    last: int = conn.execute(LAST.statement).scalar_one()
    return last - len(added) + 1, added


def records_after(
    conn: Connection, topic: str, position: int, limit: int
) -> list[tuple[int, Record]]:
    """The records of a topic after a position, at most 8 MiB of them, with their positions."""
    found: list[tuple[int, Record]] = []
    size = 0
    rows = conn.execute(AFTER.statement, {"topic": topic, "position": position, "limit": limit})
    for row in rows.yield_per(50):
        found.append((row.position, Record(row.topic, row.key, row.value, row.headers)))
        size += len(row.value)
        if size >= _MAX_BYTES:
            break
    rows.close()
    return found


def read_records(rows: Sequence[tuple[Any, ...]]) -> list[tuple[int, Record]]:
    """Rows of `AFTER` as records with their positions."""
    return [(position, Record(*record)) for position, *record in rows]


def how_many_after(conn: Connection, topic: str, position: int) -> int:
    """How many records a topic has after a position."""
    return int(conn.execute(_HOW_MANY_AFTER, {"topic": topic, "position": position}).scalar_one())


def facts_of(conn: Connection, key: str, but: str) -> list[int]:
    """The positions of the facts of a key, without the one of that id."""
    rows = conn.execute(_OF_KEY, {"key": key})
    return [row.position for row in rows if not but or row.headers.get("ce-id") != but]


def erase(conn: Connection, positions: Sequence[int], key: str) -> int:
    """Removes the records at these positions, and the dead letters of a key; says how many."""
    if positions:
        conn.execute(_SWEEP, [{"of_position": position} for position in positions])
    return len(positions) + conn.execute(_LETTERS_OF_KEY, {"of_key": key}).rowcount


def sweep(conn: Connection, now: datetime, retention: timedelta) -> int:
    """Removes some of the facts and tombstones that are older than they are kept; says how many."""
    outdated: list[dict[str, Any]] = []
    for kept, span in ((Kept.FOR_A_TIME, retention), (Kept.AS_TOMBSTONE, TOMBSTONES_KEPT)):
        rows = conn.execute(_OUTDATED, {"kept": int(kept), "since": now - span})
        outdated += [dict(row) for row in rows.mappings()]
    if outdated:
        conn.execute(_SWEEP, outdated)
    return len(outdated)


def position(conn: Connection, group: str, topic: str) -> int:
    """How far a group is; 0 at first."""
    found = conn.execute(_POSITION, {"group": group, "topic": topic}).scalar()
    return int(found or 0)


def remember(conn: Connection, reached: Mapping[tuple[str, str], int]) -> None:
    """Keeps how far groups are, by group and topic."""
    rows = [
        {"consumers": group, "topic": topic, "position": position}
        for (group, topic), position in reached.items()
    ]
    conn.execute(_REMEMBER, rows)


def bury(conn: Connection, group: str, record: Record, rejection: Rejection, now: datetime) -> None:
    """Keeps a record that a group could not consume."""
    conn.execute(
        _BURY,
        {
            "consumers": group,
            "topic": record.topic,
            "key": record.key,
            "value": record.value,
            "headers": dict(record.headers),
            "reason": rejection.reason,
            "message": rejection.message,
            "attempts": rejection.attempts,
            "time": now,
            "replaying": False,
        },
    )


def dead_letters(conn: Connection, limit: int, after: int) -> list[DeadLetter]:
    """A page of the dead letters."""
    return [_letter(row) for row in conn.execute(_LETTERS, {"limit": limit, "after": after})]


def count_dead_letters(conn: Connection) -> int:
    """How many dead letters there are."""
    return int(conn.execute(_HOW_MANY_LETTERS).scalar_one())


def discard(conn: Connection, letter: int) -> bool:
    """Removes a dead letter; says whether it was there."""
    return conn.execute(_SETTLED, {"of_id": letter}).rowcount > 0


def mark_for_replay(conn: Connection, letter: int) -> str | None:
    """Marks a dead letter to be consumed again; gives its topic, None if there is no such letter."""
    topic = conn.execute(_TOPIC_OF, {"of_id": letter}).scalar()
    if topic is None:
        return None
    conn.execute(_MARK, {"of_id": letter})
    return str(topic)


def replaying(conn: Connection, group: str, topic: str) -> list[DeadLetter]:
    """Some dead letters that wait to be consumed again."""
    rows = conn.execute(_REPLAYING, {"group": group, "topic": topic})
    return [_letter(row) for row in rows]


def settle(conn: Connection, letter: int, rejection: Rejection | None, now: datetime) -> None:
    """Removes a dead letter that was consumed, or keeps why it failed again."""
    if rejection is None:
        conn.execute(_SETTLED, {"of_id": letter})
        return
    conn.execute(
        _FAILED_AGAIN,
        {
            "of_id": letter,
            "reason": rejection.reason,
            "message": rejection.message,
            "attempts": rejection.attempts,
            "time": now,
            "replaying": False,
        },
    )


def _kept(record: Record) -> int:
    if not is_compacted(record.topic):
        return int(Kept.FOR_A_TIME)
    return int(Kept.UNTIL_REPLACED if record.value else Kept.AS_TOMBSTONE)


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        group=row.consumers,
        record=Record(row.topic, row.key, row.value, row.headers),
        reason=row.reason,
        message=row.message,
        attempts=row.attempts,
        time=row.time,
        replaying=row.replaying,
    )
