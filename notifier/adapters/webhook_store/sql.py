"""Webhooks in SQL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Update,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from chassis.identity import Vault
from chassis.listing import Once
from chassis.sql import Database
from chassis.sql.once import recall, remember
from notifier.domain.delivery import Channel
from notifier.domain.faults import TooManyWebhooks, WebhookChanged
from notifier.domain.webhook import Webhook, WebhookState
from notifier.schema.tables import DELIVERIES, ONCE, WEBHOOKS

_ADD = insert(WEBHOOKS)
_ONE = select(WEBHOOKS).where(WEBHOOKS.c.id == bindparam("by_id"))
_OF_OWNER = WEBHOOKS.c.owner == bindparam("by_owner")
# Of two that one person registers at the same moment, the second waits to count.
_COUNTED = select(WEBHOOKS.c.id).where(_OF_OWNER).with_for_update()
_ALL_OF_OWNER = select(WEBHOOKS).where(_OF_OWNER).order_by(WEBHOOKS.c.create_time, WEBHOOKS.c.id)
_NEWEST_FIRST = (
    select(WEBHOOKS)
    .order_by(WEBHOOKS.c.create_time.desc(), WEBHOOKS.c.id.desc())
    .limit(bindparam("most"))
)
_AFTER = or_(
    WEBHOOKS.c.create_time < bindparam("after_time"),
    and_(WEBHOOKS.c.create_time == bindparam("after_time"), WEBHOOKS.c.id < bindparam("after_id")),
)
_PAGES = {
    (owned, later): _NEWEST_FIRST.where(*([_OF_OWNER] * owned), *([_AFTER] * later))
    for owned in (False, True)
    for later in (False, True)
}
_SAVE = (
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id == bindparam("by_id"), WEBHOOKS.c.version == bindparam("was_version"))
    .values({column.name: bindparam(column.name) for column in WEBHOOKS.c if column.name != "id"})
)
_FAILING = (
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id == bindparam("by_id"), WEBHOOKS.c.failing_since.is_(None))
    .values(failing_since=bindparam("present"))
)
_WELL = (
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id == bindparam("by_id"), WEBHOOKS.c.failing_since.is_not(None))
    .values(failing_since=None)
)
_SUSPEND = (
    update(WEBHOOKS)
    .where(WEBHOOKS.c.id == bindparam("by_id"), WEBHOOKS.c.state == WebhookState.ENABLED.value)
    .values(
        state=WebhookState.SUSPENDED.value,
        update_time=bindparam("present"),
        version=WEBHOOKS.c.version + 1,
    )
)
_REMOVE = delete(WEBHOOKS).where(WEBHOOKS.c.id == bindparam("by_id"))
_REMOVE_DELIVERIES = delete(DELIVERIES).where(
    DELIVERIES.c.channel == Channel.WEBHOOK.value, DELIVERIES.c.email == bindparam("by_name")
)
_TRIES = 5


class SqlWebhookStore:
    """A WebhookStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the secrets.
    """

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def add(self, webhook: Webhook, most: int, once: Once | None = None) -> Webhook:
        """Stores a new webhook; with a request id that is known, gives the one that it made.

        Raises:
            TooManyWebhooks: its owner has `most` already.
            Conflict: REQUEST_ID_REUSED, the id was used for another request.
        """

        def work(connection: Connection) -> Webhook:
            answer = recall(connection, ONCE, once, webhook.create_time)
            if answer is not None:
                row = connection.execute(_ONE, {"by_id": answer["id"]}).first()
                # One that was removed since then is answered as it was made.
                made = webhook if row is None else self._webhook(row)
                return replace(made, id=answer["id"])
            if len(connection.execute(_COUNTED, {"by_owner": webhook.owner}).all()) >= most:
                raise TooManyWebhooks(
                    f"You have {most} webhooks, which is as many as may be; remove one first."
                )
            connection.execute(_ADD, {"id": webhook.id, **self._row(webhook)})
            remember(connection, ONCE, once, {"id": webhook.id}, webhook.create_time)
            return webhook

        return await self._database.write(work)

    async def get(self, webhook_id: str) -> Webhook | None:
        """The webhook; None where there is none."""

        def work(connection: Connection) -> Webhook | None:
            row = connection.execute(_ONE, {"by_id": webhook_id}).first()
            return None if row is None else self._webhook(row)

        return await self._database.get(work)

    async def of_owner(self, owner: str) -> list[Webhook]:
        """All webhooks of a person, the oldest first."""

        def work(connection: Connection) -> list[Webhook]:
            rows = connection.execute(_ALL_OF_OWNER, {"by_owner": owner}).all()
            return [self._webhook(row) for row in rows]

        return await self._database.get(work)

    async def page(
        self, owner: str, after: tuple[datetime, str] | None, limit: int
    ) -> list[Webhook]:
        """Webhooks of a person, or of everybody where `owner` is empty, newest first."""
        keys: dict[str, Any] = {"most": limit}
        if owner:
            keys["by_owner"] = owner
        if after is not None:
            keys["after_time"], keys["after_id"] = after
        statement = _PAGES[bool(owner), after is not None]

        def work(connection: Connection) -> list[Webhook]:
            return [self._webhook(row) for row in connection.execute(statement, keys).all()]

        return await self._database.get(work)

    async def change(self, webhook_id: str, edit: Callable[[Webhook], Webhook]) -> Webhook | None:
        """Reads, edits and stores a webhook, tried again where another change came between.

        Raises:
            WebhookChanged: others change it all the time.
        """

        def work(connection: Connection) -> tuple[Webhook | None, bool]:
            row = connection.execute(_ONE, {"by_id": webhook_id}).first()
            if row is None:
                return None, True
            was = self._webhook(row)
            becomes = edit(was)
            if becomes == was:
                return was, True
            keys = {"by_id": was.id, "was_version": was.version, **self._row(becomes)}
            return becomes, bool(connection.execute(_SAVE, keys).rowcount)

        for _ in range(_TRIES):
            webhook, is_done = await self._database.write(work)
            if is_done:
                return webhook
        raise WebhookChanged("The webhook is being changed by others; try again.")

    async def failing(self, webhook_id: str, now: datetime) -> None:
        """Notes that an attempt has failed, unless the one before had too."""
        await self._noted(_FAILING, {"by_id": webhook_id, "present": now})

    async def well(self, webhook_id: str) -> None:
        """Notes that an attempt has not failed."""
        await self._noted(_WELL, {"by_id": webhook_id})

    async def suspend(self, webhook_id: str, now: datetime) -> bool:
        """Switches an ENABLED webhook off for its failures; False where it is not ENABLED."""
        return await self._noted(_SUSPEND, {"by_id": webhook_id, "present": now})

    async def remove(self, webhook: Webhook, version: int | None) -> bool:
        """Removes a webhook with its deliveries; False where there is none.

        Raises:
            WebhookChanged: it has another version.
        """

        def work(connection: Connection) -> bool:
            row = connection.execute(_ONE.with_for_update(), {"by_id": webhook.id}).first()
            if row is None:
                return False
            if version is not None and row.version != version:
                raise WebhookChanged("The webhook was changed since it was read; read it again.")
            connection.execute(_REMOVE_DELIVERIES, {"by_name": webhook.name})
            return bool(connection.execute(_REMOVE, {"by_id": webhook.id}).rowcount)

        return await self._database.write(work)

    async def erase(self, owner: str) -> int:
        """Removes all webhooks of a person with their deliveries; returns how many webhooks."""

        def work(connection: Connection) -> int:
            ids = connection.execute(_COUNTED, {"by_owner": owner}).scalars().all()
            for one in ids:
                connection.execute(_REMOVE_DELIVERIES, {"by_name": f"webhooks/{one}"})
                connection.execute(_REMOVE, {"by_id": one})
            return len(ids)

        return await self._database.write(work)

    async def _noted(self, statement: Update, keys: dict[str, Any]) -> bool:
        return await self._database.write(
            lambda connection: bool(connection.execute(statement, keys).rowcount)
        )

    def _row(self, webhook: Webhook) -> dict[str, Any]:
        context = webhook.name
        former = webhook.former_secret
        return {
            "uid": webhook.uid,
            "owner": webhook.owner,
            "title": webhook.title,
            "url": webhook.url,
            "kinds": list(webhook.kinds),
            "state": webhook.state.value,
            "secret": self._vault.seal(webhook.secret.encode(), context),
            "former_secret": self._vault.seal(former.encode(), context) if former else None,
            "former_until": webhook.former_until,
            "failing_since": webhook.failing_since,
            "create_time": webhook.create_time,
            "update_time": webhook.update_time,
            "version": webhook.version,
        }

    def _webhook(self, row: Row[Any]) -> Webhook:
        context = f"webhooks/{row.id}"
        former = row.former_secret
        return Webhook(
            id=row.id,
            uid=row.uid,
            owner=row.owner,
            title=row.title,
            url=row.url,
            kinds=tuple(row.kinds),
            create_time=row.create_time,
            update_time=row.update_time,
            state=WebhookState(row.state),
            secret=self._vault.open(bytes(row.secret), context).decode(),
            former_secret=self._vault.open(bytes(former), context).decode() if former else "",
            former_until=row.former_until,
            failing_since=row.failing_since,
            version=row.version,
        )
