"""What the directory keeps of a resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class Kind(Enum):
    """What a resource is; the values are the nouns of the topics."""

    USER = "users"
    MACHINE = "machines"
    ALLOCATION = "allocations"


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource as its owner last said it to be.

    A resource that is made anew under a name counts its versions from 1 again, so that knowledge is
    ordered by the time when the resource was made first, then by its version.

    Attributes:
        kind: what it is.
        name: its resource name.
        version: counted by its owner from 1.
        create_time: when the resource was made, UTC in milliseconds.
        message: the resource as the contract writes it; never with secrets.
        owner: of an allocation, `users/{user}`; else empty.
        machine: of an allocation, `machines/{machine}`; else empty.
        write_time: when this was learnt, UTC in milliseconds.
    """

    kind: Kind
    name: str
    version: int
    create_time: datetime
    message: bytes
    owner: str
    machine: str
    write_time: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """A name that nothing has any more.

    Attributes:
        kind: what it was.
        name: its resource name.
        end_time: when it was deleted, UTC in milliseconds.
    """

    kind: Kind
    name: str
    end_time: datetime
