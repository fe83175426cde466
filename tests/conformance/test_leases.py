"""Leases, as their port promises them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from chassis.clock import SystemClock
from chassis.documents import open_documents
from chassis.documents.leases import MongoLeases
from chassis.leading import Lease, LeaseLost, Leases
from chassis.sql import open_database
from chassis.sql.leases import SqlLeases, lease_table
from feed_svc.adapters.cassandra.leases import CassandraLeases
from feed_svc.adapters.cassandra.opening import open_keyspace
from tests.servers import (
    cassandra_keyspace,
    drop_cassandra,
    drop_mongodb,
    drop_mysql,
    mongodb_url,
    mysql_url,
)

NAME = "allocation_svc"
TABLE = lease_table(MetaData())


async def sql_leases(url: str) -> AsyncIterator[SqlLeases]:
    """Leases in a database with nothing else in it."""
    database = await open_database(url, "allocation_svc.schema", SystemClock())
    await database.write(lambda connection: TABLE.create(connection, checkfirst=True))
    yield SqlLeases(database, TABLE)
    await database.close()


async def document_leases(url: str) -> AsyncIterator[MongoLeases]:
    """Leases in a database of documents with nothing else in it."""
    documents = await open_documents(url, "machines_svc.schema", SystemClock(), migrate=True)
    yield MongoLeases(documents)
    await documents.close()


async def keyspace_leases(url: str) -> AsyncIterator[CassandraLeases]:
    """Leases in a keyspace with nothing else in it."""
    keyspace = await open_keyspace(url, "feed_svc.schema", SystemClock(), migrate=True)
    yield CassandraLeases(keyspace)
    await keyspace.close()


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("mysql", marks=pytest.mark.real_mysql),
        pytest.param("mongodb", marks=pytest.mark.real_mongodb),
        pytest.param("cassandra", marks=pytest.mark.real_cassandra),
    ]
)
async def leases(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Leases]:
    """A store in which nobody ever had a lease."""
    if request.param == "sqlite":
        async for opened in sql_leases(f"sqlite:///{tmp_path}/leases.sqlite3"):
            yield opened
        return
    if request.param == "mongodb":
        url = mongodb_url()
        async for in_documents in document_leases(url):
            yield in_documents
        drop_mongodb(url)
        return
    if request.param == "cassandra":
        url = cassandra_keyspace()
        async for in_keyspace in keyspace_leases(url):
            yield in_keyspace
        drop_cassandra(url)
        return
    url = mysql_url()
    async for opened in sql_leases(url):
        yield opened
    drop_mysql(url)


async def test_nobody_has_a_lease_at_first(leases: Leases) -> None:
    assert await leases.read(NAME) is None


async def test_a_lease_is_read_as_it_was_claimed(leases: Leases) -> None:
    claimed = await leases.claim(NAME, None, "täter-1 🦊", "10.0.0.1:50051")
    assert claimed == Lease("täter-1 🦊", "10.0.0.1:50051", 1, 0)
    assert await leases.read(NAME) == claimed
    assert await leases.read("user_svc") is None


async def test_of_many_that_claim_at_once_one_gets_it(leases: Leases) -> None:
    claims = [leases.claim(NAME, None, f"replica-{n}", f"h{n}:1") for n in range(8)]
    got = [lease for lease in await asyncio.gather(*claims) if lease is not None]
    assert len(got) == 1
    assert await leases.read(NAME) == got[0]

    again = [leases.claim(NAME, got[0], f"replica-{n}", f"h{n}:1") for n in range(8)]
    got = [lease for lease in await asyncio.gather(*again) if lease is not None]
    assert [lease.epoch for lease in got] == [2]


async def test_a_lease_that_was_renewed_meanwhile_is_not_what_was_seen(leases: Leases) -> None:
    first = await leases.claim(NAME, None, "one", "one:1")
    assert first is not None
    renewed = await leases.renew(NAME, first)
    assert renewed == Lease("one", "one:1", 1, 1)
    assert await leases.claim(NAME, first, "two", "two:1") is None
    assert await leases.read(NAME) == renewed


async def test_a_lease_that_was_taken_is_neither_renewed_nor_released(leases: Leases) -> None:
    first = await leases.claim(NAME, None, "one", "one:1")
    assert first is not None
    second = await leases.claim(NAME, first, "two", "two:1")
    assert second == Lease("two", "two:1", 2, 0)
    assert await leases.renew(NAME, first) is None
    await leases.release(NAME, first)
    assert await leases.read(NAME) == second


async def test_a_released_lease_is_free_and_its_epoch_goes_on(leases: Leases) -> None:
    first = await leases.claim(NAME, None, "one", "one:1")
    assert first is not None
    await leases.release(NAME, first)
    freed = await leases.read(NAME)
    assert freed is not None
    assert (freed.holder, freed.address, freed.epoch) == ("", "", 1)
    assert await leases.claim(NAME, first, "late", "late:1") is None
    taken = await leases.claim(NAME, freed, "two", "two:1")
    assert taken is not None
    assert taken.epoch == 2


@pytest.mark.parametrize(
    "leases", ["sqlite", pytest.param("mysql", marks=pytest.mark.real_mysql)], indirect=True
)
async def test_a_fence_keeps_out_who_no_longer_leads(leases: SqlLeases) -> None:
    first = await leases.claim(NAME, None, "one", "one:1")
    assert first is not None
    database = leases._database
    await database.write(lambda conn: leases.fence(conn, NAME, 1))
    await leases.claim(NAME, first, "two", "two:1")
    with pytest.raises(LeaseLost):
        await database.write(lambda conn: leases.fence(conn, NAME, 1))
