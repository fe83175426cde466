"""What becomes of feeds when people and machines change or go."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from feed_svc.domain.change import MOST_ROWS, Change
from feed_svc.domain.facts import AuthorRemoved, FeedRemoved
from feed_svc.domain.feed import DELETED, Author, Feed
from feed_svc.ports import FeedStore
from feed_svc.usecases.changing import Changing, Decision


class Following:
    """Follows what is told of people and machines; each may be told again, and late."""

    def __init__(self, store: FeedStore, changing: Changing) -> None:
        """Works on a store."""
        self._store = store
        self._changing = changing

    async def named(self, author: Author) -> None:
        """Learns what a person is called."""
        await self._store.learn(author)

    async def person_gone(self, person: str, version: int) -> None:
        """Takes a person out of all feeds: texts and stars stay, without a name; votes are withdrawn.

        Args:
            person: `users/{user}`.
            version: of the account, as it ended.
        """
        # From now on whatever still has their name is shown without it.
        await self._store.learn(Author(person, "", version, gone=True))
        for machine in await self._store.machines_of(person):
            while await self._changing.change(machine, lambda feed: self._without(feed, person)):
                pass

    async def machine_gone(self, machine: str, time: datetime) -> None:
        """Removes the feed of a machine.

        Args:
            machine: `machines/{machine}`.
            time: when it was deleted; of what came before that, nothing is new.
        """

        async def decide(feed: Feed) -> Decision[Feed]:
            if feed.end_time is not None and feed.end_time >= time:
                return None, feed
            ended = feed.ended(time)
            return Change(ended, facts=[FeedRemoved()] if feed.version else []), ended

        # Those who come again may have been interrupted here.
        await self._store.purge(await self._changing.change(machine, decide))

    async def _without(self, feed: Feed, person: str) -> Decision[bool]:
        """Takes a part of what a person wrote; says whether there may be more."""
        written = await self._store.comments_by(feed, person, MOST_ROWS // 2)
        review = await self._store.review_of(feed, person)
        vote = await self._store.vote(feed, person)
        if not written and review is None and vote is None:
            return None, False
        changed = feed.with_vote(vote.direction, None) if vote else feed
        nameless = [replace(one, author=DELETED, version=one.version + 1) for one in written]
        reviews = [replace(review, author=DELETED, version=review.version + 1)] if review else []
        change = Change(
            changed,
            comments=nameless,
            reviews=reviews,
            gone_votes=[person] if vote else [],
            gone_people=[person],
            facts=[AuthorRemoved()],
        )
        return change, True
