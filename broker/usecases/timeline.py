"""Reading the timeline of an allocation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from broker.domain.entry import Entry, Kind
from broker.domain.event import DELETED_PERSON, Event, Phase
from broker.domain.faults import not_found
from broker.ports import DirectoryStore, TimelineStore
from broker.usecases.directory import Directory

_PEOPLE = "users/"


@dataclass(frozen=True, slots=True)
class Told:
    """A page of a timeline.

    Attributes:
        events: in the order that was asked for.
        more: whether there are more.
        took: how long a start took, by the id of the event that ended it.
        people: what is known of those who are named, by name.
        owner: whose allocation it is; empty where that is not known.
    """

    events: Sequence[Event]
    more: bool
    took: Mapping[str, timedelta]
    people: Mapping[str, Entry]
    owner: str


class Timeline:
    """What has happened to allocations, for those who may know."""

    def __init__(self, store: TimelineStore, directory: Directory, entries: DirectoryStore) -> None:
        """Reads a store.

        Args:
            store: what has happened.
            directory: asks the owner of an allocation that nothing is known of yet.
            entries: what is known of people.
        """
        self._store = store
        self._directory = directory
        self._entries = entries

    async def page(
        self, allocation: str, viewer: str, after: str, size: int, *, descending: bool
    ) -> Told:
        """A page of the timeline of an allocation.

        Args:
            allocation: whose, `allocations/{allocation}`.
            viewer: the person who sees only what is their own; empty for who sees everything.
            after: the place after which the page begins; empty to begin.
            size: how many at most.
            descending: whether the newest come first.

        Raises:
            NotFound: ALLOCATION_NOT_FOUND, also where it is somebody else's.
        """
        found = await self._events(allocation, viewer, after, size + 1, descending=descending)
        if found is None and not after:
            # What was rented this moment is not known yet: its owner is.
            await self._directory.find(Kind.ALLOCATION, allocation, 0)
            found = await self._events(allocation, viewer, after, size + 1, descending=descending)
        if found is None:
            raise not_found(Kind.ALLOCATION, allocation)
        shown = found[:size]
        entry = await self._entries.get(Kind.ALLOCATION, allocation)
        return Told(
            events=shown,
            more=len(found) > size,
            took=await self._took(shown),
            people=await people(self._entries, (event.actor for event in shown)),
            owner=entry.owner if isinstance(entry, Entry) else "",
        )

    async def _events(
        self, allocation: str, viewer: str, after: str, size: int, *, descending: bool
    ) -> list[Event] | None:
        return await self._store.events(allocation, viewer, after, size, descending=descending)

    async def _took(self, events: Sequence[Event]) -> dict[str, timedelta]:
        """How long each start took that has ended in one of the events."""
        took: dict[str, timedelta] = {}
        asked: Event | None = None
        ordered = sorted(events, key=lambda event: event.place)
        for place, event in enumerate(ordered):
            if event.phase is Phase.ANSWERED:
                if asked is None and not any(
                    one.phase is not Phase.NONE for one in ordered[:place]
                ):
                    # What it answers to is on another page.
                    asked = await self._store.before(event.allocation, event.place)
                if asked is not None and asked.phase is Phase.ASKED:
                    took[event.id] = event.time - asked.time
                asked = None
            elif event.phase is Phase.ASKED:
                asked = event
        return took


async def people(entries: DirectoryStore, names: Iterable[str]) -> dict[str, Entry]:
    """What is known of some people.

    Args:
        entries: what is known.
        names: of people, and perhaps of others.
    """
    found: dict[str, Entry] = {}
    for name in set(names):
        if name.startswith(_PEOPLE) and name != DELETED_PERSON:
            known = await entries.get(Kind.USER, name)
            if isinstance(known, Entry):
                found[name] = known
    return found
