"""Request ids in a SQL store: the same request sent twice has one effect and one answer.

In the transaction that has the effect:

    answer = recall(connection, ONCE, once, now)
    if answer is not None:
        return answer
    …the effect…
    remember(connection, ONCE, once, answer, now)
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

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
    bindparam,
    delete,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from chassis.faults import Conflict, Unavailable
from chassis.listing import Once
from chassis.sql.types import Instant, JsonText

KEPT = timedelta(hours=24)
"""How long an answer is kept."""

_SWEPT_AT_ONCE = 20


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

    Raises:
        Conflict: REQUEST_ID_REUSED, the same caller used the id for another request of this method.
    """
    if once is None:
        return None
    row = conn.execute(_statements(table)[0], {**_key(once), "since": now - KEPT}).first()
    if row is None:
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
    _, new, old, gone = _statements(table)
    since = {"since": now - KEPT}
    outdated = conn.execute(old, since).mappings().all()
    if outdated:
        conn.execute(gone, [{**key, **since} for key in outdated])
    # The id itself may be outdated and not yet swept.
    conn.execute(gone, {**_renamed(once), **since})
    row = {**_key(once), "fingerprint": once.fingerprint, "answer": dict(answer), "time": now}
    try:
        conn.execute(new, row)
    except IntegrityError:
        raise Unavailable(
            "The same request is being carried out at this moment; try again.",
            reason="OVERLOADED",
            retry_after=1.0,
        ) from None


def _key(once: Once) -> dict[str, str]:
    return {"caller": once.caller, "method": once.method, "request_id": once.request_id}


def _renamed(once: Once) -> dict[str, str]:
    return {f"of_{name}": value for name, value in _key(once).items()}


@lru_cache(maxsize=64)
def _statements(table: Table) -> tuple[Select[Any], Insert, Select[Any], Delete]:
    key = (table.c.caller, table.c.method, table.c.request_id)
    recent = select(table.c.fingerprint, table.c.answer).where(
        *(column == bindparam(column.name) for column in key), table.c.time > bindparam("since")
    )
    old = (
        select(*(column.label(f"of_{column.name}") for column in key))
        .where(table.c.time <= bindparam("since"))
        .order_by(table.c.time)
        .limit(_SWEPT_AT_ONCE)
    )
    gone = delete(table).where(
        *(column == bindparam(f"of_{column.name}") for column in key),
        table.c.time <= bindparam("since"),
    )
    return recent, insert(table), old, gone
