"""Facts that a service could not take in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

ALL = "deadLetters/-"
"""What a notice is about that is about many letters."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        id: increases.
        group: who could not take it in.
        topic: where it is.
        key: what it is about.
        type: of the fact; may be empty.
        fact: the id of the fact; may be empty.
        reason: why, from the closed list.
        message: what the fault says.
        attempts: how often it was tried.
        fail_time: when it was given up.
        fact_time: when it happened; None where it does not say.
        actor: who has caused it; may be empty.
        method: the call that has caused it; may be empty.
        trace: the id of the trace; may be empty.
        replaying: whether it waits to be taken in again.
        value: the fact as it was published.
    """

    id: int
    group: str
    topic: str
    key: str
    type: str
    fact: str
    reason: str
    message: str
    attempts: int
    fail_time: datetime
    fact_time: datetime | None
    actor: str
    method: str
    trace: str
    replaying: bool
    value: bytes

    @property
    def name(self) -> str:
        """The resource name."""
        return f"deadLetters/{self.id}"


class LetterFact(Enum):
    """What is told of dead letters; the values are the names of the contract's messages."""

    ADDED = "DeadLetterAdded"
    REPLAYED = "DeadLetterReplayed"
    ALL_REPLAYED = "DeadLettersReplayed"
    DISCARDED = "DeadLetterDiscarded"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is told of dead letters.

    Attributes:
        fact: what has happened.
        time: when.
        letter: to which one; None for many.
        group: for many: those of this group; empty for those of all.
    """

    fact: LetterFact
    time: datetime
    letter: Letter | None = None
    group: str = ""

    @property
    def key(self) -> str:
        """What it is about."""
        return self.letter.name if self.letter else ALL
