"""Request ids in a SQL store: the same request sent twice has one effect and one answer.

In the transaction that has the effect, before it:

    answer = recall(connection, ONCE, once, now)
    if answer is not None:
        return answer
    …the effect…
    remember(connection, ONCE, once, answer, now)

On SQLite one transaction writes at a time, so that the second of two equal requests finds the answer of
the first. On a server they run side by side: there `recall` stores a claim, a row without an answer, and
the second one waits until the first is committed or undone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Index,
    Insert,
    MetaData,
    Select,
    String,
    Table,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.faults import Conflict
from chassis.listing import Once
from chassis.sql.translation import LostRace
from chassis.sql.types import Instant, JsonText

KEPT = timedelta(hours=24)
"""How long an answer is kept."""

_SWEPT_AT_ONCE = 20
# What stands for a fingerprint while the request is being carried out.
_CLAIMED = "claimed"


def once_table(metadata: MetaData, name: str = "once") -> Table:
    """The table that remembers the answers, for the service's metadata and its first migration."""
    table = Table(
        name,
        metadata,
        Column("caller", String(100), primary_key=True),
        Column("method", String(100), primary_key=True),
        Column("request_id", String(64), primary_key=True),
        Column("fingerprint", String(64), nullable=False),
        Column("answer", JsonText(), nullable=False),
        Column("time", Instant(), nullable=False),
    )
    Index(f"{name}_by_time", table.c.time)
    return table


def recall(
    conn: Connection, table: Table, once: Once | None, now: datetime
) -> dict[str, Any] | None:
    """The answer that the request got when it came before; None if it is new or has no request id.

    Args:
        conn: in the transaction that is to have the effect; `answer_of` only looks.
        table: from `once_table`.
        once: the request.
        now: the present.

    Raises:
        Conflict: REQUEST_ID_REUSED, the same caller used the id for another request of this method.
    """
    answer = answer_of(conn, table, once, now)
    if once is None or answer is not None or conn.dialect.name == "sqlite":
        return answer
    statements = _statements(table)
    # The id may be outdated and not yet swept.
    conn.execute(statements.gone, {**_renamed(once), "since": now - KEPT})
    claim = {**_key(once), "fingerprint": _CLAIMED, "answer": {}, "time": now}
    try:
        conn.execute(statements.new, claim)
    except IntegrityError:
        # The same request was carried out while this one waited; or a claim was committed without an
        # answer, because there was nothing to do.
        if conn.execute(statements.take, {**_renamed(once), "time": now}).rowcount:
            return None
        answer = answer_of(conn, table, once, now)
        if answer is None:
            raise _carried_out() from None
    return answer


def answer_of(
    conn: Connection, table: Table, once: Once | None, now: datetime
) -> dict[str, Any] | None:
    """As `recall`, where nothing will be done: in a transaction that only reads."""
    if once is None:
        return None
    row = conn.execute(_statements(table).recent, {**_key(once), "since": now - KEPT}).first()
    if row is None or row.fingerprint == _CLAIMED:
        return None
    if row.fingerprint != once.fingerprint:
        raise Conflict(
            f"The request id {once.request_id} was used for a different {once.method}; "
            "use a new UUID for each new request.",
            reason="REQUEST_ID_REUSED",
            request_id=once.request_id,
        )
    answer: dict[str, Any] = row.answer
    return answer


def remember(
    conn: Connection, table: Table, once: Once | None, answer: Mapping[str, Any], now: datetime
) -> None:
    """Keeps the answer of a request for 24 hours; does nothing for one without a request id.

    Each call also removes a few answers that are older.

    Args:
        conn: in the transaction that has the effect.
        table: from `once_table`.
        once: the request.
        answer: what `recall` shall give; it must fit into JSON.
        now: the present.

    Raises:
        Unavailable: OVERLOADED, the same request is being carried out at this moment. The transaction
            must not be committed.
    """
    if once is None:
        return
    statements = _statements(table)
    since = {"since": now - KEPT}
    outdated = conn.execute(statements.old, since).mappings().all()
    if outdated:
        conn.execute(statements.gone, [{**key, **since} for key in outdated])
    kept = {"fingerprint": once.fingerprint, "answer": dict(answer), "time": now}
    if conn.dialect.name != "sqlite":
        if conn.execute(statements.keep, {**_renamed(once), **kept}).rowcount:
            return
    else:
        # The id itself may be outdated and not yet swept.
        conn.execute(statements.gone, {**_renamed(once), **since})
    try:
        conn.execute(statements.new, {**_key(once), **kept})
    except IntegrityError:
        raise _carried_out() from None


def _carried_out() -> LostRace:
    return LostRace(
        "The same request is being carried out at this moment; try again.",
        reason="OVERLOADED",
        retry_after=1.0,
    )


def _key(once: Once) -> dict[str, str]:
    return {"caller": once.caller, "method": once.method, "request_id": once.request_id}


def _renamed(once: Once) -> dict[str, str]:
    return {f"of_{name}": value for name, value in _key(once).items()}


class _Statements(NamedTuple):
    recent: Select[Any]
    new: Insert
    take: Update
    keep: Update
    old: Select[Any]
    gone: Delete


@lru_cache(maxsize=64)
def _statements(table: Table) -> _Statements:
    key = (table.c.caller, table.c.method, table.c.request_id)
    of_key = tuple(column == bindparam(f"of_{column.name}") for column in key)
    return _Statements(
        recent=select(table.c.fingerprint, table.c.answer).where(
            *(column == bindparam(column.name) for column in key), table.c.time > bindparam("since")
        ),
        new=insert(table),
        take=update(table)
        .where(*of_key, table.c.fingerprint == _CLAIMED)
        .values(time=bindparam("time")),
        keep=update(table).where(*of_key, table.c.fingerprint == _CLAIMED),
        # What another transaction is removing at this moment needs nobody else.
        old=select(*(column.label(f"of_{column.name}") for column in key))
        .where(table.c.time <= bindparam("since"))
        .order_by(table.c.time)
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True),
        gone=delete(table).where(*of_key, table.c.time <= bindparam("since")),
    )
