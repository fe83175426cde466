"""The store of timelines, of what admins did and of who has gone, as its port promises it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from broker.adapters.directory_store.mongo import MongoDirectoryStore
from broker.adapters.directory_store.sql import SqlDirectoryStore
from broker.adapters.timeline_store.mongo import MongoTimelineStore
from broker.adapters.timeline_store.sql import SqlTimelineStore
from broker.domain.entry import Ended, Entry, Kind
from broker.domain.event import DELETED_PERSON, Act, Event, Leaver, News, Phase
from broker.ports import DirectoryStore, TimelineStore
from chassis.clock import SystemClock
from chassis.documents import open_documents
from chassis.listing import Condition
from chassis.sql import open_database
from tests.sql_places import SqlPlace
from tests.store_places import STORE_ENGINES

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
A, B = "allocations/aaaa", "allocations/bbbb"
MOST = 20


class Stores(NamedTuple):
    """Both read models of one store."""

    timeline: TimelineStore
    directory: DirectoryStore


Opening = Callable[[], Awaitable[Stores]]


@pytest.fixture(params=STORE_ENGINES)
async def opening(request: pytest.FixtureRequest, store_place: SqlPlace) -> AsyncIterator[Opening]:
    """Opens the same store each time that it is called."""
    url = store_place(request.param, "broker.schema")
    async with AsyncExitStack() as exits:

        async def open_it() -> Stores:
            if request.param == "mongodb":
                documents = await open_documents(url, "broker.schema", SystemClock(), migrate=True)
                exits.push_async_callback(documents.close)
                return Stores(MongoTimelineStore(documents, MOST), MongoDirectoryStore(documents))
            database = await open_database(url, "broker.schema", SystemClock())
            exits.push_async_callback(database.close)
            return Stores(SqlTimelineStore(database, MOST), SqlDirectoryStore(database))

        yield open_it


@pytest.fixture
async def stores(opening: Opening) -> Stores:
    return await opening()


@pytest.fixture
async def store(stores: Stores) -> TimelineStore:
    return stores.timeline


def event(number: int = 1, allocation: str = A, **more: object) -> Event:
    parts = {
        "id": f"fact-{number}",
        "time": T0 + number * MILLISECOND,
        "version": number,
        "type": "allocator.allocations.v1.AllocationReady",
        "source": "allocation_svc",
        "words": f"Öfter {number} 🙂",
        "actor": "users/ada",
        "method": "allocator.allocations.v1.AllocationService/StartAllocation",
        "trace": "0af7651916cd43dd8448eb211c80319c",
        "phase": Phase.NONE,
        **more,
    }
    return Event(allocation, **parts)  # type: ignore[arg-type]


def act(number: int = 1, **more: object) -> Act:
    parts = {
        "id": f"act-{number}",
        "time": T0 + number * MILLISECOND,
        "version": number,
        "actor": "users/ada",
        "method": "allocator.machines.v1.MachineService/PublishMachine",
        "resource": "machines/redis",
        "type": "allocator.machines.v1.MachinePublished",
        "source": "machines_svc",
        "words": "{actor} published {resource}.",
        "trace": "",
        **more,
    }
    return Act(**parts)  # type: ignore[arg-type]


async def known(stores: Stores, allocation: str = A, owner: str = "users/ada") -> None:
    """Has the directory know an allocation."""
    await stores.directory.put(
        Entry(Kind.ALLOCATION, allocation, 1, T0, b"x", owner, "machines/redis", T0)
    )


async def told(store: TimelineStore, allocation: str = A, **more: object) -> list[Event] | None:
    """All events of an allocation, the oldest first."""
    asked = {"owner": "", "after": "", "size": 999, "descending": False, **more}
    return await store.events(allocation, **asked)  # type: ignore[arg-type]


async def done(store: TimelineStore, *conditions: Condition) -> list[Act]:
    """All acts, the oldest first."""
    return await store.acts(conditions, "", 999, descending=False)


async def test_an_event_comes_back_as_it_was_learnt(store: TimelineStore, opening: Opening) -> None:
    kept = [event(1), event(2, actor="", method="", trace="", phase=Phase.ASKED, version=0)]
    await store.learn(News(kept))
    assert await told(store) == kept
    assert await told((await opening()).timeline) == kept
    assert await told(store, B) is None


async def test_an_event_is_kept_once(store: TimelineStore) -> None:
    await store.learn(News([event(1), event(1)]))
    await store.learn(News([event(2), event(1)]))
    assert await told(store) == [event(1), event(2)]


async def test_events_are_ordered_by_time_then_version_then_id(store: TimelineStore) -> None:
    events = [
        event(1, id="z"),
        event(1, version=2, id="y", time=T0 + MILLISECOND),
        event(1, version=10, id="a", time=T0 + MILLISECOND),
        event(1, version=10, id="b", time=T0 + MILLISECOND),
        event(2, version=1),
    ]
    for one in random.Random(1).sample(events, len(events)):
        await store.learn(News([one]))
    assert await told(store) == events
    assert await told(store, descending=True) == events[::-1]


async def test_events_come_in_pages(store: TimelineStore) -> None:
    events = [event(number) for number in range(7)]
    await store.learn(News(events))
    for descending in (False, True):
        found: list[Event] = []
        after = ""
        while page := await told(store, after=after, size=3, descending=descending):
            found += page
            after = page[-1].place
        assert found == (events[::-1] if descending else events)


async def test_the_newest_events_of_each_allocation_are_kept(store: TimelineStore) -> None:
    events = [event(number) for number in range(MOST * 2)]
    await store.learn(News([event(1, B)]))
    mixed = random.Random(2).sample(events, len(events))
    for start in range(0, len(mixed), 7):
        await store.learn(News(mixed[start : start + 7]))
    assert await told(store) == events[MOST:]
    await store.learn(News(events[:3]))
    assert await told(store) == events[MOST:]
    assert await told(store, B) == [event(1, B)]


async def test_an_owner_reads_what_the_directory_knows_as_theirs(stores: Stores) -> None:
    store = stores.timeline
    await store.learn(News([event(1), event(1, B)]))
    assert await told(store, owner="users/ada") is None
    await known(stores)
    await known(stores, B, "users/eve")
    assert await told(store, owner="users/ada") == [event(1)]
    assert await told(store, B, owner="users/ada") is None
    await stores.directory.end(Ended(Kind.ALLOCATION, A, T0 + MILLISECOND))
    assert await told(store, owner="users/ada") is None
    assert await told(store) == [event(1)]


async def test_an_allocation_to_which_nothing_happened_yet_is_known(stores: Stores) -> None:
    await known(stores)
    assert await told(stores.timeline) == []
    assert await told(stores.timeline, owner="users/ada") == []


async def test_the_last_event_with_a_phase_is_found(store: TimelineStore) -> None:
    asked, answered = event(1, phase=Phase.ASKED), event(3, phase=Phase.ANSWERED)
    await store.learn(News([asked, event(2), answered, event(4)]))
    assert await store.before(A, event(5).place) == answered
    assert await store.before(A, answered.place) == asked
    assert await store.before(A, asked.place) is None
    assert await store.before(B, event(5).place) is None


async def test_acts_come_back_once_and_in_pages(store: TimelineStore) -> None:
    acts = [act(number) for number in range(5)]
    await store.learn(News(acts=[*acts[2:], acts[3]]))
    await store.learn(News(acts=acts[:3]))
    assert await done(store) == acts
    first = await store.acts([], "", 2, descending=True)
    assert first == acts[:2:-1]
    assert await store.acts([], first[-1].place, 9, descending=True) == acts[2::-1]
    assert await store.acts([], acts[3].place, 9, descending=False) == acts[4:]


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        (Condition("actor", "=", "users/eve"), [2]),
        (Condition("actor", "!=", "users/eve"), [1, 3]),
        (Condition("method", ":", "rOLe"), [2, 3]),
        (Condition("method", ":", ".*"), []),
        (Condition("resource", "=", "users/x"), [2]),
        (Condition("type", ":", "machinepublished"), [1, 2, 3]),
        (Condition("time", ">", T0 + 2 * MILLISECOND), [3]),
        (Condition("time", ">=", T0 + 2 * MILLISECOND), [2, 3]),
        (Condition("time", "<", T0 + 2 * MILLISECOND), [1]),
        (Condition("time", "<=", T0 + 2 * MILLISECOND), [1, 2]),
        (Condition("time", "=", T0 + 2 * MILLISECOND), [2]),
        (Condition("time", "!=", T0 + 2 * MILLISECOND), [1, 3]),
    ],
    ids=lambda given: f"{given.field} {given.op}" if isinstance(given, Condition) else "",
)
async def test_acts_are_filtered(
    store: TimelineStore, condition: Condition, numbers: list[int]
) -> None:
    acts = [
        act(1),
        act(2, actor="users/eve", method="a.UserService/GrantRole", resource="users/x"),
        act(3, method="a.UserService/RevokeRole"),
    ]
    await store.learn(News(acts=acts))
    assert [found.version for found in await done(store, condition)] == numbers
    both = await done(store, condition, Condition("actor", "=", "users/eve"))
    assert [found.version for found in both] == [n for n in numbers if n == 2]


async def test_who_has_gone_is_in_no_event_and_no_act(store: TimelineStore) -> None:
    gone = Leaver("users/ada", T0, "fact-9")
    before = News(
        [event(1), event(2, actor="users/eve")],
        [act(1), act(2, actor="users/eve", resource="users/ada")],
    )
    await store.learn(before)
    await store.learn(News(leavers=[gone]))
    await store.learn(News([event(3), event(1)], [act(3), act(1)], [gone]))
    assert [one.actor for one in await told(store) or ()] == [
        DELETED_PERSON,
        "users/eve",
        DELETED_PERSON,
    ]
    assert [(one.actor, one.resource) for one in await done(store)] == [
        (DELETED_PERSON, "machines/redis"),
        ("users/eve", DELETED_PERSON),
        (DELETED_PERSON, "machines/redis"),
    ]


async def test_who_has_gone_is_remembered(store: TimelineStore) -> None:
    ada, eve = Leaver("users/ada", T0, "f1"), Leaver("users/eve", T0 + MILLISECOND, "f2")
    await store.learn(News(leavers=[ada, eve]))
    await store.learn(News(leavers=[replace(ada, time=T0 + timedelta(days=9))]))
    assert await store.gone(["users/ada", "users/bob"]) == {"users/ada"}
    assert await store.gone([]) == set()
    assert await store.leavers(T0) == [ada, eve]
    assert await store.leavers(T0 + MILLISECOND) == [eve]


async def test_what_is_old_is_swept(store: TimelineStore) -> None:
    events, acts = [event(n) for n in range(4)], [act(n) for n in range(4)]
    await store.learn(News(events, acts))
    swept = await store.sweep(T0 + 2 * MILLISECOND, T0 + MILLISECOND)
    assert swept == 3
    assert await told(store) == events[2:]
    assert await done(store) == acts[1:]
    assert await store.sweep(T0, T0) == 0


async def test_several_at_once_come_to_the_same(store: TimelineStore, opening: Opening) -> None:
    others = [store, (await opening()).timeline]
    events = [event(number, id=f"f{number}") for number in range(MOST)]
    acts = [act(number) for number in range(10)]
    shuffled = [random.Random(seed).sample(events, len(events)) for seed in range(6)]
    await asyncio.gather(
        *(others[n % 2].learn(News(some, acts)) for n, some in enumerate(shuffled)),
        others[0].learn(News(leavers=[Leaver("users/ada", T0, "x")])),
    )
    # Whoever was learnt of at the very moment when they went is taken out by the next sweep.
    await store.sweep(T0, T0)
    gone = [replace(one, actor=DELETED_PERSON) for one in events]
    assert await told(store) == gone
    assert await done(store) == [replace(one, actor=DELETED_PERSON) for one in acts]
