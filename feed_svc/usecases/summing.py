"""What feeds add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from feed_svc.domain.feed import Feed, Vote
from feed_svc.ports import FeedStore


class Summing:
    """Reads the numbers of feeds."""

    def __init__(self, store: FeedStore) -> None:
        """Works on a store."""
        self._store = store

    async def summaries(
        self, machines: Sequence[str], person: str
    ) -> tuple[list[Feed], Mapping[str, Vote]]:
        """The numbers of the feeds of machines, in this order, and a person's votes on them.

        Args:
            machines: `machines/{machine}`, each once.
            person: `users/{user}`; empty for nobody.
        """
        feeds = await self._store.feeds(machines)
        spoken_of = [feed for feed in feeds if feed.likes + feed.dislikes]
        votes = await self._store.votes(spoken_of, person) if person and spoken_of else {}
        return feeds, votes
