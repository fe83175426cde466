"""How what concerns notices is wired: a part of the composition."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from chassis.leading import Leadership
from chassis.serving import Platform, Task
from chassis.sql import Database
from notifier.adapters.admin_list.sql import SqlAdminList
from notifier.adapters.announcer.bus import BusAnnouncer, NobodyElse
from notifier.adapters.directory.grpc import GrpcDirectory
from notifier.adapters.notice_store.sql import SqlNoticeStore
from notifier.adapters.preference_store.sql import SqlPreferenceStore
from notifier.domain.notice import Event, Gathering, Telling
from notifier.ports import DeliveryStore, Templates, WebhookStore
from notifier.settings import Settings
from notifier.transport.consumer import (
    INBOX_TOPICS,
    NOTICE_TOPICS,
    NOTICES,
    PEOPLE,
    PEOPLE_TOPICS,
    InboxConsumer,
    NoticeConsumer,
    PeopleConsumer,
)
from notifier.transport.notification_servicer import NotificationServicer
from notifier.usecases.digesting import Digesting
from notifier.usecases.inbox import Inbox, Watchers
from notifier.usecases.notifying import Notifying, Rules
from notifier.usecases.people import People
from notifier.usecases.preferring import Preferring


@dataclass(frozen=True, slots=True)
class Part:
    """What concerns notices in the service.

    Attributes:
        servicer: of NotificationService.
        tasks: of every replica.
        led: of the replica that leads.
        notifying: tells people of what happens in this service itself.
    """

    notifying: Notifying
    servicer: NotificationServicer
    tasks: list[Task]
    led: list[Task]


def compose_notices(
    platform: Platform,
    database: Database,
    leadership: Leadership,
    *,
    templates: Templates,
    deliveries: DeliveryStore,
    webhooks: WebhookStore,
) -> Part:
    """Wires inboxes, preferences, and what makes notices of facts.

    Args:
        platform: the process.
        database: where the deliveries are too.
        leadership: is woken when something waits to be sent.
        templates: the words.
        deliveries: what waits to be sent.
        webhooks: of each person.
    """
    settings = platform.settings(Settings)
    clock, bus, log = platform.clock, platform.bus, platform.log("notices")
    alone = database.is_sqlite

    # What is kept, and who knows people
    notices = SqlNoticeStore(database, platform.vault, settings.webhook_most_waiting)
    preferences = SqlPreferenceStore(database)
    admins = SqlAdminList(database)
    directory = GrpcDirectory(platform.channel("broker"), settings.directory_seconds)

    # Who watches, here and at other replicas
    watchers = Watchers()
    announcer = NobodyElse() if alone else BusAnnouncer(bus, clock)
    changed: asyncio.Queue[str] = asyncio.Queue(settings.most_waiting)

    def inbox_changed(user: str) -> None:
        watchers.wake(user)
        if not alone and not changed.full():
            changed.put_nowait(user)

    async def announce() -> None:
        while True:
            users = {await changed.get()}
            while not changed.empty():
                users.add(changed.get_nowait())
            await announcer.announce(sorted(users))

    async def end_watches() -> None:
        await platform.draining.wait()
        watchers.end()
        await asyncio.Event().wait()

    # What is done
    def told(event: Event, telling: Telling) -> None:
        for user in telling.users:
            inbox_changed(user)
        if telling.sends:
            leadership.wake()
        if telling.dropped:
            log.warning("deliveries left out", fact=event.fact_id, dropped=telling.dropped)

    rules = Rules(
        gathering=Gathering(settings.digest_after, timedelta(seconds=settings.digest_span_seconds)),
        most_waiting=settings.most_waiting,
        inbox_size=settings.inbox_size,
        inbox_kept=timedelta(days=settings.inbox_days),
    )
    notifying = Notifying(
        notices,
        preferences=preferences,
        admins=admins,
        webhooks=webhooks,
        directory=directory,
        templates=templates,
        rules=rules,
        clock=clock,
        told=told,
    )
    digesting = Digesting(
        notices,
        preferences,
        directory,
        templates,
        rules=rules,
        clock=clock,
        sends=leadership.wake,
    )
    people = People(
        notices=notices,
        preferences=preferences,
        admins=admins,
        deliveries=deliveries,
        webhooks=webhooks,
        clock=clock,
    )
    servicer = NotificationServicer(
        Inbox(notices, watchers, clock, inbox_changed),
        Preferring(preferences, directory, templates, clock),
    )
    notice_consumer, people_consumer = NoticeConsumer(notifying), PeopleConsumer(people)
    tasks = [
        Task("notifier.notices", lambda: bus.consume(NOTICES, NOTICE_TOPICS, notice_consumer)),
        Task("notifier.people", lambda: bus.consume(PEOPLE, PEOPLE_TOPICS, people_consumer)),
        Task("notifier.watches", end_watches),
    ]
    if not alone:
        inbox_consumer = InboxConsumer(watchers)
        tasks += [
            Task("notifier.announcing", announce),
            Task("notifier.inboxes", lambda: bus.tail(INBOX_TOPICS, inbox_consumer)),
        ]
    return Part(
        notifying=notifying,
        servicer=servicer,
        tasks=tasks,
        led=[Task("notifier.digesting", digesting.run)],
    )
