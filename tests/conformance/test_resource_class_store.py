"""Resource classes, as the port promises them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from allocation_svc.adapters.resource_class_store.sql import SqlResourceClassStore
from allocation_svc.domain.faults import ResourceClassExists
from allocation_svc.domain.resource_class import ResourceClass
from chassis.clock import ManualClock
from chassis.listing import Once
from chassis.sql import open_database
from tests.conformance.admissions import NOW
from tests.sql_places import SQL_ENGINES, SqlPlace


def a_class(name: str, memory_bytes: int = 1 << 29, *, is_default: bool = False) -> ResourceClass:
    """A class."""
    return ResourceClass(name, name.title(), 500, memory_bytes, 64, 0, is_default, NOW, NOW)


@pytest.fixture(params=SQL_ENGINES)
async def store(
    request: pytest.FixtureRequest, sql_place: SqlPlace
) -> AsyncIterator[SqlResourceClassStore]:
    """A store with nothing in it."""
    clock = ManualClock(NOW)
    url = sql_place(request.param, "allocation_svc.schema")
    database = await open_database(url, "allocation_svc.schema", clock)
    yield SqlResourceClassStore(database, clock)
    await database.close()


async def test_the_first_start_alone_defines_classes(store: SqlResourceClassStore) -> None:
    first = [a_class("small", is_default=True), a_class("nano", 1 << 27)]
    await asyncio.gather(*(store.seed(first) for _ in range(8)))
    assert [each.id for each in await store.all()] == ["nano", "small"]
    assert await store.remove("nano", None)
    await store.seed(first)
    assert [each.id for each in await store.all()] == ["small"]


async def test_without_a_name_the_default_one_is_meant(store: SqlResourceClassStore) -> None:
    assert await store.find("") is None
    await store.seed([a_class("small", is_default=True), a_class("nano")])
    assert (await store.find("")) == a_class("small", is_default=True)
    assert (await store.find("nano")) == a_class("nano")
    assert await store.find("none") is None


async def test_one_of_them_is_the_default_one(store: SqlResourceClassStore) -> None:
    await store.seed([a_class("small", is_default=True), a_class("nano")])
    written = await store.replace(a_class("nano", is_default=True))
    assert written is not None
    await store.add(a_class("wide", is_default=True))
    assert [each.id for each in await store.all() if each.is_default] == ["wide"]
    assert not await store.remove("wide", None)
    assert await store.remove("nano", None)


async def test_a_change_needs_the_version_that_is_kept(store: SqlResourceClassStore) -> None:
    kept = await store.add(a_class("wide"))
    changed = await store.replace(replace(kept, cpu_millis=900))
    assert changed is not None
    assert changed.version == 2
    assert await store.replace(replace(kept, cpu_millis=100)) is None
    assert (await store.find("wide")) == changed
    assert not await store.remove("wide", 1)
    assert await store.remove("wide", 2)


async def test_a_name_is_given_once(store: SqlResourceClassStore) -> None:
    outcomes = await asyncio.gather(
        *(store.add(a_class("wide")) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(each, ResourceClass) for each in outcomes) == 1
    assert sum(isinstance(each, ResourceClassExists) for each in outcomes) == 4


async def test_the_same_request_has_one_effect(store: SqlResourceClassStore) -> None:
    once = Once.of("users/ada", "CreateResourceClass", "5b0c4b0e-6a0b-4c49-9a54-000000000001", "x")
    first = await store.add(a_class("wide"), once)
    assert await store.add(a_class("wide"), once) == first
