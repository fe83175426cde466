"""Opening a database of documents."""

from __future__ import annotations

import re
from datetime import UTC

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.uri_parser import parse_uri

from chassis.clock import Clock
from chassis.documents.documents import Document, Documents
from chassis.documents.migrations import migrate_if_needed, revisions

CONNECTIONS = 20
"""How many statements are carried out at once by default; more wait for their turn."""

DEADLINE = 5.0
"""How long a unit of work may take by default, in seconds, its wait for a connection included."""

_AWAY_SECONDS = 2.0
_SILENT_MILLIS = 600_000


async def open_documents(
    url: str,
    schema: str,
    clock: Clock,
    *,
    migrate: bool,
    size: int = CONNECTIONS,
    deadline: float = DEADLINE,
) -> Documents:
    """Opens a database of documents at the newest schema.

    Args:
        url: `mongodb://user:password@host:port,host:port/database?replicaSet=…`.
        schema: the Python package with the schema, `machines_svc.schema`; its migrations for documents
            are in its package `documents`, see `chassis.documents.migrations`.
        clock: for waiting while another process migrates.
        migrate: whether to bring an older database up to date; without, it is refused.
        size: how many connections there are at most.
        deadline: how long a unit of work may take, in seconds.

    Raises:
        ValueError: the URL is not one of a database of documents.
        SchemaTooNew: the database was written by a newer version of the program.
        SchemaTooOld: it is older, and `migrate` is false.
        Unavailable: the server does not answer, or does not let us in.
    """
    documents = connect(url, size=size, deadline=deadline)
    try:
        await migrate_if_needed(documents, schema, clock, migrate=migrate)
    except BaseException:
        await documents.close()
        raise
    return documents


async def schema_revision(url: str, schema: str) -> tuple[str | None, str]:
    """The revision that a database is at, None for one with nothing in it, and the newest one.

    Args:
        url: as for `open_documents`.
        schema: the package of the service's schema, `machines_svc.schema`.

    Raises:
        ValueError: the URL is not one of a database of documents.
        Unavailable: the server does not answer, or does not let us in.
    """
    documents = connect(url)
    try:
        return await revisions(documents, schema)
    finally:
        await documents.close()


def connect(url: str, *, size: int = CONNECTIONS, deadline: float = DEADLINE) -> Documents:
    """Opens a database whatever its schema; connects when it is first used.

    Raises:
        ValueError: the URL is not one of a database of documents.
    """
    shown = re.sub("//.*@", "//***@", url)
    if not re.fullmatch("mongodb(\\+srv)?://.+/[^/?]+(\\?.*)?", url):
        raise ValueError(f"{shown} names no database; use mongodb://host:port/database")
    try:
        name = parse_uri(url)["database"] or ""
        client: AsyncMongoClient[Document] = AsyncMongoClient(
            url,
            appname="allocator",
            tz_aware=True,
            tzinfo=UTC,
            # What was answered survives the loss of a server, and nothing else is read.
            w="majority",
            readConcernLevel="majority",
            readPreference="primary",
            maxPoolSize=size,
            # Each shorter than the deadline, so that it is known why a call has failed.
            waitQueueTimeoutMS=int(deadline * 800),
            serverSelectionTimeoutMS=int(min(deadline * 0.8, _AWAY_SECONDS) * 1000),
            connectTimeoutMS=int(_AWAY_SECONDS * 1000),
            # Units of work have deadlines of their own; this is for what the driver does by itself.
            socketTimeoutMS=_SILENT_MILLIS,
        )
    except (ValueError, ConfigurationError, InvalidURI) as error:
        # What the driver says may repeat a part of the password.
        said = "" if "@" in url else f" ({error})"
        raise ValueError(
            f"{shown} cannot be read as mongodb://user:password@host:port/database{said}; special "
            "characters in a user or a password are written as %40"
        ) from None
    return Documents(client, name, url=shown, size=size, deadline=deadline)
