"""A message on its way to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum


class State(Enum):
    """The life of a delivery."""

    PENDING = "PENDING"
    LEASED = "LEASED"
    SENT = "SENT"
    FAILED = "FAILED"


class ContentKind(Enum):
    """What a message says."""

    VERIFICATION_CODE = "VERIFICATION_CODE"
    ADDRESS_TAKEN = "ADDRESS_TAKEN"


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says.

    Attributes:
        code: six digits, in a message that brings a code; erased once delivered, never logged.
        useful_until: from then on the message need not be sent.
    """

    kind: ContentKind
    useful_until: datetime
    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to one person.

    Attributes:
        id: a UUID that the sender chose, so that the same message is stored once.
        email: where to.
        content: None once it has been sent or has failed.
        accept_time: when it was stored.
        due_time: when it is to be tried next; in state LEASED when the lease ends.
        attempts: how often it was tried.
        lease: which worker's attempt it is; empty unless LEASED.
    """

    id: str
    email: str
    content: Content | None
    accept_time: datetime
    due_time: datetime
    state: State = State.PENDING
    attempts: int = 0
    lease: str = ""


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
