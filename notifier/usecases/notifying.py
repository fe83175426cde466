"""Telling people of facts: in their inbox, and over the channels that they prefer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from notifier.domain.delivery import Channel, Content, Delivery, delivery_id
from notifier.domain.notice import (
    LONGEST_TEXT,
    Draft,
    Entry,
    Event,
    Gathering,
    Notice,
    Outcome,
    Person,
    Telling,
    ToAdmins,
    ToPerson,
    ToPublisher,
    notice_id,
)
from notifier.domain.preference import Way
from notifier.domain.spoken import Value
from notifier.domain.webhook import event as webhook_event
from notifier.domain.wording import Words, cut
from notifier.ports import (
    AdminList,
    Directory,
    NoticeStore,
    PreferenceStore,
    Templates,
    WebhookStore,
)
from notifier.usecases.accepting import CLOCKS_APART

DELETED = "users/deleted"
"""Stands for everybody who has gone."""

WORTH_SENDING = timedelta(days=1)
"""For how long after it has happened something is sent to people."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for everybody.

    Attributes:
        gathering: when mails are put together.
        most_waiting: how many deliveries of a channel may wait.
        inbox_size: how many of the newest entries of each inbox are kept.
        inbox_kept: for how long an entry is kept.
    """

    gathering: Gathering
    most_waiting: int
    inbox_size: int
    inbox_kept: timedelta


class Notifying:
    """Makes notices of facts.

    A fact that is told again changes nothing, and neither does one that a newer one of its thread has
    overtaken. A fact that is older than a day comes into inboxes and is not sent: after a long outage
    nobody wants yesterday's mails.
    """

    def __init__(
        self,
        store: NoticeStore,
        *,
        preferences: PreferenceStore,
        admins: AdminList,
        webhooks: WebhookStore,
        directory: Directory,
        templates: Templates,
        rules: Rules,
        clock: Clock,
        told: Callable[[Event, Telling], None],
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the notices, and in the same transaction the deliveries.
            preferences: what each person has chosen.
            admins: who they are.
            webhooks: of each person.
            directory: people and machines.
            templates: the words.
            rules: what holds for everybody.
            clock: the time.
            told: is called with each fact and what became of it, once that is committed.
        """
        self._store = store
        self._preferences = preferences
        self._admins = admins
        self._webhooks = webhooks
        self._directory = directory
        self._templates = templates
        self._rules = rules
        self._clock = clock
        self._told = told

    async def tell(self, event: Event) -> Outcome:
        """Tells people of a fact.

        Raises:
            Unavailable: the store or the directory does not answer; nothing was told.
        """
        entries: dict[str, Entry] = {}
        for draft in event.drafts:
            async for person, values in self._told_of(draft):
                if person.user == draft.by or person.user in entries:
                    continue
                entry = await self._entry(event, draft, person, values)
                if entry is not None:
                    entries[person.user] = entry
        telling = await self._store.tell(
            event,
            list(entries.values()),
            self._rules.gathering,
            self._rules.most_waiting,
            self._clock.now(),
        )
        self._told(event, telling)
        return telling.outcome

    async def _told_of(self, draft: Draft) -> AsyncIterator[tuple[Person, Mapping[str, Value]]]:
        """Whom a draft is for, with the fields of its template."""
        values = dict(draft.values)
        users, min_version = await self._users(draft, values)
        for user in users:
            if user in {"", DELETED}:
                continue
            person = await self._directory.person(user, min_version)
            if person is not None:
                yield person, values

    async def _users(self, draft: Draft, values: dict[str, Value]) -> tuple[Sequence[str], int]:
        publisher = ""
        if draft.machine:
            machine = await self._directory.machine(draft.machine)
            if machine is None:
                # With a machine goes all that was said of it.
                return (), 0
            values["machine"], publisher = machine
        match draft.to:
            case ToPerson(user, min_version):
                return (user,), min_version
            case ToPublisher():
                return (publisher,), 0
            case ToAdmins():
                return await self._admins.all(), 0

    async def _entry(
        self, event: Event, draft: Draft, person: Person, values: Mapping[str, Value]
    ) -> Entry | None:
        """What one person is told, and how; None for somebody who does not want to be told."""
        chosen = await self._preferences.get(person.user)
        kind = draft.kind
        ways = chosen.ways(kind, self._templates.rule(kind.value), own_doing=draft.own_doing)
        words = self._templates.render(kind.value, person.language, values, draft.path)
        now = self._clock.now()
        notice = Notice(
            id=notice_id(event.fact_id, person.user),
            user=person.user,
            kind=kind,
            title=words.subject,
            text=cut(words.body, LONGEST_TEXT),
            resource=draft.resource,
            fact_id=event.fact_id,
            event_time=event.time,
            create_time=now,
            by=draft.by,
        )
        mail, others = None, []
        if now - event.time <= WORTH_SENDING:
            if Way.EMAIL in ways and person.email:
                content = Content(subject=words.subject, text=words.text, html=words.html)
                mail = self._delivery(notice, Channel.EMAIL, person.email, content)
            others = await self._others(notice, person, ways, words)
        in_page = Way.IN_PAGE in ways
        return Entry(notice, in_page, mail, others) if in_page or mail or others else None

    async def _others(
        self, notice: Notice, person: Person, ways: frozenset[Way], words: Words
    ) -> list[Delivery]:
        found = []
        if Way.SMS in ways and person.phone:
            content = Content(text=words.sms)
            found.append(self._delivery(notice, Channel.SMS, person.phone, content))
        if Way.WEBHOOK in ways:
            payload = webhook_event(notice.id, notice.kind.value, notice.event_time, _said(notice))
            content = Content(payload=payload)
            found += [
                self._delivery(notice, Channel.WEBHOOK, webhook.name, content)
                for webhook in await self._webhooks.of_owner(person.user)
                if webhook.wants(notice.kind.value)
            ]
        return found

    def _delivery(
        self, notice: Notice, channel: Channel, destination: str, content: Content
    ) -> Delivery:
        now = notice.create_time
        # By person: an address may be that of two accounts, one after the other.
        fact = f"{notice.fact_id}/{notice.id[:12]}"
        return Delivery(
            id=delivery_id(fact, channel, destination),
            channel=channel,
            destination=destination,
            content=content,
            fact_id=fact,
            accept_time=now,
            due_time=now - CLOCKS_APART,
            expire_time=now + WORTH_SENDING,
            kind=notice.kind.value,
            user=notice.user,
        )


def _said(notice: Notice) -> dict[str, object]:
    """What a webhook is told of a notice, with the names of the contract."""
    return {
        "notification": notice.name,
        "kind": notice.kind.value,
        "user": notice.user,
        "title": notice.title,
        "text": notice.text,
        "resource": notice.resource,
    }
