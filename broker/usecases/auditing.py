"""Reading what admins did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from broker.domain.entry import Entry
from broker.domain.event import Act
from broker.ports import DirectoryStore, TimelineStore
from broker.usecases.timeline import people
from chassis.listing import Condition

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Acts:
    """A page of what admins did.

    Attributes:
        acts: in the order that was asked for.
        more: whether there are more.
        people: what is known of those who are named, by name.
    """

    acts: Sequence[Act]
    more: bool
    people: Mapping[str, Entry]


class Auditing:
    """What admins did, for admins."""

    def __init__(self, store: TimelineStore, entries: DirectoryStore) -> None:
        """Reads a store.

        Args:
            store: what was done.
            entries: what is known of people.
        """
        self._store = store
        self._entries = entries

    async def page(
        self, conditions: Sequence[Condition], after: str, size: int, *, descending: bool
    ) -> Acts:
        """A page of what admins did.

        Args:
            conditions: as `TimelineStore.acts` has them.
            after: the place after which the page begins; empty to begin.
            size: how many at most.
            descending: whether the newest come first.
        """
        found = await self._store.acts(conditions, after, size + 1, descending=descending)
        shown = found[:size]
        named = [name for act in shown for name in (act.actor, act.resource)]
        return Acts(shown, len(found) > size, await people(self._entries, named))

    async def everything(self, conditions: Sequence[Condition]) -> AsyncIterator[Acts]:
        """All that admins did, the oldest first, page by page."""
        after, more = "", True
        while more:
            page = await self.page(conditions, after, _AT_ONCE, descending=False)
            yield page
            more = page.more
            after = page.acts[-1].place if page.acts else after
