"""Opening a keyspace."""

from __future__ import annotations

import asyncio

from cassandra.cluster import Cluster, Session

from chassis.clock import Clock
from chassis.sql.migrations import SchemaTooOld
from feed_svc.adapters.cassandra.address import Address, read_address
from feed_svc.adapters.cassandra.migrations import (
    BOOK,
    Schema,
    applied,
    migrate_all,
    missing,
)
from feed_svc.adapters.cassandra.session import Keyspace, connect, in_thread

DEADLINE = 5.0
"""How long a statement may take by default, in seconds."""

_SCHEMA_SECONDS = 30.0
_MOST_COPIES = 3


async def open_keyspace(
    url: str, schema: str, clock: Clock, *, migrate: bool, deadline: float = DEADLINE
) -> Keyspace:
    """Opens a keyspace at the newest schema.

    Args:
        url: as `feed_svc.adapters.cassandra.address` reads it.
        schema: the Python package with the schema, `feed_svc.schema`; its migrations for Cassandra are
            in its package `cassandra`.
        clock: for waiting while another process migrates.
        migrate: whether to make the keyspace and to bring it up to date; without, an older one is
            refused.
        deadline: how long a statement may take, in seconds.

    Raises:
        ValueError: the URL cannot be read.
        SchemaTooNew: the keyspace was written by a newer version of the program.
        SchemaTooOld: it is older, or not there, and `migrate` is false.
        Unavailable: no server answers, or none lets us in.
    """
    address = read_address(url)
    known = Schema.named(schema)
    cluster, session = await connect(address, deadline)
    keyspace = Keyspace(cluster, session, address, deadline)
    try:
        if migrate:
            await _make_keyspace(cluster, session, address)
        elif not _has_book(cluster, address):
            raise _too_old(None, known)
        await in_thread(lambda: session.set_keyspace(address.keyspace), deadline)
        if migrate:
            await migrate_all(keyspace, known, clock)
        elif await missing(keyspace, known):
            done = await applied(keyspace)
            raise _too_old(done[-1] if done else None, known)
    except BaseException:
        await keyspace.close()
        raise
    return keyspace


async def schema_revision(url: str, schema: str) -> tuple[str | None, str]:
    """The revision that a keyspace is at, None where it is not there, and the newest one.

    Raises:
        ValueError: the URL cannot be read.
        Unavailable: no server answers, or none lets us in.
    """
    address = read_address(url)
    cluster, session = await connect(address, DEADLINE)
    keyspace = Keyspace(cluster, session, address, DEADLINE)
    try:
        done: list[str] = []
        if _has_book(cluster, address):
            await in_thread(lambda: session.set_keyspace(address.keyspace), DEADLINE)
            done = await applied(keyspace)
        return done[-1] if done else None, Schema.named(schema).head
    finally:
        await keyspace.close()


def _has_book(cluster: Cluster, address: Address) -> bool:
    """Whether there is a keyspace that was ever migrated; the driver knows it from connecting."""
    found = cluster.metadata.keyspaces.get(address.keyspace)
    return found is not None and BOOK in found.tables


async def _make_keyspace(cluster: Cluster, session: Session, address: Address) -> None:
    if address.keyspace in cluster.metadata.keyspaces:
        return
    hosts = list(cluster.metadata.all_hosts())
    datacenter = address.datacenter or str(hosts[0].datacenter)
    there = [host for host in hosts if host.datacenter == datacenter]
    copies = address.replication or min(_MOST_COPIES, max(1, len(there)))
    # The names cannot be parameters; one is checked as it was read, the other is the servers' own.
    quoted = datacenter.replace("'", "''")
    statement = (
        f"CREATE KEYSPACE IF NOT EXISTS {address.keyspace} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', '{quoted}': {copies}}}"
    )
    async with asyncio.timeout(_SCHEMA_SECONDS):
        await in_thread(
            lambda: session.execute(statement, timeout=_SCHEMA_SECONDS), _SCHEMA_SECONDS
        )


def _too_old(current: str | None, known: Schema) -> SchemaTooOld:
    return SchemaTooOld(
        f"The keyspace is at revision {current or 'none'} of {known.name}, this program needs "
        f"{known.head}. Run `allocctl migrate` first."
    )
