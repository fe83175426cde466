"""Inboxes in SQL, beside the deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select
from sqlalchemy.exc import IntegrityError

from chassis.identity import Vault
from chassis.listing import Condition
from chassis.sql import Database
from chassis.sql.sweeping import sweep
from notifier.adapters.delivery_store.sql import put_delivery
from notifier.adapters.notice_store import statements as sql
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.faults import DeliveryQueueFull
from notifier.domain.kind import Kind
from notifier.domain.notice import (
    Entry,
    Event,
    Gathered,
    Gathering,
    Notice,
    Outcome,
    Telling,
)
from notifier.schema.tables import NOTICES

_MOST_TITLES = 20


class SqlNoticeStore:
    """A NoticeStore on MySQL and SQLite.

    Args:
        database: where the tables are, those of the deliveries too.
        vault: seals what deliveries say.
        most_waiting_each: how many messages may wait for one webhook.
    """

    def __init__(self, database: Database, vault: Vault, most_waiting_each: int = 1000) -> None:
        self._database = database
        self._vault = vault
        self._most_waiting_each = most_waiting_each

    async def tell(
        self,
        event: Event,
        entries: Sequence[Entry],
        gathering: Gathering,
        most_waiting: int,
        now: datetime,
    ) -> Telling:
        """Stores what people are told of a fact, and what is sent to them, in one transaction."""
        # In one order, so that two facts for the same people do not wait for each other.
        ordered = sorted(entries, key=lambda entry: entry.notice.user)

        def work(connection: Connection) -> Telling:
            outcome = _note(connection, event, now)
            if outcome is not Outcome.TOLD:
                return Telling(outcome)
            changed = _withdraw(connection, event.withdraws)
            writing = _Writing(
                connection, self._vault, gathering, most_waiting, self._most_waiting_each, now
            )
            for entry in ordered:
                if writing.put(entry) and entry.in_page:
                    changed.add(entry.notice.user)
            return Telling(outcome, sorted(changed), writing.sends, writing.dropped)

        try:
            return await self._database.write(work)
        except IntegrityError:
            # Another replica told the same, or made the same inbox, at the same moment: once more.
            return await self._database.write(work)

    async def get(self, user: str, notice_id: str) -> Notice | None:
        """An entry of a person's inbox."""
        keys = {"by_id": notice_id, "by_user_name": user}

        def work(connection: Connection) -> Notice | None:
            row = connection.execute(sql.ONE, keys).first()
            return None if row is None else _notice(row)

        return await self._database.get(work)

    async def page(
        self, user: str, conditions: Sequence[Condition], limit: int, before: int | None
    ) -> list[Notice]:
        """Entries of an inbox, the newest first."""
        statement = select(NOTICES).where(NOTICES.c.user_name == user, sql.SHOWN)
        for condition in conditions:
            statement = statement.where(_clause(condition))
        if before is not None:
            statement = statement.where(NOTICES.c.position < before)
        statement = statement.order_by(NOTICES.c.position.desc()).limit(limit)
        return await self._database.read(
            lambda connection: [_notice(row) for row in connection.execute(statement)]
        )

    async def since(self, user: str, after: int, limit: int) -> list[Notice]:
        """Entries of an inbox after a position, the oldest first."""
        keys = {"by_user_name": user, "after": after, "most": limit}
        return await self._database.get(
            lambda connection: [_notice(row) for row in connection.execute(sql.SINCE, keys)]
        )

    async def count(self, user: str) -> tuple[int, int]:
        """How many entries of an inbox are unread, and the position of the last one that ever came."""
        keys = {"by_user_name": user}

        def work(connection: Connection) -> tuple[int, int]:
            inbox = connection.execute(sql.INBOX, keys).first()
            unread = connection.execute(sql.COUNT_UNREAD, keys).scalar() or 0
            return unread, 0 if inbox is None else inbox.position

        return await self._database.get(work)

    async def mark_read(self, user: str, ids: Sequence[str] | None, now: datetime) -> int:
        """Marks entries as read, all of them for None; returns how many were unread."""
        keys: dict[str, Any] = {"by_user_name": user, "present": now}
        statement = sql.READ_ALL
        if ids is not None:
            statement, keys["by_ids"] = sql.READ_SOME, list(ids)
        return await self._database.write(
            lambda connection: connection.execute(statement, keys).rowcount
        )

    async def delete(self, user: str, notice_id: str) -> bool:
        """Removes an entry; False where there is none."""
        keys = {"by_id": notice_id, "by_user_name": user}
        return await self._database.write(
            lambda connection: bool(connection.execute(sql.DELETE, keys).rowcount)
        )

    async def erase(self, user: str, now: datetime) -> None:
        """Ends an inbox: removes all in it, and what others were told of that person's doings."""

        def work(connection: Connection) -> None:
            # First, so that whoever tells this person something at this moment waits, and sees it.
            row = {"user_name": user, "position": 0, "end_time": now}
            connection.execute(sql.END_INBOX, row)
            connection.execute(sql.ERASE, {"by_user_name": user})

        await self._database.write(work)

    async def gathered(self, before: datetime, limit: int) -> list[Gathered]:
        """What waits for a digest, where the oldest of a person and kind came before then."""

        def work(connection: Connection) -> list[Gathered]:
            found = connection.execute(sql.GATHERED, {"before": before, "most": limit}).all()
            return [
                Gathered(
                    row.user_name,
                    Kind(row.kind),
                    list(connection.execute(sql.TITLES, _of(row, most=_MOST_TITLES)).scalars()),
                    row.how_many,
                    row.last,
                )
                for row in found
            ]

        return await self._database.read(work)

    async def settle(self, gathered: Gathered, digest: Delivery | None, most_waiting: int) -> bool:
        """Stores a digest, and that what was gathered is in it; False where it was settled before.

        Raises:
            DeliveryQueueFull: as many mails wait as may; nothing was changed.
        """
        keys = {
            "by_user_name": gathered.user,
            "by_kind": gathered.kind.value,
            "last": gathered.last_position,
        }

        def work(connection: Connection) -> bool:
            if not connection.execute(sql.SETTLE, keys).rowcount:
                return False
            if digest is not None:
                put_delivery(connection, self._vault, digest, most_waiting)
            return True

        return await self._database.write(work)

    async def sweep(self, most: int, before: datetime, told_before: datetime) -> int:
        """Forgets what need not be kept; returns how many rows."""
        removed = await sweep(self._database, sql.SWEEP_BEYOND, {"most": most})
        removed += await sweep(self._database, sql.SWEEP_OLD, {"before": before})
        for statement in (sql.SWEEP_TOLD, sql.SWEEP_THREADS, sql.SWEEP_INBOXES):
            removed += await sweep(self._database, statement, {"before": told_before})
        return removed


@dataclass
class _Writing:
    """The entries of one fact, in its transaction."""

    connection: Connection
    vault: Vault
    gathering: Gathering
    most_waiting: int
    most_waiting_each: int
    now: datetime
    sends: bool = False
    dropped: int = 0

    def put(self, entry: Entry) -> bool:
        """Stores an entry and what it sends; False where the inbox has ended."""
        notice = entry.notice
        keys = {"by_user_name": notice.user}
        begun = {"user_name": notice.user, "position": 1, "end_time": None}
        self.connection.execute(sql.NEXT_POSITION, begun)
        inbox = self.connection.execute(sql.INBOX, keys).one()
        if inbox.end_time is not None:
            return False
        mail, is_many = self._mail(entry)
        self.connection.execute(
            sql.ADD,
            {
                "id": notice.id,
                "user_name": notice.user,
                "position": inbox.position,
                "kind": notice.kind.value,
                "title": notice.title,
                "text": notice.text,
                "resource": notice.resource,
                "by_user": notice.by,
                "fact_id": notice.fact_id,
                "event_time": notice.event_time,
                "create_time": notice.create_time,
                "read_time": notice.read_time,
                "in_page": int(entry.in_page),
                "mail": mail,
            },
        )
        for delivery in entry.others:
            if is_many and delivery.channel is Channel.SMS:
                continue
            if not self._send(delivery):
                self.dropped += 1
        return True

    def _mail(self, entry: Entry) -> tuple[str, bool]:
        """What becomes of the mail, and whether it is one of many."""
        if entry.mail is None and not entry.others:
            return "NONE", False
        keys = {
            "by_user_name": entry.notice.user,
            "by_kind": entry.notice.kind.value,
            "after": self.now - self.gathering.span,
        }
        is_many = (self.connection.execute(sql.MAILED, keys).scalar() or 0) >= self.gathering.most
        if entry.mail is None:
            # Counted all the same: SMS are not gathered, but left out.
            return "OTHER", is_many
        if not is_many and self._send(entry.mail):
            return "SINGLE", is_many
        return sql.WAITING, is_many

    def _send(self, delivery: Delivery) -> bool:
        of_webhook = delivery.channel is Channel.WEBHOOK
        most = self.most_waiting_each if of_webhook else self.most_waiting
        try:
            put_delivery(self.connection, self.vault, delivery, most)
        except DeliveryQueueFull:
            return False
        self.sends = True
        return True


def _note(connection: Connection, event: Event, now: datetime) -> Outcome:
    """Writes down that a fact is told, if it is news."""
    if connection.execute(sql.WAS_TOLD, {"by_fact": event.fact_id}).first() is not None:
        return Outcome.KNOWN
    connection.execute(sql.NOTE_TOLD, {"fact_id": event.fact_id, "time": now})
    if event.thread:
        newest = connection.execute(sql.THREAD, {"by_name": event.thread}).scalar()
        if newest is not None and newest >= event.order:
            return Outcome.LATE
        row = {"name": event.thread, "position": event.order, "time": now}
        connection.execute(sql.NOTE_THREAD, row)
    return Outcome.TOLD


def _withdraw(connection: Connection, resource: str) -> set[str]:
    """Takes back the notices about a resource; whose inboxes have changed."""
    if not resource:
        return set()
    keys = {"by_resource": resource}
    users = set(connection.execute(sql.ABOUT, keys).scalars())
    if users:
        connection.execute(sql.WITHDRAW, keys)
    return users


def _clause(condition: Condition) -> ColumnElement[bool]:
    equal = condition.op == "="
    if condition.field == "read":
        is_read = bool(condition.value) is equal
        return NOTICES.c.read_time.is_not(None) if is_read else sql.UNREAD
    column = NOTICES.c[condition.field]
    return column == condition.value if equal else column != condition.value


def _of(row: Row[Any], most: int) -> dict[str, Any]:
    return {"by_user_name": row.user_name, "by_kind": row.kind, "last": row.last, "most": most}


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        id=row.id,
        user=row.user_name,
        kind=Kind(row.kind),
        title=row.title,
        text=row.text,
        resource=row.resource,
        fact_id=row.fact_id,
        event_time=row.event_time,
        create_time=row.create_time,
        by=row.by_user,
        position=row.position,
        read_time=row.read_time,
    )
