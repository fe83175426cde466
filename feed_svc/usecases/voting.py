"""Votes: like, dislike, switch, withdraw."""

from __future__ import annotations

from chassis.clock import Clock
from feed_svc.domain.change import Change
from feed_svc.domain.facts import VotesChanged
from feed_svc.domain.faults import VoteNotFound
from feed_svc.domain.feed import Direction, Feed, Vote
from feed_svc.ports import Catalogue, FeedStore
from feed_svc.usecases.changing import Changing, Decision
from feed_svc.usecases.limiting import Limiting


class Voting:
    """Votes on machines: one per person and machine."""

    def __init__(
        self,
        store: FeedStore,
        changing: Changing,
        *,
        catalogue: Catalogue,
        limiting: Limiting,
        clock: Clock,
    ) -> None:
        """Works on a store.

        Args:
            store: where feeds are.
            changing: changes them.
            catalogue: knows the machines.
            limiting: slows down who votes too much.
            clock: tells when.
        """
        self._store = store
        self._changing = changing
        self._catalogue = catalogue
        self._limiting = limiting
        self._clock = clock

    async def set(self, machine: str, direction: Direction, person: str) -> Vote:
        """Votes, in place of the vote that was there; the same one changes nothing.

        Raises:
            MachineNotFound: there is no such machine.
            TooManyRequests: the person has voted too much of late.
        """
        await self._limiting.votes(person)
        looked_in: int | None = None

        async def decide(feed: Feed) -> Decision[Vote]:
            nonlocal looked_in
            # After the feed was read: a machine that is deleted from now on ends the feed as well.
            if looked_in != feed.epoch:
                await self._catalogue.check_visible(machine)
                looked_in = feed.epoch
            former = await self._store.vote(feed, person)
            if former is not None and former.direction is direction:
                return None, former
            vote = Vote(machine, person, direction, self._clock.now())
            changed = feed.with_vote(former.direction if former else None, direction)
            return Change(changed, votes=[vote], facts=[VotesChanged()]), vote

        return await self._changing.change(machine, decide)

    async def clear(self, machine: str, person: str) -> None:
        """Withdraws a vote; where there is none, nothing changes.

        Raises:
            TooManyRequests: the person has voted too much of late.
        """
        await self._limiting.votes(person)

        async def decide(feed: Feed) -> Decision[None]:
            former = await self._store.vote(feed, person)
            if former is None:
                return None, None
            changed = feed.with_vote(former.direction, None)
            return Change(changed, gone_votes=[person], facts=[VotesChanged()]), None

        await self._changing.change(machine, decide)

    async def get(self, machine: str, person: str) -> Vote:
        """Reads a person's vote.

        Raises:
            VoteNotFound: there is none.
        """
        vote = await self._store.vote(await self._store.feed(machine), person)
        if vote is None:
            raise VoteNotFound(f"You have not voted on {machine}.", machine=machine)
        return vote
