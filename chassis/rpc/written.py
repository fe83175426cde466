"""Answers that are written once for as long as what they tell has not changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from google.protobuf.message import Message

T = TypeVar("T")


class Written(Generic[T]):
    """The wire form of immutable objects, written once for each object.

    A store that gives the same object for a row that has not changed makes an answer cost no more
    than its read. It is the object itself that counts, not what it is equal to, so that a new object
    is always written anew.
    """

    def __init__(self, message_of: Callable[[T], Message], most: int = 512) -> None:
        """Remembers nothing yet.

        Args:
            message_of: the message that tells an object; it must depend on nothing else.
            most: how many objects are remembered; the oldest are forgotten.
        """
        self._message_of = message_of
        self._most = most
        # An object is kept beside its bytes, so that no other one can come to have its id.
        self._kept: dict[int, tuple[T, bytes]] = {}

    def of(self, thing: T) -> bytes:
        """The serialised message that tells the object."""
        kept = self._kept.get(id(thing))
        if kept is not None:
            return kept[1]
        raw = self._message_of(thing).SerializeToString()
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[id(thing)] = (thing, raw)
        return raw
