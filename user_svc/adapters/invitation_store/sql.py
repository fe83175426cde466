"""Invitations in SQL, beside the accounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
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

from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.identity import Vault
from chassis.sql import Database
from chassis.sql.sweeping import in_parts, sweep
from user_svc.adapters.letter_store.sql import put_letter
from user_svc.domain.code import Letter
from user_svc.domain.faults import InvitationInvalid, TooManyInvitations
from user_svc.domain.invitation import Invitation, InvitationFact, Use
from user_svc.schema.tables import INVITATION_USES, INVITATIONS, OUTBOX

EncodeInvitation = Callable[[InvitationFact, Invitation, datetime], Sequence[Record]]

_ADD = insert(INVITATIONS)
_ONE = select(INVITATIONS).where(INVITATIONS.c.id == bindparam("by_id"))
_BY_DIGEST = select(INVITATIONS).where(INVITATIONS.c.digest == bindparam("by_digest"))
# Of many who sign up with one code at once, each counts what those before it have left.
_HELD = _BY_DIGEST.with_for_update()
_OPEN = select(func.count()).where(
    INVITATIONS.c.expire_time > bindparam("present"),
    INVITATIONS.c.use_count < INVITATIONS.c.max_uses,
)
_USED = select(INVITATION_USES.c.contact_mark).where(
    INVITATION_USES.c.invitation_id == bindparam("by_invitation"),
    INVITATION_USES.c.contact_mark == bindparam("by_mark"),
)
_COUNT_USE = (
    update(INVITATIONS)
    .where(INVITATIONS.c.id == bindparam("by_id"))
    .values(use_count=INVITATIONS.c.use_count + 1)
)
_DELETE = delete(INVITATIONS).where(INVITATIONS.c.id == bindparam("by_id"))
_DELETE_USES = delete(INVITATION_USES).where(INVITATION_USES.c.invitation_id == bindparam("by_id"))
_SWEEP = in_parts(delete(INVITATIONS).where(INVITATIONS.c.expire_time < bindparam("before")))
# Also of those that went with the account of the admin who had made them.
_SWEEP_USES = in_parts(
    delete(INVITATION_USES).where(INVITATION_USES.c.invitation_id.not_in(select(INVITATIONS.c.id)))
)


def use_invitation(connection: Connection, use: Use | None, now: datetime) -> None:
    """Counts that somebody signs up with an invitation, in somebody else's transaction.

    Args:
        connection: in the transaction.
        use: by whom, and with which code; None where none is needed.
        now: when.

    Raises:
        InvitationInvalid: they cannot sign up with it.
    """
    if use is None:
        return
    row = connection.execute(_HELD, {"by_digest": use.digest}).first()
    if row is None or not _can_be_used(connection, row, use, now):
        raise _invalid()
    keys = {"by_invitation": row.id, "by_mark": use.mark}
    if connection.execute(_USED, keys).first() is None:
        mark = {"invitation_id": row.id, "contact_mark": use.mark}
        connection.execute(insert(INVITATION_USES), mark)
        connection.execute(_COUNT_USE, {"by_id": row.id})


class SqlInvitationStore:
    """An InvitationStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the codes that wait to be sent.
        encode: that one was made or withdrawn, as records of the bus.
        waiting: called when records or letters were stored.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        encode: EncodeInvitation,
        waiting: Callable[[], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._encode = encode
        self._waiting = waiting

    async def add(self, invitation: Invitation, letter: Letter | None, *, most: int) -> None:
        """Stores a new one, the letter that brings its code, and tells others that it was made.

        Raises:
            TooManyInvitations: as many are open as may be.
        """
        now = invitation.create_time
        records = self._encode(InvitationFact.CREATED, invitation, now)
        row = {
            "id": invitation.id,
            "digest": invitation.digest,
            "user_id": invitation.user_id,
            "title": invitation.title,
            "email": invitation.email,
            "max_uses": invitation.max_uses,
            "use_count": invitation.use_count,
            "create_time": now,
            "expire_time": invitation.expire_time,
        }

        def work(connection: Connection) -> None:
            if connection.execute(_OPEN, {"present": now}).scalar_one() >= most:
                raise TooManyInvitations(
                    f"There are {most} open invitations already; withdraw some.", most=str(most)
                )
            connection.execute(_ADD, row)
            if letter is not None:
                put_letter(connection, self._vault, letter, now)
            append(connection, OUTBOX, records, now)

        await self._database.write(work)
        self._waiting()

    async def get(self, invitation_id: str) -> Invitation | None:
        """The invitation with that identifier."""

        def work(connection: Connection) -> Invitation | None:
            row = connection.execute(_ONE, {"by_id": invitation_id}).first()
            return None if row is None else _invitation(row)

        return await self._database.get(work)

    async def find(self, after: tuple[datetime, str] | None, limit: int) -> list[Invitation]:
        """Invitations, newest first."""
        table = INVITATIONS.c
        statement = (
            select(INVITATIONS).order_by(table.create_time.desc(), table.id.desc()).limit(limit)
        )
        if after is not None:
            time, invitation_id = after
            statement = statement.where(
                or_(
                    table.create_time < time,
                    and_(table.create_time == time, table.id < invitation_id),
                )
            )
        return await self._database.read(
            lambda connection: [_invitation(row) for row in connection.execute(statement)]
        )

    async def delete(self, invitation_id: str, now: datetime) -> bool:
        """Withdraws one, and tells others; False where there is none."""
        keys = {"by_id": invitation_id}

        def work(connection: Connection) -> bool:
            row = connection.execute(_ONE.with_for_update(), keys).first()
            if row is None:
                return False
            connection.execute(_DELETE, keys)
            connection.execute(_DELETE_USES, keys)
            records = self._encode(InvitationFact.DELETED, _invitation(row), now)
            append(connection, OUTBOX, records, now)
            return True

        found = await self._database.write(work)
        if found:
            self._waiting()
        return found

    async def can_be_used(self, use: Use, now: datetime) -> bool:
        """Whether that contact can sign up with that code now."""

        def work(connection: Connection) -> bool:
            row = connection.execute(_BY_DIGEST, {"by_digest": use.digest}).first()
            return row is not None and _can_be_used(connection, row, use, now)

        return await self._database.get(work)

    async def sweep(self, before: datetime) -> int:
        """Forgets those that ended before then; returns how many."""
        swept = await sweep(self._database, _SWEEP, {"before": before})
        await sweep(self._database, _SWEEP_USES, {})
        return swept


def _can_be_used(connection: Connection, row: Row[Any], use: Use, now: datetime) -> bool:
    invitation = _invitation(row)
    if not invitation.is_for(use.contact, now):
        return False
    keys = {"by_invitation": row.id, "by_mark": use.mark}
    left = invitation.use_count < invitation.max_uses
    return left or connection.execute(_USED, keys).first() is not None


def _invalid() -> InvitationInvalid:
    return InvitationInvalid(
        "There is no invitation with this code that you can sign up with: it has ended, was used, or is "
        "for another address."
    )


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.id,
        digest=row.digest,
        user_id=row.user_id,
        create_time=row.create_time,
        expire_time=row.expire_time,
        title=row.title,
        email=row.email,
        max_uses=row.max_uses,
        use_count=row.use_count,
    )
