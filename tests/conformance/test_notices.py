"""Notices about dead letters, as their port promises them, published by the relay of their store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broker.adapters.notices.mongo import MongoNotices
from broker.adapters.notices.sql import SqlNotices
from broker.domain.letter import Letter, LetterFact, Notice
from broker.ports import Notices
from broker.schema.tables import OUTBOX
from broker.transport.events import notice_records
from chassis.bus import Bus, Record, open_bus
from chassis.bus.outbox import Publishing, Relay
from chassis.clock import SystemClock
from chassis.documents import open_documents
from chassis.documents.outbox import DocumentRelay
from chassis.sql import open_database
from tests.sql_places import SqlPlace
from tests.store_places import STORE_ENGINES

T0 = datetime(2026, 1, 1, tzinfo=UTC)
LETTER = Letter(
    id=7,
    group="notifier.notices",
    topic="allocator.users.facts.v1",
    key="users/ada",
    type="allocator.users.v1.UserVerified",
    fact="fact-1",
    reason="INTERNAL_ERROR",
    message="KeyError",
    attempts=5,
    fail_time=T0,
    fact_time=T0,
    actor="",
    method="",
    trace="",
    replaying=False,
    value=b"secret",
)
ADDED = Notice(LetterFact.ADDED, T0, LETTER)


@dataclass
class World:
    """Notices, and where they are told."""

    notices: Notices
    relay: Publishing
    bus: Bus
    woken: list[None]

    async def told(self) -> list[str]:
        """What everybody was told so far, and about what."""
        assert await self.relay.flush()
        had: list[Record] = []
        end = Record("allocator.timeline.facts.v1", "end", b"", {"ce-type": "end"})
        await self.bus.publish([end])
        there = asyncio.Event()

        async def effect(record: Record) -> None:
            had.append(record)
            if len([one for one in had if one.key == "end"]) == self._ends:
                there.set()

        self._ends += 1
        task = asyncio.create_task(
            self.bus.consume(f"reader-{self._ends}", ["allocator.timeline.facts.v1"], effect)
        )
        await asyncio.wait_for(there.wait(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not any(b"secret" in record.value for record in had)
        types = [one for one in had if one.key != "end"]
        return [f"{one.headers['ce-type'].rpartition('.')[2]} {one.key}" for one in types]

    _ends: int = 0


@pytest.fixture(params=STORE_ENGINES)
async def world(
    request: pytest.FixtureRequest, store_place: SqlPlace, tmp_path: Path
) -> AsyncIterator[World]:
    """Notices in an empty store, and a bus."""
    url, clock = store_place(request.param, "broker.schema"), SystemClock()
    woken: list[None] = []
    async with AsyncExitStack() as exits:
        bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", clock)
        exits.push_async_callback(bus.close)
        if request.param == "mongodb":
            documents = await open_documents(url, "broker.schema", clock, migrate=True)
            exits.push_async_callback(documents.close)
            notices: Notices = MongoNotices(documents, notice_records, lambda: woken.append(None))
            yield World(notices, DocumentRelay(documents, "notices", bus), bus, woken)
            return
        database = await open_database(url, "broker.schema", clock)
        exits.push_async_callback(database.close)
        notices = SqlNotices(database, notice_records, lambda: woken.append(None))
        yield World(notices, Relay(database, OUTBOX, bus), bus, woken)


async def test_a_letter_is_told_of_once(world: World) -> None:
    assert await world.notices.tell_once(ADDED)
    assert len(world.woken) == 1
    assert not await world.notices.tell_once(replace(ADDED, time=T0 + timedelta(days=1)))
    assert await world.told() == ["DeadLetterAdded deadLetters/7"]
    assert not await world.notices.tell_once(ADDED)
    assert await world.told() == ["DeadLetterAdded deadLetters/7"]


async def test_another_letter_of_the_same_name_is_told_of_too(world: World) -> None:
    assert await world.notices.tell_once(ADDED)
    # As on a bus that was begun anew, where numbers come again.
    other = replace(ADDED, letter=replace(LETTER, fact="fact-2"))
    assert await world.notices.tell_once(other)
    assert not await world.notices.tell_once(other)
    assert len(await world.told()) == 2


async def test_what_is_done_with_letters_is_told_each_time(world: World) -> None:
    for fact in (LetterFact.REPLAYED, LetterFact.REPLAYED, LetterFact.DISCARDED):
        await world.notices.tell(Notice(fact, T0, LETTER))
    await world.notices.tell(Notice(LetterFact.ALL_REPLAYED, T0, None, "a.b"))
    assert await world.notices.tell_once(ADDED)
    assert sorted(await world.told()) == [
        "DeadLetterAdded deadLetters/7",
        "DeadLetterDiscarded deadLetters/7",
        "DeadLetterReplayed deadLetters/7",
        "DeadLetterReplayed deadLetters/7",
        "DeadLettersReplayed deadLetters/-",
    ]


async def test_of_several_at_once_one_tells(world: World) -> None:
    told = await asyncio.gather(*(world.notices.tell_once(ADDED) for _ in range(8)))
    assert told.count(True) == 1
    assert await world.told() == ["DeadLetterAdded deadLetters/7"]


async def test_what_was_told_long_ago_is_forgotten_but_what_waits_is_told(world: World) -> None:
    await world.notices.tell_once(ADDED)
    await world.notices.sweep(T0 + timedelta(seconds=1))
    assert await world.told() == ["DeadLetterAdded deadLetters/7"]
    await world.notices.sweep(T0 + timedelta(seconds=1))
    assert await world.notices.tell_once(ADDED)
