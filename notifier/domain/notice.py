"""Notices: what a person is told of something that has happened."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from notifier.domain.delivery import Delivery
from notifier.domain.kind import Kind
from notifier.domain.spoken import Value

_NAMESPACE = uuid.UUID("5f0f2a6c-0c55-5a0e-8d2b-6f5f3f1f7d10")

LONGEST_TEXT = 4000
"""Of a notice in the inbox, in characters."""

FOR_EVER = 2**62
"""The order of the last fact about something: nothing comes after it."""


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Told to one person.

    Attributes:
        user: `users/…`.
        min_version: the version of the account that the fact knows of; 0 where it knows of none.
    """

    user: str
    min_version: int = 0


@dataclass(frozen=True, slots=True)
class ToPublisher:
    """Told to whoever has published the machine of the draft."""


@dataclass(frozen=True, slots=True)
class ToAdmins:
    """Told to every admin."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Something to tell, before it is known who exactly is told and in which words.

    Attributes:
        to: whom.
        kind: what it is.
        values: the fields of the kind's template.
        resource: what it is about, a resource name.
        path: where that is in the web console; empty for nowhere.
        machine: the machine whose title is the field `machine`; empty where the fields have it.
        by: who did it, `users/…`, and so need not be told; empty for nobody.
        own_doing: whether whoever is told has done it themselves.
    """

    to: ToPerson | ToPublisher | ToAdmins
    kind: Kind
    values: Mapping[str, Value] = field(repr=False)
    resource: str = ""
    path: str = ""
    machine: str = ""
    by: str = ""
    own_doing: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A fact, as far as people are told of it.

    Attributes:
        fact_id: unlike every other fact's.
        time: when it happened.
        thread: what it is about: of one thread, only what is newer than all before is told. Empty
            where each fact stands for itself.
        order: its place within its thread.
        drafts: what to tell; of several for one person, the first. None of them where it only ends
            or overtakes what came before.
        withdraws: a resource whose notices are taken back; empty for none.
    """

    fact_id: str
    time: datetime
    thread: str = ""
    order: int = 0
    drafts: Sequence[Draft] = ()
    withdraws: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be told.

    Attributes:
        user: `users/…`.
        email, phone: where they are reached; empty where it is not verified, or the account disabled.
        language: BCP 47.
    """

    user: str
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Notice:
    """An entry of an inbox.

    Attributes:
        id: 32 hexadecimal digits, the same for each attempt to tell a person of a fact.
        user: whose inbox, `users/…`.
        title: one line.
        text: at most 4,000 characters.
        resource: what it is about; may be empty.
        event_time: when it happened.
        create_time: when it came into the inbox.
        by: who did what it tells of, `users/…`; may be empty.
        position: its place in the inbox, from 1; never used twice, and never filled later.
        read_time: None while it is unread.
    """

    id: str
    user: str
    kind: Kind
    title: str
    text: str = field(repr=False)
    resource: str
    fact_id: str
    event_time: datetime
    create_time: datetime
    by: str = ""
    position: int = 0
    read_time: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name."""
        return f"notifications/{self.id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice and how it goes out.

    Attributes:
        notice: without its position.
        in_page: whether the inbox shows it.
        mail: to be sent, or gathered with others; None for none.
        others: sent in any case, over other channels.
    """

    notice: Notice
    in_page: bool
    mail: Delivery | None = None
    others: Sequence[Delivery] = ()


@dataclass(frozen=True, slots=True)
class Gathering:
    """When mails of one kind to one person are put together.

    Attributes:
        most: so many go out singly within the span; what comes beyond is gathered.
        span: also how long is gathered until the digest goes out.
    """

    most: int
    span: timedelta


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered for one person, of one kind.

    Attributes:
        user: `users/…`.
        kind: of all of it.
        titles: the first of them, the oldest first.
        count: how many they are.
        last_position: of the newest of them; with the person and the kind it names the digest.
    """

    user: str
    kind: Kind
    titles: Sequence[str]
    count: int
    last_position: int


def notice_id(fact_id: str, user: str) -> str:
    """The identifier of the notice that tells a person of a fact."""
    return uuid.uuid5(_NAMESPACE, f"{fact_id}\n{user}").hex


class Outcome(Enum):
    """What became of a fact."""

    TOLD = "told"
    KNOWN = "told before"
    LATE = "overtaken by a newer one"


@dataclass(frozen=True, slots=True)
class Telling:
    """What became of a fact, and what there is to do now.

    Attributes:
        users: whose inboxes have changed.
        sends: whether something waits to be sent.
        dropped: how many deliveries were left out because too many wait.
    """

    outcome: Outcome
    users: Sequence[str] = ()
    sends: bool = False
    dropped: int = 0
