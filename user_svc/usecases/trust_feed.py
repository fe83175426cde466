"""What others must know to trust access tokens: keys that rotate, and revocations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.faults import Fault, Unavailable
from user_svc.domain.trust import KeyPlan, Revocation, SigningKey
from user_svc.ports.sessions import TokenSigner, TrustStore

_AT_ONCE = 1000
"""How many revocations go into one message, which must not grow beyond what a peer takes."""


@dataclass(frozen=True, slots=True)
class TrustChange:
    """What is new to one watcher; a sign of life where it is nothing.

    Attributes:
        keys: every published key, if they have changed; else none.
        revocations: new ones, oldest first.
        more: whether the next ones follow at once.
    """

    time: datetime
    keys: Sequence[SigningKey] = ()
    revocations: Sequence[Revocation] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class FeedPace:
    """How often the feed does what.

    Attributes:
        poll: how often the store is asked for what other replicas have done.
        overlap: how far each look into the store reaches back before the last one, because what is
            committed later may have been made earlier.
        heartbeat: how often watchers hear something, at the longest.
    """

    poll: timedelta
    overlap: timedelta
    heartbeat: timedelta


class TrustFeed:
    """Follows keys and revocations in the store and streams them to watchers.

    Watchers hear a heartbeat only while the store has been read a moment ago: where the store is
    away nobody can know what is revoked, and whoever watches must learn that.
    """

    def __init__(
        self,
        store: TrustStore,
        signer: TokenSigner,
        *,
        plan: KeyPlan,
        pace: FeedPace,
        clock: Clock,
        stopping: asyncio.Event,
        failed: Callable[[Fault], None],
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps keys and revocations.
            signer: makes keys.
            plan: how long keys are used.
            pace: how often it does what.
            clock: the time.
            stopping: is set when the process begins to stop.
            failed: is told why the store could not be read, each time.
        """
        self._store = store
        self._signer = signer
        self._plan = plan
        self._pace = pace
        self._clock = clock
        self._stopping = stopping
        self._failed = failed
        self._keys: list[SigningKey] = []
        self._published: list[SigningKey] = []
        self._revocations: dict[str, Revocation] = {}
        self._read_at: datetime | None = None
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()

    async def refresh(self) -> None:
        """Reads the store once, makes a key where it is time for one, and tells the watchers.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        keys = await self._store.keys()
        if self._plan.is_due(keys, now):
            newest = keys[-1].id if keys else ""
            # Where another replica was faster, its key is read below.
            await self._store.add_key(self._signer.new_key(now), newest)
            keys = await self._store.keys()
        published = self._plan.published(keys, now)
        since = self._read_at or datetime.min.replace(tzinfo=now.tzinfo) + self._pace.overlap
        found = await self._store.revocations(since - self._pace.overlap, now)
        fresh = {one.id: one for one in found if one.id not in self._revocations}
        live = {i: one for i, one in self._revocations.items() if one.expire_time > now}
        is_news = bool(fresh) or published != self._published
        self._keys, self._published, self._read_at = keys, published, now
        self._revocations = live | fresh
        if is_news:
            self._tell()

    def signing_key(self) -> SigningKey:
        """The key that signs now.

        Raises:
            Unavailable: the keys were never read.
        """
        if not self._keys:
            raise Unavailable("The keys are not there yet; try again in a moment.", retry_after=1.0)
        return self._plan.signing(self._keys, self._clock.now())

    def published(self) -> Sequence[SigningKey]:
        """The keys whose tokens may still live."""
        return self._published

    def wake(self) -> None:
        """Has the store read at once: something was revoked here."""
        self._wanted.set()

    async def run(self) -> None:
        """Follows the store until cancelled."""
        while True:
            await self._first_of(self._wanted, self._pace.poll)
            self._wanted.clear()
            try:
                await self.refresh()
            except Fault as fault:
                self._failed(fault)

    async def sweep(self) -> None:
        """Forgets keys and revocations that nobody needs any more.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        await self._store.sweep(now)
        keys = await self._store.keys()
        kept = {key.id for key in self._plan.published(keys, now)}
        for key in keys:
            if key.id not in kept:
                await self._store.drop_key(key.id)

    async def watch(self) -> AsyncIterator[TrustChange]:
        """Everything at once, then each change, and heartbeats between them.

        Raises:
            Unavailable: SERVICE_STOPPING, the process is stopping.
        """
        told: set[str] = set()
        told_keys: list[SigningKey] = []
        while not self._stopping.is_set():
            news = self._news
            now = self._clock.now()
            if self._read_at is not None and now - self._read_at < self._pace.heartbeat * 2:
                fresh = [one for i, one in self._revocations.items() if i not in told]
                keys = self._published if self._published != told_keys else []
                told = set(self._revocations)
                told_keys = self._published
                while len(fresh) > _AT_ONCE:
                    yield TrustChange(now, keys, fresh[:_AT_ONCE], more=True)
                    keys, fresh = [], fresh[_AT_ONCE:]
                yield TrustChange(now, keys, fresh)
            await self._first_of(news, self._pace.heartbeat)
        raise Unavailable("The service is stopping; connect again.", reason="SERVICE_STOPPING")

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def _first_of(self, event: asyncio.Event, span: timedelta) -> None:
        """Waits for the event, the end of the span, or the stop of the process."""
        waits = [
            asyncio.ensure_future(event.wait()),
            asyncio.ensure_future(self._stopping.wait()),
            asyncio.ensure_future(self._clock.sleep(span.total_seconds())),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
