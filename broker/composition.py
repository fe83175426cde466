"""How broker is put together; the only place that knows concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from broker.adapters.directory_store.sql import SqlDirectoryStore
from broker.adapters.owners.grpc import GrpcOwners
from broker.adapters.state_topics.bus import BusStateTopics
from broker.ports import DirectoryStore
from broker.settings import Settings
from broker.transport.consumer import GROUP, StateConsumer
from broker.transport.mapping import TOPICS, entry_of
from broker.transport.servicer import DirectoryServicer
from broker.usecases.directory import Directory
from broker.usecases.rebuilding import Rebuilding
from chassis.clock import Clock
from chassis.faults import Fault
from chassis.serving import Platform, Service, Store, Task
from chassis.settings import LoadedSettings
from chassis.sql import open_database

PUBLISHES: tuple[str, ...] = ()
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store("broker", "broker.schema", settings.of(Settings).database_url.get_secret_value()),
    )


async def open_directory_store(
    store: Store, folder: Path, clock: Clock, exits: AsyncExitStack
) -> DirectoryStore:
    """Opens the directory; a file is brought to the newest schema, a server must be there.

    Args:
        store: of `stores`.
        folder: where a file is.
        clock: the time.
        exits: what is closed at the end.

    Raises:
        SchemaTooOld, SchemaTooNew: the store is not of this version.
        Unavailable: the store does not answer.
    """
    return (await _open(store, folder, clock, exits))[0]


async def compose(platform: Platform) -> Service:
    """Wires the service."""
    settings = platform.settings(Settings)
    clock, log = platform.clock, platform.log()

    store, checks = await _open(
        stores(platform.loaded)[0], platform.data_dir, clock, platform.exits
    )
    owners = GrpcOwners(platform.channel, clock, entry_of, settings.owner_timeout_seconds)
    learn = StateConsumer(store, clock)
    tasks = [
        Task("broker.directory", lambda: platform.bus.consume(GROUP, TOPICS, learn)),
    ]

    if settings.rebuild_at_start:
        topics = BusStateTopics(platform.bus, TOPICS, learn, settings.rebuild_quiet_seconds)
        rebuilding = Rebuilding(store, topics)

        async def rebuild_once() -> None:
            try:
                log.info("directory made anew", records=await rebuilding.rebuild())
            except Fault as fault:
                log.warning("directory not made anew", reason=fault.reason, why=fault.message)
            await asyncio.Event().wait()

        tasks.append(Task("broker.rebuild", rebuild_once))

    directory = Directory(store, owners)
    return Service(
        name="broker",
        servicers={"allocator.directory.v1.DirectoryService": DirectoryServicer(directory, clock)},
        tasks=tasks,
        checks=checks,
    )


async def _open(
    store: Store, folder: Path, clock: Clock, exits: AsyncExitStack
) -> tuple[DirectoryStore, Mapping[str, Callable[[], str | None]]]:
    """The directory, of whichever kind its store is, and what says how the store is."""
    if store.is_documents:
        from broker.adapters.directory_store.mongo import MongoDirectoryStore
        from chassis.documents import open_documents

        documents = await open_documents(store.url, store.schema, clock, migrate=False)
        exits.push_async_callback(documents.close)
        return MongoDirectoryStore(documents), {"store": documents.problem}
    database = await open_database(store.url_in(folder), store.schema, clock, migrate=store.is_file)
    exits.push_async_callback(database.close)
    return SqlDirectoryStore(database), {}
