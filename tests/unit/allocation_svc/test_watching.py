"""Streams of allocations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.adapters.waiting_room.sql import SqlWaitingRoom
from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.faults import AllocationNotFound
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.machine import Plan
from allocation_svc.ports.allocation_store import Claim
from allocation_svc.transport.mapping import records_of
from allocation_svc.usecases.queue import Places
from allocation_svc.usecases.watching import Elsewhere, Feed, Sign, Watching
from chassis.clock import ManualClock
from chassis.faults import Unavailable
from chassis.sql import Database, open_database
from tests.unit.allocation_svc.examples import NOW, an_allocation


class Shop:
    """A store, its feed, and a clock."""

    def __init__(
        self, database: Database, store: SqlAllocationStore, feed: Feed, clock: ManualClock
    ) -> None:
        self.store, self.feed, self.clock = store, feed, clock
        places = Places(store, SqlWaitingRoom(database, clock), feed, clock)
        self.watching = Watching(store, feed, clock, places.shown, alive_seconds=15)

    async def rent(self, number: int, owner: str = "users/ada") -> Allocation:
        """One more."""
        allocation = an_allocation(name=f"allocations/a{number:07}", owner=owner)
        return await self.store.admit(Claim(allocation, Plan("", ("x",), Limits(1, 1, 1))))

    async def change(self, allocation: Allocation, progress: str) -> Allocation:
        """Another state."""
        changed = await self.store.replace(replace(allocation, progress=progress))
        assert changed is not None
        return changed

    def stream(self, owner: str, name: str = "") -> AsyncGenerator[Allocation | Sign]:
        """To be closed."""
        return cast("AsyncGenerator[Allocation | Sign]", self.watching.stream(owner, name))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    clock, feed = ManualClock(NOW), Feed()
    url = f"sqlite:///{tmp_path}/allocations.sqlite3"
    database = await open_database(url, "allocation_svc.schema", clock)
    store = SqlAllocationStore(
        database,
        clock,
        leases=PortLeases(range(20000, 20010)),
        port_rest_seconds=60,
        records_of=records_of,
        committed=feed.changed,
    )
    yield Shop(database, store, feed, clock)
    await database.close()


async def test_first_comes_what_there_is_then_what_changes(shop: Shop) -> None:
    first, other = await shop.rent(1), await shop.rent(2, "users/bob")
    async with aclosing(shop.stream("users/ada")) as stream:
        assert await anext(stream) == first
        assert await anext(stream) is Sign.COMPLETE
        await shop.change(other, "not mine")
        changed = await shop.change(first, "mine")
        assert await anext(stream) == changed
        rented = await shop.rent(3)
        assert await anext(stream) == rented


async def test_an_admin_watches_everybodys(shop: Shop) -> None:
    async with aclosing(shop.stream("")) as stream:
        assert await anext(stream) is Sign.COMPLETE
        rented = await shop.rent(1, "users/bob")
        assert await anext(stream) == rented


async def test_who_reads_slowly_skips_states_but_gets_the_last(shop: Shop) -> None:
    allocation = await shop.rent(1)
    async with aclosing(shop.stream("users/ada")) as stream:
        await anext(stream)
        assert await anext(stream) is Sign.COMPLETE
        for number in range(1000):
            allocation = replace(allocation, version=allocation.version + 1, progress=str(number))
            shop.feed.changed(allocation)
        assert await anext(stream) == allocation


async def test_a_change_during_the_beginning_is_told_once(shop: Shop) -> None:
    first = await shop.rent(1)
    async with aclosing(shop.stream("users/ada")) as stream:
        assert await anext(stream) == first
        changed = await shop.change(first, "meanwhile")
        assert await anext(stream) is Sign.COMPLETE
        assert await anext(stream) == changed
        shop.feed.changed(first)
        later = await shop.change(changed, "later")
        assert await anext(stream) == later, "an older state is not told after a newer one"


async def test_what_another_replica_wrote_is_told_once(shop: Shop) -> None:
    allocation = await shop.rent(1)
    elsewhere = Elsewhere(shop.store, shop.feed)
    async with aclosing(shop.stream("users/ada")) as stream:
        assert await anext(stream) == allocation
        assert await anext(stream) is Sign.COMPLETE
        here, shop.store._committed = shop.store._committed, lambda _allocation: None
        changed = await shop.change(allocation, "by another replica")
        shop.store._committed = here
        assert not shop.feed.knows(changed.name, changed.version)
        await elsewhere.changed(changed.name, changed.version)
        await elsewhere.changed(changed.name, changed.version)
        shop.feed.changed(allocation)  # an older one that was read before
        assert await anext(stream) == changed
        later = await shop.change(changed, "here")
        assert await anext(stream) == later


async def test_a_deletion_is_told(shop: Shop) -> None:
    allocation = await shop.rent(1)
    async with aclosing(shop.stream("users/ada", allocation.name)) as stream:
        assert await anext(stream) == allocation
        assert await anext(stream) is Sign.COMPLETE
        await shop.rent(2)
        gone = await shop.store.replace(replace(allocation, state=State.DELETED, deadline=None))
        assert await anext(stream) == gone


async def test_what_is_somebody_elses_cannot_be_watched(shop: Shop) -> None:
    allocation = await shop.rent(1, "users/bob")
    async with aclosing(shop.stream("users/ada", allocation.name)) as stream:
        with pytest.raises(AllocationNotFound):
            await anext(stream)


async def test_a_sign_of_life_comes_while_nothing_changes(shop: Shop) -> None:
    async with aclosing(shop.stream("users/ada")) as stream:
        assert await anext(stream) is Sign.COMPLETE
        waiting = asyncio.ensure_future(anext(stream))
        await shop.clock.run(15)
        assert await waiting is Sign.ALIVE


async def test_streams_end_when_the_process_stops(shop: Shop) -> None:
    async with aclosing(shop.stream("users/ada")) as stream:
        assert await anext(stream) is Sign.COMPLETE
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        shop.feed.end()
        with pytest.raises(Unavailable) as stopping:
            await waiting
        assert stopping.value.reason == "SERVICE_STOPPING"
