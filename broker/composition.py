"""How broker is put together; the only place that knows concrete classes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from broker.adapters.dead_letters.bus import BusDeadLetters
from broker.adapters.directory_store.sql import SqlDirectoryStore
from broker.adapters.notices.sql import SqlNotices
from broker.adapters.owners.grpc import GrpcOwners
from broker.adapters.state_topics.bus import BusStateTopics
from broker.adapters.timeline_store.sql import SqlTimelineStore
from broker.adapters.topics.bus import BusTopics
from broker.ports import DirectoryStore, Notices, TimelineStore
from broker.schema.tables import LEASES, OUTBOX
from broker.settings import Settings
from broker.transport.consumer import GROUP, TIMELINE_GROUP, FactConsumer, StateConsumer
from broker.transport.events import anonymous, notice_records
from broker.transport.facts import fact_topics
from broker.transport.mapping import TOPICS, entry_of
from broker.transport.metrics import DEAD_LETTERS_WAITING
from broker.transport.servicer import DirectoryServicer
from broker.transport.timeline_servicers import (
    AuditServicer,
    DeadLetterServicer,
    TimelineServicer,
)
from broker.usecases.alarm import Alarm
from broker.usecases.auditing import Auditing
from broker.usecases.directory import Directory
from broker.usecases.erasing import Erasing, Sweeping
from broker.usecases.learning import Learning
from broker.usecases.post_office import PostOffice
from broker.usecases.rebuilding import Rebuilding
from broker.usecases.timeline import Timeline
from chassis.bus import facts_topic
from chassis.bus.outbox import Publishing, Relay
from chassis.clock import Clock
from chassis.faults import Fault
from chassis.leading import Leadership
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings
from chassis.sql import Database, open_database
from chassis.sql.leases import SqlLeases

if TYPE_CHECKING:
    from chassis.documents import Documents

PUBLISHES: tuple[str, ...] = ("timeline",)
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store("broker", "broker.schema", settings.of(Settings).database_url.get_secret_value()),
    )


@dataclass(frozen=True, slots=True)
class ReadModels:
    """What the broker keeps.

    Attributes:
        directory: what is known of resources.
        timeline: what has happened.
    """

    directory: DirectoryStore
    timeline: TimelineStore


async def open_read_models(
    store: Store, folder: Path, clock: Clock, exits: AsyncExitStack, most_events: int
) -> ReadModels:
    """Opens what the broker keeps; a file is brought to the newest schema, a server must be there.

    Args:
        store: of `stores`.
        folder: where a file is.
        clock: the time.
        exits: what is closed at the end.
        most_events: how many events of an allocation are kept.

    Raises:
        SchemaTooOld, SchemaTooNew: the store is not of this version.
        Unavailable: the store does not answer.
    """
    return _models(await _open(store, folder, clock, exits), most_events)


async def compose(platform: Platform) -> Service:
    """Wires the service."""
    settings = platform.settings(Settings)
    clock, log, bus = platform.clock, platform.log(), platform.bus

    # stores
    opened = await _open(stores(platform.loaded)[0], platform.data_dir, clock, platform.exits)
    models = _models(opened, settings.timeline_most_events)
    directory, timeline = models.directory, models.timeline
    published = _published(platform, opened)
    leadership, notices = published.leadership, published.notices

    # what it learns
    erasing = Erasing(directory, BusTopics(bus), anonymous)
    learning = Learning(directory, timeline, erasing, anonymous)
    learn_states = StateConsumer(learning, clock)
    learn_facts = FactConsumer(learning)

    # what it tells
    owners = GrpcOwners(platform.channel, clock, entry_of, settings.owner_timeout_seconds)
    asked = Directory(directory, owners)
    letters = BusDeadLetters(bus)
    own_facts = facts_topic(PUBLISHES[0])
    alarm = Alarm(
        letters,
        notices,
        clock,
        settings.dead_letter_seconds,
        waiting=DEAD_LETTERS_WAITING.set,
        # Whoever cannot take in a notice would else get another one about that, and so on.
        is_told_of=lambda letter: letter.topic != own_facts,
        failed=lambda fault: log.warning("dead letters not looked at", reason=fault.reason),
    )

    def swept(outcome: int | Fault) -> None:
        if isinstance(outcome, Fault):
            log.warning("read models not swept", reason=outcome.reason)
        else:
            log.info("read models swept", removed=outcome)

    sweeping = Sweeping(
        timeline,
        notices,
        erasing,
        clock,
        events_kept=timedelta(days=settings.timeline_days),
        acts_kept=timedelta(days=settings.audit_days),
        told=swept,
    )

    tasks = [
        Task("broker.directory", lambda: bus.consume_many(GROUP, TOPICS, learn_states)),
        Task(
            "broker.timeline",
            lambda: bus.consume_many(TIMELINE_GROUP, fact_topics(), learn_facts),
        ),
        *led(
            leadership,
            Task("broker.relay", published.relay.run),
            Task("broker.alarm", alarm.run),
            Task("broker.sweeping", sweeping.run),
        ),
    ]

    if settings.rebuild_at_start:
        topics = BusStateTopics(bus, TOPICS, learn_states, settings.rebuild_quiet_seconds)
        rebuilding = Rebuilding(directory, topics)

        async def rebuild_once() -> None:
            try:
                log.info("directory made anew", records=await rebuilding.rebuild())
            except Fault as fault:
                log.warning("directory not made anew", reason=fault.reason, why=fault.message)
            await asyncio.Event().wait()

        tasks.append(Task("broker.rebuild", rebuild_once))

    return Service(
        name="broker",
        servicers={
            "allocator.directory.v1.DirectoryService": DirectoryServicer(asked, clock),
            "allocator.timeline.v1.TimelineService": TimelineServicer(
                Timeline(timeline, asked, directory)
            ),
            "allocator.timeline.v1.AuditService": AuditServicer(Auditing(timeline, directory)),
            "allocator.timeline.v1.DeadLetterService": DeadLetterServicer(
                PostOffice(letters, notices, clock)
            ),
        },
        tasks=tasks,
        checks=opened.checks,
    )


@dataclass(frozen=True, slots=True)
class _Opened:
    """The store, of one kind or the other."""

    database: Database | None
    documents: Documents | None
    checks: Mapping[str, Callable[[], str | None]]


@dataclass(frozen=True, slots=True)
class _Published:
    """What publishes from the store, where this replica leads."""

    leadership: Leadership
    relay: Publishing
    notices: Notices


async def _open(store: Store, folder: Path, clock: Clock, exits: AsyncExitStack) -> _Opened:
    if store.is_documents:
        from chassis.documents import open_documents

        documents = await open_documents(store.url, store.schema, clock, migrate=False)
        exits.push_async_callback(documents.close)
        return _Opened(None, documents, {"store": documents.problem})
    database = await open_database(store.url_in(folder), store.schema, clock, migrate=store.is_file)
    exits.push_async_callback(database.close)
    return _Opened(database, None, {})


def _models(opened: _Opened, most_events: int) -> ReadModels:
    if opened.documents is not None:
        from broker.adapters.directory_store.mongo import MongoDirectoryStore
        from broker.adapters.timeline_store.mongo import MongoTimelineStore

        documents = opened.documents
        return ReadModels(
            MongoDirectoryStore(documents), MongoTimelineStore(documents, most_events)
        )
    assert opened.database is not None
    return ReadModels(
        SqlDirectoryStore(opened.database), SqlTimelineStore(opened.database, most_events)
    )


def _published(platform: Platform, opened: _Opened) -> _Published:
    relay: Publishing
    notices: Notices
    if opened.documents is not None:
        from broker.adapters.notices.mongo import MongoNotices
        from chassis.documents.leases import MongoLeases
        from chassis.documents.outbox import DocumentRelay

        leadership = platform.leadership(MongoLeases(opened.documents))
        relay = DocumentRelay(opened.documents, "notices", platform.bus)
        notices = MongoNotices(opened.documents, notice_records, leadership.wake)
    else:
        database = opened.database
        assert database is not None
        leases = None if database.is_sqlite else SqlLeases(database, LEASES)
        leadership = platform.leadership(leases)
        fence = None if leases is None else leases.fence_for(leadership)
        relay = Relay(database, OUTBOX, platform.bus, fence=fence)
        notices = SqlNotices(database, notice_records, leadership.wake)
    platform.publishes(relay, leadership)
    return _Published(leadership, relay, notices)
