"""What has happened: to an allocation, and what an admin has done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

DELETED_PERSON = "users/deleted"
"""What stands for each person who has deleted the account."""

ACTOR = "{actor} "
"""What words begin with where their first word is who did it."""

RESOURCE = "{resource}"
"""What stands in words for what it was done to, once at most."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_MOST_VERSION = 9_999_999_999


class Phase(Enum):
    """What an event has to do with how long a start takes."""

    NONE = ""
    ASKED = "asked"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened to an allocation.

    Events of an allocation are ordered by their time, then by the version of what they are about, then
    by their id, whatever the order in which they come.

    Attributes:
        allocation: `allocations/{allocation}`.
        id: of the fact, unlike any other's: letters, digits and dashes, 64 at most.
        time: when it happened, UTC in milliseconds.
        version: of what the fact is about, after it; 0 where it says none.
        type: of the fact, `allocator.allocations.v1.AllocationReady`.
        source: the service that tells of it.
        words: what is said of it; may begin with `ACTOR`. They never name a person.
        actor: `users/…`, a service, or empty.
        method: the call that has caused it; may be empty.
        trace: the id of the trace; may be empty.
        phase: what it has to do with how long a start takes.
    """

    allocation: str
    id: str
    time: datetime
    version: int
    type: str
    source: str
    words: str
    actor: str = ""
    method: str = ""
    trace: str = ""
    phase: Phase = Phase.NONE

    @property
    def place(self) -> str:
        """Its place among the events of the allocation: later events have greater ones."""
        return _place(self.time, self.version, self.id)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that an admin has done.

    Attributes:
        id: of the fact, as an event's.
        time: when it was done, UTC in milliseconds.
        version: of what it was done to, after it; 0 where the fact says none.
        actor: `users/…`.
        method: the call by which it was done.
        resource: to what it was done, `machines/redis`.
        type: of the fact.
        source: the service that tells of it.
        words: what is said of it: they begin with `ACTOR` and may hold `RESOURCE`.
        trace: the id of the trace; may be empty.
    """

    id: str
    time: datetime
    version: int
    actor: str
    method: str
    resource: str
    type: str
    source: str
    words: str
    trace: str = ""

    @property
    def place(self) -> str:
        """Its place among all acts: later ones have greater ones."""
        return _place(self.time, self.version, self.id)


@dataclass(frozen=True, slots=True)
class Leaver:
    """A person who has deleted the account.

    Attributes:
        person: `users/…`.
        time: when that was.
        fact: the id of the fact that says so.
    """

    person: str
    time: datetime
    fact: str


@dataclass(frozen=True, slots=True)
class News:
    """What some facts say.

    Attributes:
        events: of allocations.
        acts: of admins.
        leavers: people who have gone.
    """

    events: Sequence[Event] = ()
    acts: Sequence[Act] = ()
    leavers: Sequence[Leaver] = ()


def _place(time: datetime, version: int, known_by: str) -> str:
    millis = max(0, (time - _EPOCH) // _MILLISECOND)
    return f"{millis:015d}-{min(max(0, version), _MOST_VERSION):010d}-{known_by}"
