"""What the authors of a page are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from feed_svc.domain.feed import DELETED, Author, Comment, Review
from feed_svc.ports import FeedStore


class Naming:
    """Reads the names of authors as they are now: what people wrote follows a renamed account."""

    def __init__(self, store: FeedStore) -> None:
        """Works on a store."""
        self._store = store

    async def authors_of(self, written: Iterable[Comment | Review]) -> Mapping[str, Author]:
        """What the authors of comments or reviews are called, by `users/{user}`."""
        people = {one.author for one in written} - {"", DELETED}
        return await self._store.authors(people)
