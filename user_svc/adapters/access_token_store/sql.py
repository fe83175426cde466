"""Personal access tokens in SQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from chassis.identity.caller import ADMIN_SCOPE
from chassis.sql import Database
from chassis.sql.sweeping import in_parts, sweep
from user_svc.adapters.trust_store.sql import put_revocation
from user_svc.domain.access_token import AccessToken
from user_svc.domain.account import Role
from user_svc.domain.faults import RoleMissing, SessionOver, TooManyAccessTokens
from user_svc.domain.names import access_token_name, user_name
from user_svc.domain.trust import Revocation
from user_svc.schema.tables import ACCESS_TOKENS, SESSIONS, SIGNING_KEYS, USERS

_CLOCKS = timedelta(minutes=10)
"""How much longer than the token a revocation is kept, for clocks that differ."""

_USE_KNOWN = timedelta(minutes=1)
"""A use is not written where one is known from so shortly before."""

# Locks the account: a change of it that ends tokens comes before this, or sees what this has stored.
_OWNER = (
    select(USERS.c.roles, USERS.c.state).where(USERS.c.id == bindparam("by_user")).with_for_update()
)
_OPEN_SESSION = select(SESSIONS.c.id).where(
    SESSIONS.c.id == bindparam("by_session"),
    SESSIONS.c.user_id == bindparam("by_user"),
    SESSIONS.c.end_time.is_(None),
)
_COUNT = select(func.count()).where(
    ACCESS_TOKENS.c.user_id == bindparam("by_user"),
    ACCESS_TOKENS.c.expire_time > bindparam("present"),
)
_ADD = insert(ACCESS_TOKENS)
_NEED_KEY = (
    update(SIGNING_KEYS)
    .where(
        SIGNING_KEYS.c.id == bindparam("by_key"),
        or_(
            SIGNING_KEYS.c.needed_until.is_(None),
            SIGNING_KEYS.c.needed_until < bindparam("until"),
        ),
    )
    .values(needed_until=bindparam("until"))
)
_OF_USER = select(ACCESS_TOKENS).where(ACCESS_TOKENS.c.user_id == bindparam("by_user"))
_ONE = _OF_USER.where(ACCESS_TOKENS.c.id == bindparam("by_id"))
_DELETE = delete(ACCESS_TOKENS).where(ACCESS_TOKENS.c.id == bindparam("by_id"))
_NOTE_USE = (
    update(ACCESS_TOKENS)
    .where(
        ACCESS_TOKENS.c.id.in_(bindparam("by_ids", expanding=True)),
        or_(
            ACCESS_TOKENS.c.last_use_time.is_(None),
            ACCESS_TOKENS.c.last_use_time < bindparam("known"),
        ),
    )
    .values(last_use_time=bindparam("present"))
)
_SWEEP = in_parts(delete(ACCESS_TOKENS).where(ACCESS_TOKENS.c.expire_time < bindparam("before")))


def end_access_tokens(
    connection: Connection, user_id: str, now: datetime, *, only_admins: bool = False
) -> int:
    """Ends personal access tokens of a person, in somebody else's transaction.

    Args:
        connection: in the transaction, which has changed the account before.
        user_id: whose.
        now: when.
        only_admins: True for those alone that have the scope `admin`.

    Returns:
        How many have ended by it.
    """
    found = [_token(row) for row in connection.execute(_OF_USER, {"by_user": user_id})]
    ended = [one for one in found if not only_admins or ADMIN_SCOPE in one.scopes]
    for one in ended:
        _end(connection, one, now)
    return len(ended)


class SqlAccessTokenStore:
    """An AccessTokenStore on MySQL and SQLite.

    Args:
        database: where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token: AccessToken, *, session_id: str, key_id: str, most: int) -> None:
        """Stores a new one, and keeps the key that signs it until the token has ended."""
        keys = {
            "by_user": token.user_id,
            "by_session": session_id,
            "present": token.create_time,
        }
        row = {
            "id": token.id,
            "user_id": token.user_id,
            "title": token.title,
            "scopes": list(token.scopes),
            "create_time": token.create_time,
            "expire_time": token.expire_time,
            "last_use_time": token.last_use_time,
        }

        def work(connection: Connection) -> None:
            owner = connection.execute(_OWNER, keys).first()
            if owner is None or connection.execute(_OPEN_SESSION, keys).first() is None:
                raise SessionOver("The session was ended; log in again.")
            if ADMIN_SCOPE in token.scopes and Role.ADMIN.value not in owner.roles:
                raise RoleMissing(f"Only admins can give an access token the scope {ADMIN_SCOPE}.")
            if connection.execute(_COUNT, keys).scalar_one() >= most:
                raise TooManyAccessTokens(
                    f"You have {most} access tokens already; delete one that you do not need.",
                    most=str(most),
                )
            connection.execute(_ADD, row)
            connection.execute(_NEED_KEY, {"by_key": key_id, "until": token.expire_time})

        await self._database.write(work)

    async def live_of(
        self, user_id: str, now: datetime, after: tuple[datetime, str] | None, limit: int
    ) -> list[AccessToken]:
        """A person's tokens that have not ended, newest first."""
        table = ACCESS_TOKENS.c
        statement = (
            select(ACCESS_TOKENS)
            .where(table.user_id == user_id, table.expire_time > now)
            .order_by(table.create_time.desc(), table.id.desc())
            .limit(limit)
        )
        if after is not None:
            time, token_id = after
            statement = statement.where(
                or_(
                    table.create_time < time,
                    and_(table.create_time == time, table.id < token_id),
                )
            )
        return await self._database.read(
            lambda connection: [_token(row) for row in connection.execute(statement)]
        )

    async def delete(self, user_id: str, token_id: str, now: datetime) -> bool:
        """Ends one, and revokes it in the same step."""

        def work(connection: Connection) -> bool:
            row = connection.execute(_ONE, {"by_user": user_id, "by_id": token_id}).first()
            return row is not None and _end(connection, _token(row), now)

        return await self._database.write(work)

    async def note_use(self, token_ids: Sequence[str], now: datetime) -> None:
        """Notes that they are used now."""
        keys = {"by_ids": list(token_ids), "known": now - _USE_KNOWN, "present": now}
        if token_ids:
            await self._database.write(
                lambda connection: connection.execute(_NOTE_USE, keys).rowcount
            )

    async def sweep(self, before: datetime) -> int:
        """Forgets those that ended by themselves before then."""
        return await sweep(self._database, _SWEEP, {"before": before})


def _end(connection: Connection, token: AccessToken, now: datetime) -> bool:
    if not connection.execute(_DELETE, {"by_id": token.id}).rowcount:
        return False
    until = token.expire_time + _CLOCKS
    revocation = Revocation(
        str(uuid.uuid4()),
        user_name(token.user_id),
        "",
        until,
        until,
        now,
        access_token=access_token_name(token.id),
    )
    put_revocation(connection, revocation)
    return True


def _token(row: Row[Any]) -> AccessToken:
    return AccessToken(
        id=row.id,
        user_id=row.user_id,
        title=row.title,
        scopes=tuple(row.scopes),
        create_time=row.create_time,
        expire_time=row.expire_time,
        last_use_time=row.last_use_time,
    )
