"""A message on its way to a person, over one channel."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

_NAMESPACE = uuid.UUID("b1c4f0de-6a52-5d0b-9a57-2f1f0c8f7c11")


class State(Enum):
    """The life of a delivery."""

    PENDING = "PENDING"
    LEASED = "LEASED"
    SENT = "SENT"
    FAILED = "FAILED"


class Channel(Enum):
    """How a message travels."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    WEBHOOK = "WEBHOOK"


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says; it may hold a code, so it is never logged.

    Attributes:
        subject: one line; of a mail.
        text: of a mail in plain text, or of an SMS, which has 320 characters at most.
        html: the same for mail programs that show it; empty for other channels.
        payload: JSON text, of a webhook.
    """

    subject: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    payload: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one destination.

    Attributes:
        id: a UUID, so that the same message is stored once.
        channel: how it travels.
        destination: where to: an address, a number in E.164 form, or the name of a webhook.
        content: None once it has been sent or has failed; that of a webhook is kept, to be replayed.
        fact_id: what it tells of; of one fact, a destination gets one message.
        accept_time: when it was stored.
        due_time: when it is to be tried next; in state LEASED when the lease ends.
        expire_time: from then on it need not be sent.
        kind: what kind of message it is, as its template is called.
        user: whom it is for, `users/…`; empty where that is not known.
        attempts: how often it was tried.
        lease: which worker's attempt it is; empty unless LEASED.
        response_code: the HTTP status that the last attempt was answered with; 0 without one.
        error: why the last attempt failed, in words that hold no secret; empty where it did not.
        attempt_time: when it was last tried; None before the first attempt.
    """

    id: str
    channel: Channel
    destination: str
    content: Content | None
    fact_id: str
    accept_time: datetime
    due_time: datetime
    expire_time: datetime
    kind: str = ""
    user: str = ""
    state: State = State.PENDING
    attempts: int = 0
    lease: str = ""
    response_code: int = 0
    error: str = ""
    attempt_time: datetime | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is not tried any more."""
        return self.state in (State.SENT, State.FAILED)


def delivery_id(fact_id: str, channel: Channel, destination: str) -> str:
    """The identifier of the one message that tells a destination of a fact."""
    return str(uuid.uuid5(_NAMESPACE, f"{fact_id}\n{channel.value}\n{destination}"))


@dataclass(frozen=True, slots=True)
class Persistence:
    """How long it is tried.

    Attributes:
        most_attempts: after so many it has failed.
        first_pause, longest_pause: between two attempts; the pause doubles with each.
        spread: each pause is made longer by a random part of itself up to this one, so that many
            that failed together do not come back together.
    """

    most_attempts: int
    first_pause: timedelta
    longest_pause: timedelta
    spread: float

    def pause(self, attempts: int, chance: float) -> timedelta:
        """How long to wait after that many attempts.

        Args:
            attempts: how many there were, from 1.
            chance: random, from 0 to 1.
        """
        doubled = self.first_pause * int(2 ** min(attempts - 1, 20))
        return min(doubled, self.longest_pause) * (1.0 + self.spread * chance)
