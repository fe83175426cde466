"""Volumes as their port, and that of allocations, promise them; and those of a former version."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.volume_store.rows import VolumeRows
from allocation_svc.adapters.volume_store.sql import SqlVolumeStore
from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.machine import Plan
from allocation_svc.domain.volume import AllocationVolume, Volume, VolumeFact, VolumeState
from allocation_svc.domain.volume_faults import (
    VolumeElsewhere,
    VolumeInUse,
    VolumeNotFound,
    VolumesExceeded,
    VolumeTooLarge,
)
from allocation_svc.ports.allocation_store import Claim
from allocation_svc.ports.volume_store import Measure, Shelf, VolumeSelection
from allocation_svc.schema.tables import OUTBOX
from allocation_svc.transport.mapping import records_of
from allocation_svc.transport.volume_servicer import volume_records
from chassis.clock import ManualClock
from chassis.listing import Condition
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIB = 1 << 20


@dataclass
class Opened:
    """Both stores on one database."""

    allocations: SqlAllocationStore
    volumes: SqlVolumeStore
    database: Database
    clock: ManualClock

    async def facts(self) -> list[str]:
        rows = sa.select(OUTBOX.c.topic, OUTBOX.c.headers).order_by(OUTBOX.c.id)
        found = await self.database.read(lambda c: c.execute(rows).all())
        return [
            h["ce-type"].split(".")[-1]
            for topic, h in found
            if topic == "allocator.volumes.facts.v1"
        ]


@pytest.fixture(params=SQL_ENGINES)
async def opened(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opened]:
    clock = ManualClock(NOW)
    url = sql_place(request.param, "allocation_svc.schema")
    database = await open_database(url, "allocation_svc.schema", clock)
    allocations = SqlAllocationStore(
        database,
        clock,
        leases=PortLeases(range(20000, 20100)),
        port_rest_seconds=60.0,
        records_of=records_of,
        committed=lambda _: None,
        volumes=VolumeRows(volume_records),
    )
    yield Opened(allocations, SqlVolumeStore(database, clock, volume_records), database, clock)
    await database.close()


def a_claim(*volumes: AllocationVolume, owner: str = "users/ada", node: str = "n1") -> Claim:
    identity = uuid.uuid4().hex[:8]
    had = volumes or (
        AllocationVolume("/b", f"volumes/{identity}-v1"),
        AllocationVolume("/a", f"volumes/{identity}-v2"),
    )
    allocation = Allocation(
        name=f"allocations/{identity}",
        uid=str(uuid.uuid4()),
        owner=owner,
        machine="machines/redis",
        machine_version=3,
        machine_title="Redis",
        display_name="mine",
        resource_class="small",
        desired=Desired.RUNNING,
        state=State.PROVISIONING,
        state_time=NOW,
        create_time=NOW,
        update_time=NOW,
        node=node,
        volumes=had,
    )
    planned = tuple(PlannedVolume(one.path, 16) for one in had)
    return Claim(allocation, Plan("redis", (), Limits(1, 1, 1), volumes=planned))


def an_upload(owner: str = "users/ada", limit: int = 0) -> Volume:
    return Volume(
        name=f"volumes/{uuid.uuid4().hex[:8]}-v1",
        uid=str(uuid.uuid4()),
        owner=owner,
        display_name="mine",
        machine="",
        path="/data",
        size_limit_mib=limit,
        node="n1",
        allocation="",
        state=VolumeState.UPLOADING,
        create_time=NOW,
        update_time=NOW,
    )


async def gone(opened: Opened, allocation: Allocation, *, keep: bool) -> None:
    after = replace(
        allocation, desired=Desired.DELETED, state=State.DELETED, keep_volumes=keep, delete_time=NOW
    )
    assert await opened.allocations.replace(after) is not None


async def test_an_allocation_begins_and_ends_with_its_volumes(opened: Opened) -> None:
    rented = await opened.allocations.admit(a_claim())
    first, second = await opened.volumes.of_allocation(rented.name)
    assert [one.path for one in (first, second)] == ["/a", "/b"]
    assert (first.owner, first.machine, first.node) == ("users/ada", "machines/redis", "n1")
    assert (first.state, first.size_limit_mib) == (VolumeState.IN_USE, 16)
    await gone(opened, rented, keep=False)
    assert await opened.volumes.of_allocation(rented.name) == []
    assert await opened.volumes.find(first.name) is None
    assert await opened.facts() == ["VolumeCreated"] * 2 + ["VolumeDeleted"] * 2


async def test_a_kept_volume_is_given_once(opened: Opened) -> None:
    rented = await opened.allocations.admit(a_claim())
    await gone(opened, rented, keep=True)
    [_, had] = rented.volumes
    kept = await opened.volumes.find(had.volume)
    assert kept is not None
    assert (kept.state, kept.allocation) == (VolumeState.DETACHED, "")
    with pytest.raises(VolumeNotFound):
        await opened.allocations.admit(
            a_claim(AllocationVolume("/x", kept.name), owner="users/bob")
        )
    with pytest.raises(VolumeElsewhere):
        await opened.allocations.admit(a_claim(AllocationVolume("/x", kept.name), node="n2"))

    async def attempt() -> Allocation | None:
        try:
            return await opened.allocations.admit(a_claim(AllocationVolume("/x", kept.name)))
        except VolumeInUse:
            return None

    given = [one for one in await asyncio.gather(*(attempt() for _ in range(8))) if one]
    assert len(given) == 1
    found = await opened.volumes.find(kept.name)
    assert found is not None
    assert (found.allocation, found.path) == (given[0].name, "/x")
    assert (found.state, found.machine) == (VolumeState.IN_USE, "machines/redis")
    await gone(opened, given[0], keep=False)
    assert await opened.volumes.find(kept.name) is None


async def test_one_that_was_never_let_in_gives_back_what_it_named(opened: Opened) -> None:
    rented = await opened.allocations.admit(a_claim())
    await gone(opened, rented, keep=True)
    [had, _] = rented.volumes
    claim = a_claim(had)
    waits = replace(claim.allocation, admitted=False)
    entered = await opened.allocations.admit(replace(claim, allocation=waits))
    await gone(opened, replace(entered, admitted=False), keep=False)
    found = await opened.volumes.find(had.volume)
    assert found is not None
    assert found.state is VolumeState.DETACHED


async def test_a_change_needs_the_version_that_was_read(opened: Opened) -> None:
    begun = await opened.volumes.begin(an_upload(), None)
    changed = await opened.volumes.replace(replace(begun, state=VolumeState.DETACHED))
    assert changed is not None
    assert changed.version == begun.version + 1
    assert await opened.volumes.replace(begun) is None
    assert not await opened.volumes.remove(begun, VolumeFact.DELETED)
    measure = Measure(begun.name, 5 << 32, NOW + timedelta(seconds=1))
    await opened.volumes.measured([measure, replace(measure, name="volumes/gone-v1")])
    found = await opened.volumes.find(begun.name)
    assert found == replace(changed, size_bytes=5 << 32, measure_time=measure.measure_time)
    assert await opened.volumes.remove(found, VolumeFact.DELETED)
    assert await opened.volumes.find(begun.name) is None
    assert await opened.facts() == ["VolumeDeleted"]


async def test_the_last_room_is_given_once(opened: Opened) -> None:
    shelf = Shelf(3, 10 * MIB)

    async def attempt(limit: int) -> Volume | None:
        try:
            return await opened.volumes.begin(an_upload(limit=limit), shelf)
        except (VolumesExceeded, VolumeTooLarge):
            return None

    begun = [one for one in await asyncio.gather(*(attempt(4) for _ in range(6))) if one]
    assert len(begun) == 2
    rest = await attempt(0)
    assert rest is not None
    assert rest.size_limit_mib == 2
    assert await opened.volumes.kept("users/ada") == Shelf(3, 10 * MIB)
    with pytest.raises(VolumesExceeded):
        await opened.volumes.begin(an_upload(limit=1), shelf)
    assert await opened.volumes.begin(an_upload("users/bob", 4), shelf)
    for one in begun:
        done = replace(one, state=VolumeState.DETACHED)
        assert await opened.volumes.replace(done)
        await opened.volumes.measured([Measure(one.name, MIB, NOW)])
    assert await opened.volumes.kept("users/ada") == Shelf(3, 4 * MIB)


async def test_lists_are_newest_first_and_go_on_after_a_page(opened: Opened) -> None:
    names = []
    for minute in range(4):
        made = replace(an_upload(), create_time=NOW + timedelta(minutes=minute // 2))
        names.append((made.create_time, (await opened.volumes.begin(made, None)).name))
    await opened.volumes.begin(an_upload("users/bob"), None)
    wanted = [name for _, name in sorted(names, reverse=True)]
    selection = VolumeSelection("users/ada", (Condition("state", "=", "UPLOADING"),))
    first = await opened.volumes.page(selection, 3)
    last = (first[-1].create_time, first[-1].name)
    rest = await opened.volumes.page(selection, 3, last)
    assert [one.name for one in (*first, *rest)] == wanted
    assert (
        await opened.volumes.page(
            VolumeSelection(conditions=(Condition("state", "!=", "UPLOADING"),)), 9
        )
        == []
    )
    every = await opened.volumes.every(3)
    every = [*every, *await opened.volumes.every(3, every[-1].name)]
    assert [one.name for one in every] == sorted(one.name for one in every)
    assert len(every) == 5


async def test_the_volumes_of_a_former_version_get_names(opened: Opened) -> None:
    """As `0005` finds them: in the plans of live allocations."""
    import importlib

    migration = importlib.import_module("allocation_svc.schema.versions.0005_volumes")
    claim = a_claim()
    rented = await opened.allocations.admit(claim)
    dead = await opened.allocations.admit(a_claim())
    await gone(opened, dead, keep=False)

    def former(connection: sa.Connection) -> None:
        connection.execute(sa.text("DELETE FROM volumes"))
        row = sa.text("SELECT document FROM allocations WHERE name = :name")
        document = connection.execute(row, {"name": rented.name}).scalar_one()
        found = json.loads(document) if isinstance(document, (str, bytes)) else document
        for key in ("volumes", "keep_volumes", "stop_reason"):
            del found[key]
        written = sa.text("UPDATE allocations SET document = :document WHERE name = :name")
        connection.execute(written, {"name": rented.name, "document": json.dumps(found)})
        migration._name_volumes(connection)
        migration._name_volumes(connection)

    await opened.database.write(former)
    found = await opened.allocations.find(rented.name)
    assert found is not None
    assert found.volumes == rented.volumes
    every = await opened.volumes.every(10)
    assert sorted((one.path, one.name) for one in every) == sorted(
        (had.path, had.volume) for had in rented.volumes
    )
    assert {one.allocation for one in every} == {rented.name}
    assert {one.size_limit_mib for one in every} == {16}
