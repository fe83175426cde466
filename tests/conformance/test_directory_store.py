"""The store of the directory, as its port promises it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from broker.adapters.directory_store.mongo import MongoDirectoryStore
from broker.adapters.directory_store.sql import SqlDirectoryStore
from broker.domain.entry import Ended, Entry, Kind
from broker.ports import DirectoryStore
from broker.schema.tables import METADATA
from chassis.clock import SystemClock
from chassis.documents import open_documents
from chassis.sql import assert_schema_matches, open_database
from tests.sql_places import SqlPlace
from tests.store_places import STORE_ENGINES

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
Opening = Callable[[], Awaitable[DirectoryStore]]


@pytest.fixture(params=STORE_ENGINES)
async def opening(request: pytest.FixtureRequest, store_place: SqlPlace) -> AsyncIterator[Opening]:
    """Opens the same store each time that it is called."""
    url = store_place(request.param, "broker.schema")
    async with AsyncExitStack() as exits:

        async def open_it() -> DirectoryStore:
            if request.param == "mongodb":
                documents = await open_documents(url, "broker.schema", SystemClock(), migrate=True)
                exits.push_async_callback(documents.close)
                return MongoDirectoryStore(documents)
            database = await open_database(url, "broker.schema", SystemClock())
            exits.push_async_callback(database.close)
            return SqlDirectoryStore(database)

        yield open_it


@pytest.fixture
async def store(opening: Opening) -> DirectoryStore:
    return await opening()


def entry(name: str = "machines/a", version: int = 1, made: datetime = T0, **more: object) -> Entry:
    kind = Kind(name.partition("/")[0])
    parts = {
        "message": f"{name} {version}".encode(),
        "owner": "",
        "machine": "",
        "write_time": T0 + timedelta(days=1),
        **more,
    }
    return Entry(kind, name, version, made, **parts)  # type: ignore[arg-type]


def ended(name: str = "machines/a", time: datetime = T0) -> Ended:
    return Ended(Kind(name.partition("/")[0]), name, time)


def test_the_migrations_make_the_tables() -> None:
    assert_schema_matches(METADATA, "broker.schema")


async def test_an_entry_comes_back_as_it_was_put(store: DirectoryStore, opening: Opening) -> None:
    kept = entry(
        "allocations/abcd", message=bytes(range(256)), owner="users/a", machine="machines/b"
    )
    assert await store.put(kept)
    assert await store.get(kept.kind, kept.name) == kept
    assert await (await opening()).get(kept.kind, kept.name) == kept
    assert await store.get(Kind.USER, kept.name) is None
    assert await store.get(kept.kind, "allocations/other") is None


async def test_an_empty_message_is_an_entry_all_the_same(store: DirectoryStore) -> None:
    await store.put(entry(message=b""))
    assert await store.get(Kind.MACHINE, "machines/a") == entry(message=b"")


async def test_an_older_version_never_replaces_a_newer_one(store: DirectoryStore) -> None:
    assert await store.put(entry(version=5))
    assert not await store.put(entry(version=4))
    assert not await store.put(replace(entry(version=5), message=b"other"))
    assert await store.get(Kind.MACHINE, "machines/a") == entry(version=5)
    assert await store.put(entry(version=6))


async def test_what_was_made_anew_replaces_what_was_there(store: DirectoryStore) -> None:
    former, anew = entry(version=5), entry(version=1, made=T0 + MILLISECOND)
    assert await store.put(former)
    assert await store.put(anew)
    assert not await store.put(entry(version=9))
    assert await store.get(Kind.MACHINE, "machines/a") == anew


async def test_a_name_that_has_ended_is_remembered(store: DirectoryStore) -> None:
    await store.put(entry(version=2))
    end = ended(time=T0 + MILLISECOND)
    assert await store.end(end)
    assert await store.get(Kind.MACHINE, "machines/a") == end
    assert not await store.end(end)
    assert not await store.put(entry(version=3))
    assert await store.get(Kind.MACHINE, "machines/a") == end


async def test_an_end_of_something_unknown_is_remembered(store: DirectoryStore) -> None:
    assert await store.end(ended(time=T0 + MILLISECOND))
    assert not await store.put(entry())
    assert await store.put(entry(made=T0 + MILLISECOND))


async def test_an_end_does_not_end_what_was_made_later(store: DirectoryStore) -> None:
    anew = entry(made=T0 + 2 * MILLISECOND)
    await store.put(anew)
    assert not await store.end(ended(time=T0 + MILLISECOND))
    assert await store.get(Kind.MACHINE, "machines/a") == anew


async def test_the_order_of_arrival_does_not_matter(store: DirectoryStore) -> None:
    news = [
        entry("machines/x", 1),
        entry("machines/x", 2),
        ended("machines/x", T0 + 5 * MILLISECOND),
        entry("machines/x", 1, T0 + 7 * MILLISECOND),
        entry("machines/x", 2, T0 + 7 * MILLISECOND),
    ]
    for place, order in enumerate(permutations(news)):
        name = f"machines/x{place}"
        for one in order:
            told = replace(one, name=name)
            await (store.put(told) if isinstance(told, Entry) else store.end(told))
        assert await store.get(Kind.MACHINE, name) == replace(news[4], name=name), order


async def test_many_are_learnt_as_each_would_be(store: DirectoryStore) -> None:
    news = [
        entry("machines/x", 1),
        entry("machines/x", 2),
        ended("machines/x", T0 + 5 * MILLISECOND),
        entry("machines/x", 1, T0 + 7 * MILLISECOND),
        entry("machines/x", 2, T0 + 7 * MILLISECOND),
    ]
    for place, order in enumerate(permutations(news)):
        name = f"machines/x{place}"
        told = [replace(one, name=name) for one in order]
        # Some of it at once, some that is known already, and some by itself.
        await store.learn(told[:2])
        await store.learn(told[1:4])
        await store.learn(told[4:] + told[:1])
        assert await store.get(Kind.MACHINE, name) == replace(news[4], name=name), order
    await store.learn([])


async def test_many_of_many_kinds_are_learnt_in_every_directory(store: DirectoryStore) -> None:
    await store.put(entry("machines/a", 3))
    number = await store.begin_rebuild()
    news = [
        entry("machines/a", 2),
        entry("users/a"),
        entry("allocations/aaaa", owner="users/a"),
        ended("machines/b", T0),
    ]
    await store.learn(news)
    assert await store.get(Kind.MACHINE, "machines/a") == entry("machines/a", 3)
    await store.finish_rebuild(number)
    assert await store.get(Kind.MACHINE, "machines/a") == entry("machines/a", 2)
    assert await store.get(Kind.USER, "users/a") == entry("users/a")
    assert await store.allocations("users/a", "", "", 9) == [news[2]]
    assert await store.get(Kind.MACHINE, "machines/b") == ended("machines/b", T0)


async def test_of_many_that_are_learnt_by_several_at_once_the_newest_stay(
    store: DirectoryStore, opening: Opening
) -> None:
    stores = [store, await opening()]
    names = [f"machines/m{n:02}" for n in range(30)]
    await asyncio.gather(
        *(stores[v % 2].learn([entry(name, v) for name in names]) for v in range(1, 9))
    )
    for name in names:
        assert await store.get(Kind.MACHINE, name) == entry(name, 8)


async def test_an_entry_is_rewritten_if_it_is_the_very_one(store: DirectoryStore) -> None:
    kept = entry("allocations/abcd", 3, owner="users/a", machine="machines/b")
    other = replace(kept, owner="users/deleted", message=b"less")
    assert not await store.rewrite(kept, other)
    await store.put(replace(kept, version=4))
    assert not await store.rewrite(kept, other)
    await store.put(replace(kept, version=5))
    assert await store.rewrite(replace(kept, version=5), replace(other, version=5))
    assert await store.get(kept.kind, kept.name) == replace(other, version=5)
    assert await store.allocations("users/a", "", "", 9) == []
    assert not await store.put(replace(kept, version=5))


async def test_ends_are_forgotten_after_a_week(store: DirectoryStore) -> None:
    await store.end(ended("machines/old"))
    await store.end(ended("machines/kept", T0 + timedelta(days=2)))
    await store.end(ended("machines/new", T0 + timedelta(days=7, milliseconds=1)))
    assert await store.get(Kind.MACHINE, "machines/old") is None
    assert await store.get(Kind.MACHINE, "machines/kept") is not None


async def test_only_the_very_entry_is_forgotten(store: DirectoryStore) -> None:
    await store.put(entry(version=2))
    assert not await store.forget(entry(version=1))
    assert not await store.forget(entry(version=2, made=T0 + MILLISECOND))
    assert await store.forget(entry(version=2))
    assert await store.get(Kind.MACHINE, "machines/a") is None
    assert await store.put(entry(version=1))


async def test_of_many_at_once_the_newest_stays(store: DirectoryStore, opening: Opening) -> None:
    stores = [store, await opening()]
    await asyncio.gather(*(stores[v % 2].put(entry(version=v)) for v in range(1, 30)))
    assert await store.get(Kind.MACHINE, "machines/a") == entry(version=29)


async def test_allocations_are_listed_by_owner_and_machine(store: DirectoryStore) -> None:
    for i in range(12):
        await store.put(
            entry(f"allocations/a{i:03}", owner=f"users/{i % 2}", machine=f"machines/{i % 3}")
        )
    await store.put(entry("users/0"))
    await store.put(entry("machines/0"))
    await store.end(ended("allocations/a001"))

    async def listed(owner: str = "", machine: str = "", after: str = "", size: int = 99) -> str:
        found = await store.allocations(owner, machine, after, size)
        return " ".join(e.name.removeprefix("allocations/a0") for e in found)

    assert await listed() == "00 02 03 04 05 06 07 08 09 10 11"
    assert await listed("users/0") == "00 02 04 06 08 10"
    assert await listed(machine="machines/1") == "04 07 10"
    assert await listed("users/0", "machines/1") == "04 10"
    assert await listed("users/0", size=2) == "00 02"
    assert await listed("users/0", after="allocations/a004", size=2) == "06 08"
    assert await listed("users/9") == ""


async def test_a_rebuild_is_read_only_once_it_is_finished(store: DirectoryStore) -> None:
    kept, zombie, fresh = entry("machines/kept"), entry("machines/zombie"), entry("machines/fresh")
    await store.put(kept)
    await store.put(zombie)
    number = await store.begin_rebuild()
    await store.put(kept)
    await store.put(fresh)
    for known in (kept, zombie, fresh):
        assert await store.get(known.kind, known.name) == known
    assert await store.finish_rebuild(number)
    assert await store.get(kept.kind, kept.name) == kept
    assert await store.get(fresh.kind, fresh.name) == fresh
    assert await store.get(zombie.kind, zombie.name) is None
    assert not await store.put(kept)


async def test_what_ends_during_a_rebuild_stays_ended(store: DirectoryStore) -> None:
    await store.put(entry())
    number = await store.begin_rebuild()
    await store.end(ended(time=T0 + MILLISECOND))
    await store.put(entry())
    await store.finish_rebuild(number)
    assert await store.get(Kind.MACHINE, "machines/a") == ended(time=T0 + MILLISECOND)


async def test_a_rebuild_gives_way_to_a_later_one(store: DirectoryStore) -> None:
    await store.put(entry())
    first = await store.begin_rebuild()
    await store.put(entry("machines/b"))
    second = await store.begin_rebuild()
    assert second > first
    assert not await store.finish_rebuild(first)
    assert await store.get(Kind.MACHINE, "machines/a") == entry()
    assert await store.finish_rebuild(second)
    assert await store.get(Kind.MACHINE, "machines/b") is None
    assert await store.begin_rebuild() > second
