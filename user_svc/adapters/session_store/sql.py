"""Sessions in SQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, or_, select, update

from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.identity import Vault
from chassis.sql import Database, upsert
from chassis.sql.sweeping import in_parts, sweep
from user_svc.adapters.trust_store.sql import put_revocation
from user_svc.domain.names import session_name, user_name
from user_svc.domain.session import Session
from user_svc.domain.trust import Revocation
from user_svc.schema.tables import KNOWN_PLACES, OUTBOX, SESSIONS

EncodeNewPlace = Callable[[Session], Sequence[Record]]

_PLACE_LENGTH = 100
_PLACE_FRESH = timedelta(days=1)
"""A place is not written again where it was so shortly before."""

_ADD = insert(SESSIONS)
_ONE = select(SESSIONS).where(SESSIONS.c.id == bindparam("by_id"))
_OPEN = select(SESSIONS.c.id).where(
    SESSIONS.c.user_id == bindparam("by_user"),
    SESSIONS.c.end_time.is_(None),
    SESSIONS.c.expire_time > bindparam("present"),
)
_OPEN_NEWEST_FIRST = _OPEN.order_by(SESSIONS.c.create_time.desc(), SESSIONS.c.id.desc())
_END = (
    update(SESSIONS)
    .where(SESSIONS.c.id == bindparam("by_id"), SESSIONS.c.end_time.is_(None))
    .values(end_time=bindparam("present"))
)
_ROTATE = (
    update(SESSIONS)
    .where(
        SESSIONS.c.id == bindparam("by_id"),
        SESSIONS.c.turn_hash == bindparam("was_turn_hash"),
        SESSIONS.c.end_time.is_(None),
    )
    .values(
        turn_hash=bindparam("turn_hash"),
        last_turn_hash=bindparam("last_turn_hash"),
        refresh_time=bindparam("refresh_time"),
        expire_time=bindparam("expire_time"),
        user_agent=bindparam("user_agent"),
        address=bindparam("address"),
    )
)
_PLACES = select(KNOWN_PLACES.c.kind, KNOWN_PLACES.c.place, KNOWN_PLACES.c.last_time).where(
    KNOWN_PLACES.c.user_id == bindparam("by_user")
)
_KEEP_PLACE = upsert(KNOWN_PLACES, None, ["user_id", "kind", "place"], ["last_time"])
_SWEEP_PLACES = in_parts(delete(KNOWN_PLACES).where(KNOWN_PLACES.c.last_time < bindparam("before")))
_SWEEP = in_parts(
    delete(SESSIONS).where(
        or_(SESSIONS.c.expire_time < bindparam("before"), SESSIONS.c.end_time < bindparam("before"))
    )
)


def end_sessions(
    connection: Connection,
    user_id: str,
    session_id: str,
    now: datetime,
    revoked_until: datetime,
    *,
    keep: str = "",
) -> list[str]:
    """Ends open sessions of a person and revokes their tokens, in somebody else's transaction.

    Args:
        connection: in the transaction.
        user_id: whose.
        session_id: which one; empty for all but `keep`.
        now: when.
        revoked_until: when the last of their tokens has ended by itself.
        keep: the identifier of one that goes on.

    Returns:
        The identifiers of those that have ended by it.
    """
    keys = {"by_user": user_id, "present": now}
    open_now = connection.execute(_OPEN, keys).scalars().all()
    ended = []
    for one in open_now:
        if one == keep or (session_id and one != session_id):
            continue
        if connection.execute(_END, {"by_id": one, "present": now}).rowcount:
            ended.append(one)
            # Nothing is issued for it from now on, so the time may be that of the last token: this
            # holds where the clocks of replicas differ.
            put_revocation(
                connection,
                Revocation(
                    str(uuid.uuid4()),
                    user_name(user_id),
                    session_name(one),
                    revoked_until,
                    revoked_until,
                    now,
                ),
            )
    return ended


class SqlSessionStore:
    """A SessionStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the keys that make the next token.
        encode: a log-in from a new place as records of the bus.
        waiting: called when records were stored, so that the relay looks at once.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        encode: EncodeNewPlace,
        waiting: Callable[[], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._encode = encode
        self._waiting = waiting

    async def add(self, session: Session, most: int) -> None:
        """Stores a new session; the oldest open ones of the person end where they exceed `most`."""
        sealed = self._vault.seal(session.rotation_key, session.name)
        row = {
            "id": session.id,
            "user_id": session.user_id,
            "family_hash": session.family_hash,
            "turn_hash": session.turn_hash,
            "last_turn_hash": session.last_turn_hash,
            "rotation_key": sealed,
            "create_time": session.create_time,
            "refresh_time": session.refresh_time,
            "expire_time": session.expire_time,
            "end_time": session.end_time,
            "user_agent": session.user_agent,
            "address": session.address,
        }
        keys = {"by_user": session.user_id, "present": session.create_time}
        records = self._encode(session)

        def work(connection: Connection) -> bool:
            connection.execute(_ADD, row)
            is_told = _is_elsewhere(connection, session)
            if is_told:
                append(connection, OUTBOX, records, session.create_time)
            open_now = connection.execute(_OPEN_NEWEST_FIRST, keys).scalars().all()
            for one in open_now[most:]:
                connection.execute(_END, {"by_id": one, "present": session.create_time})
            return is_told

        if await self._database.write(work):
            self._waiting()

    async def get(self, session_id: str) -> Session | None:
        """The session, also one that has ended, until it is swept."""

        def work(connection: Connection) -> Session | None:
            row = connection.execute(_ONE, {"by_id": session_id}).first()
            return None if row is None else self._session(row)

        return await self._database.get(work)

    async def rotate(self, was: Session, becomes: Session) -> bool:
        """Stores a session after its refresh token was used; False if it had changed before."""
        row = {
            "by_id": was.id,
            "was_turn_hash": was.turn_hash,
            "turn_hash": becomes.turn_hash,
            "last_turn_hash": becomes.last_turn_hash,
            "refresh_time": becomes.refresh_time,
            "expire_time": becomes.expire_time,
            "user_agent": becomes.user_agent,
            "address": becomes.address,
        }
        return await self._database.write(
            lambda connection: bool(connection.execute(_ROTATE, row).rowcount)
        )

    async def end(
        self, user_id: str, session_id: str, now: datetime, revoked_until: datetime
    ) -> list[str]:
        """Ends open sessions of a person, and revokes their tokens in the same step."""
        return await self._database.write(
            lambda connection: end_sessions(connection, user_id, session_id, now, revoked_until)
        )

    async def open_of(
        self, user_id: str, now: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[Session]:
        """A person's open sessions, newest first."""
        statement = (
            select(SESSIONS)
            .where(
                SESSIONS.c.user_id == user_id,
                SESSIONS.c.end_time.is_(None),
                SESSIONS.c.expire_time > now,
            )
            .order_by(SESSIONS.c.create_time.desc(), SESSIONS.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            time, session_id = after
            statement = statement.where(
                or_(
                    SESSIONS.c.create_time < time,
                    and_(SESSIONS.c.create_time == time, SESSIONS.c.id < session_id),
                )
            )
        return await self._database.read(
            lambda connection: [self._session(row) for row in connection.execute(statement)]
        )

    async def sweep(self, before: datetime) -> int:
        """Forgets sessions that ended or lapsed before then."""
        return await sweep(self._database, _SWEEP, {"before": before})

    async def sweep_places(self, before: datetime) -> int:
        """Forgets places where nobody has logged in since then."""
        return await sweep(self._database, _SWEEP_PLACES, {"before": before})

    def _session(self, row: Row[Any]) -> Session:
        name = session_name(row.id)
        return Session(
            id=row.id,
            user_id=row.user_id,
            family_hash=bytes(row.family_hash),
            turn_hash=bytes(row.turn_hash),
            rotation_key=self._vault.open(bytes(row.rotation_key), name),
            create_time=row.create_time,
            refresh_time=row.refresh_time,
            expire_time=row.expire_time,
            user_agent=row.user_agent,
            address=row.address,
            last_turn_hash=bytes(row.last_turn_hash),
            end_time=row.end_time,
        )


def _is_elsewhere(connection: Connection, session: Session) -> bool:
    """Remembers the places of a log-in; whether one is new to somebody who has logged in before."""
    now = session.create_time
    found = connection.execute(_PLACES, {"by_user": session.user_id})
    known = {(row.kind, row.place): row.last_time for row in found}
    is_new = False
    for kind, place in ((kind, place[:_PLACE_LENGTH]) for kind, place in session.places):
        last_time = known.get((kind, place))
        is_new = is_new or last_time is None
        if last_time is None or now - last_time > _PLACE_FRESH:
            row = {"user_id": session.user_id, "kind": kind, "place": place, "last_time": now}
            connection.execute(_KEEP_PLACE, row)
    return bool(known) and is_new
