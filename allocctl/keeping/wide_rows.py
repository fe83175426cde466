"""A keyspace of wide rows, as keeping sees it: only feed_svc has one."""

from __future__ import annotations

import asyncio

from chassis.clock import SystemClock
from chassis.serving import Store


def revision_of_wide_rows(store: Store) -> tuple[str | None, str]:
    """The revision that a keyspace is at, None where it is not there, and the newest one.

    Raises:
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import schema_revision

    return asyncio.run(schema_revision(store.url, store.schema))


async def migrate_wide_rows(store: Store) -> None:
    """Makes a keyspace, and brings it to the newest revision.

    Raises:
        SchemaTooNew: a newer version of the program wrote it.
        Unavailable: no server answers.
    """
    from feed_svc.adapters.cassandra.opening import open_keyspace

    keyspace = await open_keyspace(store.url, store.schema, SystemClock(), migrate=True)
    await keyspace.close()
