"""Votes as a state machine: whatever people do, in whatever order and however often, the numbers are right."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chassis.clock import ManualClock
from chassis.limits import MemoryRateLimiter
from chassis.sql import open_database
from feed_svc.adapters.feed_store.sql import SqlFeedStore
from feed_svc.domain.change import Change
from feed_svc.domain.faults import FeedChanged
from feed_svc.domain.feed import Direction, Feed
from feed_svc.ports import FeedStore
from feed_svc.transport.mapping import records_of
from feed_svc.usecases.changing import Changing
from feed_svc.usecases.following import Following
from feed_svc.usecases.limiting import Limiting, Pace
from feed_svc.usecases.voting import Voting

MACHINE = "machines/redis"
PEOPLE = st.sampled_from([f"users/p{n}" for n in range(4)])
WAYS = st.sampled_from([*Direction, None])


class Open:
    """A catalogue in which there is every machine."""

    async def check_visible(self, machine: str) -> None:
        """Sees it."""


class Replaying:
    """A store whose last change was asked for once more, by somebody who got no answer."""

    def __init__(self, store: FeedStore) -> None:
        self._store = store
        self.last: Change | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, change: Change, once: Any = None) -> None:
        await self._store.save(change, once)
        self.last = change

    async def replay(self) -> bool:
        """Sends it again; whether it was kept twice."""
        if self.last is None:
            return False
        try:
            await self._store.save(self.last)
        except FeedChanged:
            return False
        return True


class Votes(RuleBasedStateMachine):
    """The service against a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Direction] = {}
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.exits = AsyncExitStack()
        self.ends = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        clock = ManualClock()
        url = f"sqlite:///{self.folder.name}/feed.sqlite3"
        database = await open_database(url, "feed_svc.schema", clock)
        self.exits.push_async_callback(database.close)
        self.store = Replaying(SqlFeedStore(database, clock, records_of, lambda: None))
        changing = Changing(self.store, clock)
        much = Pace(10**6, 1.0)
        self.voting = Voting(
            self.store,
            changing,
            catalogue=Open(),
            limiting=Limiting(MemoryRateLimiter(clock), much, much),
            clock=clock,
        )
        self.following = Following(self.store, changing)

    async def _vote(self, person: str, way: Direction | None) -> None:
        if way is None:
            await self.voting.clear(MACHINE, person)
        else:
            await self.voting.set(MACHINE, way, person)

    def _expect(self, person: str, way: Direction | None) -> None:
        self.model.pop(person, None)
        if way is not None:
            self.model[person] = way

    @rule(person=PEOPLE, way=WAYS, times=st.integers(1, 3))
    def votes(self, person: str, way: Direction | None, times: int) -> None:
        for _ in range(times):
            self.runner.run(self._vote(person, way))
        self._expect(person, way)

    @rule(ways=st.dictionaries(PEOPLE, WAYS, min_size=2))
    def vote_at_once(self, ways: dict[str, Direction | None]) -> None:
        async def all_of_them() -> None:
            await asyncio.gather(*(self._vote(person, way) for person, way in ways.items()))

        self.runner.run(all_of_them())
        for person, way in ways.items():
            self._expect(person, way)

    @rule()
    def a_change_comes_again(self) -> None:
        assert not self.runner.run(self.store.replay())

    @rule(person=PEOPLE)
    def somebody_goes(self, person: str) -> None:
        self.runner.run(self.following.person_gone(person, 1))
        self.model.pop(person, None)

    @rule()
    def the_machine_goes(self) -> None:
        self.ends += 1
        time = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.ends)
        for _ in range(2):
            self.runner.run(self.following.machine_gone(MACHINE, time))
        self.model.clear()

    @invariant()
    def the_numbers_are_those_of_the_votes(self) -> None:
        async def read() -> tuple[Feed, dict[str, Direction]]:
            feed = await self.store.feed(MACHINE)
            found = {}
            for n in range(4):
                vote = await self.store.vote(feed, f"users/p{n}")
                if vote is not None:
                    found[vote.person] = vote.direction
            return feed, found

        feed, found = self.runner.run(read())
        assert found == self.model
        ways = list(self.model.values())
        assert (feed.likes, feed.dislikes) == (
            ways.count(Direction.LIKE),
            ways.count(Direction.DISLIKE),
        )

    def teardown(self) -> None:
        self.runner.run(self.exits.aclose())
        self.runner.close()
        self.folder.cleanup()


TestVotes = Votes.TestCase
TestVotes.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
