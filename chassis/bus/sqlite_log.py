"""The bus as a log in a SQLite file, for the services of one process."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection

from chassis.bus import sqlite_statements as log
from chassis.bus.delivery import Rejection, backoff, deliver, deliver_many, of_one
from chassis.bus.metrics import PUBLISHED, GroupMetrics
from chassis.bus.port import (
    DeadLetter,
    Effect,
    EffectOfMany,
    Record,
    check_group,
    check_records,
    tell_of,
)
from chassis.bus.recent import Recent
from chassis.clock import Clock
from chassis.faults import Unavailable
from chassis.sql import Database, Prepared, open_database

T = TypeVar("T")
P = ParamSpec("P")

_POLL = 1.0
_FEW = 16
_BATCH = 500
_SWEEP_EVERY = 60.0
_KEEP_AFTER = 0.5
_COUNT_EVERY = 1.0
_MAX_PAGE = 1000

_log = structlog.get_logger("chassis.bus")


async def open_sqlite_log(url: str, clock: Clock, *, retention: timedelta) -> SqliteLog:
    """Opens the log, and makes the file if it is not there.

    Args:
        url: `sqlite:///path/to/bus.sqlite3`.
        clock: for the times of records and the delays of retries.
        retention: how long facts are kept.
    """
    database = await open_database(url, "chassis.bus.schema", clock)
    return SqliteLog(database, clock, retention)


class SqliteLog:
    """The bus as a log in a SQLite file.

    A record is a row; a group's progress is a position per topic, kept a moment later for all groups
    together: after a crash, what was consumed in that moment is consumed again. Consumers in this process
    are handed new records at once, those of other processes find them by looking each second.

    Args:
        database: the log's own.
        clock: for the times of records and the delays of retries.
        retention: how long facts are kept.
    """

    def __init__(self, database: Database, clock: Clock, retention: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention
        self._swept = clock.monotonic()
        self._looked = clock.monotonic()
        self._recent = Recent()
        self._listeners: defaultdict[str, set[_News]] = defaultdict(set)
        # How far groups are by topic, where that is not kept yet.
        self._reached: dict[tuple[str, str], int] = {}
        self._advanced = asyncio.Event()
        self._keeping = asyncio.Lock()
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, records: Sequence[Record]) -> None:
        """See `chassis.bus.Bus`."""
        if not records:
            return
        check_records(records)
        now = self._clock.now()
        first, added = await self._database.write(lambda conn: log.add(conn, records, now))
        PUBLISHED.inc(len(records))
        if self._recent.add(first, added):
            self._tell(set(self._listeners))
        else:
            self._tell({record.topic for record in records})
        await self._sweep_sometimes()

    async def consume(self, group: str, topics: Sequence[str], effect: Effect) -> None:
        """See `chassis.bus.Bus`."""
        await self._consume_topics(group, topics, effect, None)

    async def consume_many(self, group: str, topics: Sequence[str], effect: EffectOfMany) -> None:
        """See `chassis.bus.Bus`."""
        await self._consume_topics(group, topics, of_one(effect), effect)

    async def _consume_topics(
        self, group: str, topics: Sequence[str], effect: Effect, of_many: EffectOfMany | None
    ) -> None:
        check_group(group)
        metrics = GroupMetrics(group, topics)
        consumer = _Consumer(group, effect, of_many, metrics)
        try:
            async with asyncio.TaskGroup() as consumers:
                consumers.create_task(self._keep_reached(), name=f"bus {group} keeps")
                for topic in dict.fromkeys(topics):
                    consumers.create_task(
                        self._consume(consumer, topic),
                        name=f"bus {group} {topic}",
                    )
        finally:
            metrics.forget()

    async def tail(
        self, topics: Sequence[str], effect: Effect, started: asyncio.Event | None = None
    ) -> None:
        """See `chassis.bus.Bus`."""
        position = await self._last_position()
        async with asyncio.TaskGroup() as readers:
            for topic in dict.fromkeys(topics):
                readers.create_task(self._tail(topic, position, effect), name=f"bus tail {topic}")
            if started is not None:
                started.set()

    async def dead_letters(self, limit: int, after: int = 0) -> list[DeadLetter]:
        """See `chassis.bus.Bus`."""
        at_most = max(0, min(limit, _MAX_PAGE))
        return await self._database.read(lambda conn: log.dead_letters(conn, at_most, after))

    async def replay(self, dead_letter: int) -> bool:
        """See `chassis.bus.Bus`."""
        topic = await self._database.write(lambda conn: log.mark_for_replay(conn, dead_letter))
        if topic is None:
            return False
        self._tell({topic}, replays=True)
        return True

    async def count_dead_letters(self) -> int:
        """See `chassis.bus.Bus`."""
        return await self._database.get(log.count_dead_letters)

    async def discard(self, dead_letter: int) -> bool:
        """See `chassis.bus.Bus`."""
        return await self._database.write(lambda conn: log.discard(conn, dead_letter))

    async def erase(self, key: str, but: str = "") -> int:
        """See `chassis.bus.Bus`."""
        # Looked for beforehand, so that nobody who writes waits for the scan.
        found = await self._database.read(lambda conn: log.facts_of(conn, key, but))
        erased = await self._database.write(lambda conn: log.erase(conn, found, key))
        self._recent.begin(self._recent.end)
        return erased

    async def close(self) -> None:
        """See `chassis.bus.Bus`."""
        await self._database.close()

    async def _tail(self, topic: str, position: int, effect: Effect) -> None:
        with self._listening(topic) as news:
            while True:
                news.happened.clear()
                records = await self._records_after(topic, position)
                for place, record in records:
                    await tell_of(record, effect)
                    position = place
                if len(records) < _FEW:
                    await self._heard(news)

    async def _consume(self, consumer: _Consumer, topic: str) -> None:
        # A second consumer of the group stands by until the first one has gone.
        with self._listening(topic) as news:
            async with self._turns[consumer.group, topic]:
                try:
                    await self._consume_for_ever(consumer, topic, news)
                finally:
                    # Where the next one, whose turn it is then, begins. If this fails, what was consumed
                    # is consumed again, which is allowed.
                    with suppress(Unavailable):
                        await self._keep()

    async def _consume_for_ever(self, consumer: _Consumer, topic: str, news: _News) -> None:
        group, metrics = consumer.group, consumer.metrics
        work = partial(log.position, group=group, topic=topic)
        position = await self._patiently(self._database.get, work)
        counted = -_COUNT_EVERY
        while True:
            news.happened.clear()
            if news.replays:
                news.replays = False
                await self._consume_replayed(group, topic, consumer.effect)
            records = await self._records_after(topic, position)
            if len(records) < _BATCH:
                metrics.lags({topic: len(records)})
            elif self._clock.monotonic() - counted >= _COUNT_EVERY:
                counted = self._clock.monotonic()
                metrics.lags({topic: await self._how_many_after(topic, position)})
            if records:
                if not await self._consume_at_once(consumer, records):
                    await self._consume_each(consumer, records)
                position = records[-1][0]
                self._reach(group, topic, position)
            if len(records) < _FEW:
                # That was all there was; of what has come since it is told.
                await self._heard(news)

    async def _records_after(self, topic: str, position: int) -> list[tuple[int, Record]]:
        if (recent := self._recent.after(topic, position)) is not None:
            return recent
        # Mostly there are one or two, which the loop itself reads sooner than a thread could.
        few = await self._rows(log.AFTER, topic=topic, position=position, limit=_FEW)
        if len(few) < _FEW:
            return log.read_records(few)
        work = partial(log.records_after, topic=topic, position=position, limit=_BATCH)
        return await self._patiently(self._database.read, work)

    async def _last_position(self) -> int:
        [(position,)] = await self._rows(log.LAST)
        return int(position or 0)

    async def _heard(self, news: _News) -> None:
        """Waits until there is something new; looks now and then for what other processes did."""
        while not news.happened.is_set():
            try:
                async with asyncio.timeout(_POLL):
                    await news.happened.wait()
            except TimeoutError:
                await self._look_elsewhere()

    async def _look_elsewhere(self) -> None:
        """Looks for all consumers at once, and tells them where there is something."""
        now = self._clock.monotonic()
        if now - self._looked < _POLL / 2:
            return
        self._looked = now
        if await self._rows(log.ANY_REPLAYING):
            self._tell(set(self._listeners), replays=True)
        position = await self._last_position()
        if position > self._recent.end:
            self._recent.begin(position)
            self._tell(set(self._listeners))

    async def _how_many_after(self, topic: str, position: int) -> int:
        work = partial(log.how_many_after, topic=topic, position=position)
        return await self._patiently(self._database.read, work)

    async def _consume_at_once(
        self, consumer: _Consumer, records: Sequence[tuple[int, Record]]
    ) -> bool:
        """Has all of them consumed at once, where there is an effect for that and it succeeds."""
        if consumer.of_many is None:
            return False
        of_all = [record for _, record in records]
        if not await deliver_many(consumer.group, of_all, consumer.of_many, self._clock):
            return False
        consumer.metrics.consumed(len(records))
        return True

    async def _consume_each(
        self, consumer: _Consumer, records: Sequence[tuple[int, Record]]
    ) -> None:
        for position, record in records:
            rejection = await deliver(consumer.group, record, consumer.effect, self._clock)
            if rejection is not None:
                await self._bury(consumer.group, position, record, rejection)
                consumer.metrics.buried()
            consumer.metrics.consumed()
            self._reach(consumer.group, record.topic, position)

    async def _consume_replayed(self, group: str, topic: str, effect: Effect) -> None:
        work = partial(log.replaying, group=group, topic=topic)
        for letter in await self._patiently(self._database.get, work):
            rejection = await deliver(group, letter.record, effect, self._clock)
            settled = partial(
                log.settle, letter=letter.id, rejection=rejection, now=self._clock.now()
            )
            await self._patiently(self._database.write, settled)

    async def _bury(self, group: str, position: int, record: Record, rejection: Rejection) -> None:
        now = self._clock.now()

        def work(conn: Connection) -> None:
            log.bury(conn, group, record, rejection, now)
            log.remember(conn, {(group, record.topic): position})

        await self._patiently(self._database.write, work)

    def _reach(self, group: str, topic: str, position: int) -> None:
        self._reached[group, topic] = position
        self._advanced.set()

    async def _keep_reached(self) -> None:
        """Keeps how far groups are, a moment after they have come further."""
        while True:
            await self._advanced.wait()
            await asyncio.sleep(_KEEP_AFTER)
            await self._patiently(self._keep)

    async def _keep(self) -> None:
        async with self._keeping:
            reached, self._reached = self._reached, {}
            self._advanced.clear()
            if not reached:
                return
            try:
                await self._database.write(partial(log.remember, reached=reached))
            except BaseException:
                # Whoever keeps theirs next does it.
                self._reached = {**reached, **self._reached}
                self._advanced.set()
                raise

    async def _rows(self, prepared: Prepared, **key: object) -> list[tuple[Any, ...]]:
        return await self._patiently(self._database.rows, prepared, key)

    async def _patiently(self, ask: Callable[P, Awaitable[T]], *of: P.args, **more: P.kwargs) -> T:
        waits = 0
        while True:
            try:
                return await ask(*of, **more)
            except Unavailable as fault:
                if fault.reason == "SERVICE_STOPPING":
                    raise
                waits += 1
                _log.warning("a consumer waits for the log", reason=fault.reason)
                await self._clock.sleep(max(backoff(waits), fault.retry_after or 0.0))

    async def _sweep_sometimes(self) -> None:
        if self._clock.monotonic() - self._swept < _SWEEP_EVERY:
            return
        self._swept = self._clock.monotonic()
        now = self._clock.now()
        if await self._database.write(lambda conn: log.sweep(conn, now, self._retention)):
            self._recent.begin(self._recent.end)

    def _tell(self, topics: set[str], *, replays: bool = False) -> None:
        for topic in topics:
            for news in self._listeners.get(topic, ()):
                news.replays = news.replays or replays
                news.happened.set()

    @contextmanager
    def _listening(self, topic: str) -> Iterator[_News]:
        news = _News()
        self._listeners[topic].add(news)
        try:
            yield news
        finally:
            self._listeners[topic].discard(news)


@dataclass(frozen=True, slots=True)
class _Consumer:
    """What a group does with records: of many at once where `of_many` is there."""

    group: str
    effect: Effect
    of_many: EffectOfMany | None
    metrics: GroupMetrics


class _News:
    """What one consumer of one topic has not looked at yet.

    Attributes:
        happened: set when there is something new.
        replays: whether dead letters may wait to be consumed again.
    """

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.replays = True
