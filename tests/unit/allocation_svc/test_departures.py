"""What becomes of allocations when their owner's account ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from allocator.users.v1 import user_facts_pb2, user_pb2

from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.sql import SqlAllocationStore
from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.machine import Plan
from allocation_svc.ports.allocation_store import Claim
from allocation_svc.transport.consumer import (
    LEFT_FOR_GOOD,
    PEOPLE_TOPICS,
    LatePeopleConsumer,
    PeopleConsumer,
)
from allocation_svc.transport.mapping import records_of
from allocation_svc.usecases.departures import Departures
from chassis.bus import Record, open_bus
from chassis.bus.facts import fact_records
from chassis.clock import ManualClock, SystemClock
from chassis.sql import Database, open_database
from tests.unit.allocation_svc.examples import NOW, an_allocation

ADA, BOB = "users/ada", "users/bob"


@dataclass
class Shop:
    """A store, and whoever clears up in it."""

    clock: ManualClock
    database: Database
    store: SqlAllocationStore
    departures: Departures
    kicked: list[str] = field(default_factory=list)
    worked_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def rent(self, number: int, owner: str) -> Allocation:
        """One more."""
        allocation = an_allocation(name=f"allocations/a{number:07}", owner=owner)
        return await self.store.admit(Claim(allocation, Plan("", ("x",), Limits(1, 1, 1))))

    async def desired(self, allocation: Allocation) -> Desired:
        """What is asked for now."""
        found = await self.store.find(allocation.name)
        assert found is not None
        return found.desired


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    clock = ManualClock(NOW)
    url = f"sqlite:///{tmp_path}/allocations.sqlite3"
    database = await open_database(url, "allocation_svc.schema", clock)
    store = SqlAllocationStore(
        database,
        clock,
        leases=PortLeases(range(20000, 20010)),
        port_rest_seconds=60,
        records_of=records_of,
        committed=lambda _: None,
    )
    kicked: list[str] = []
    worked_on = asyncio.Event()

    def kick(allocation: Allocation) -> None:
        kicked.append(allocation.name)
        worked_on.set()

    departures = Departures(store, clock, kick)
    yield Shop(clock, database, store, departures, kicked, worked_on)
    await database.close()


def ended(owner: str) -> Record:
    """The fact that an account has ended."""
    fact = user_facts_pb2.UserDeleted(name=owner, uid="u")
    fact.delete_time.FromDatetime(NOW)
    [record, _] = fact_records(
        noun="users",
        source="user_svc",
        fact=fact,
        resource=None,
        key=owner,
        version=3,
        now=NOW,
    )
    return record


async def test_everything_of_the_person_is_to_go_and_nothing_of_others(shop: Shop) -> None:
    mine = [await shop.rent(n, ADA) for n in range(3)]
    other = await shop.rent(9, BOB)
    await PeopleConsumer(shop.departures)(ended(ADA))
    assert [await shop.desired(one) for one in mine] == [Desired.DELETED] * 3
    assert await shop.desired(other) is Desired.RUNNING
    assert sorted(shop.kicked) == [one.name for one in mine]


async def test_the_same_fact_again_changes_nothing(shop: Shop) -> None:
    mine = await shop.rent(1, ADA)
    consumer = PeopleConsumer(shop.departures)
    await consumer(ended(ADA))
    version = (await shop.store.find(mine.name)).version  # type: ignore[union-attr]
    await consumer(ended(ADA))
    assert (await shop.store.find(mine.name)).version == version  # type: ignore[union-attr]
    assert shop.kicked == [mine.name]


async def test_what_is_gone_already_stays_as_it_is(shop: Shop) -> None:
    mine = await shop.rent(1, ADA)
    gone = await shop.store.replace(replace(mine, desired=Desired.DELETED, state=State.DELETED))
    await shop.departures.left(ADA)
    assert await shop.store.find(mine.name) == gone


async def test_other_facts_about_people_concern_no_allocation(shop: Shop) -> None:
    mine = await shop.rent(1, ADA)
    user = user_pb2.User(name=ADA)
    for record in fact_records(
        noun="users",
        source="user_svc",
        fact=user_facts_pb2.UserDisabled(user=user),
        resource=user,
        key=ADA,
        version=3,
        now=NOW,
    ):
        await PeopleConsumer(shop.departures)(record)
    assert await shop.desired(mine) is Desired.RUNNING


async def test_what_was_rented_with_a_token_that_was_still_good_goes_too(shop: Shop) -> None:
    await PeopleConsumer(shop.departures)(ended(ADA))
    late = await shop.rent(1, ADA)
    looking = asyncio.ensure_future(LatePeopleConsumer(shop.departures)(ended(ADA)))
    async with asyncio.timeout(10):
        await shop.clock.until_sleepers()
        assert await shop.desired(late) is Desired.RUNNING
        assert not looking.done()
        shop.clock.advance(60)
        await looking
    assert await shop.desired(late) is Desired.DELETED
    assert shop.kicked == [late.name]


async def test_a_fact_of_long_ago_is_looked_after_at_once(shop: Shop) -> None:
    late = await shop.rent(1, ADA)
    shop.clock.advance(3600)
    async with asyncio.timeout(10):
        await LatePeopleConsumer(shop.departures)(ended(ADA))
    assert await shop.desired(late) is Desired.DELETED


async def test_a_clock_that_is_ahead_elsewhere_holds_nothing_up(shop: Shop) -> None:
    late = await shop.rent(1, ADA)
    looking = asyncio.ensure_future(shop.departures.left_for_good(ADA, NOW + timedelta(days=365)))
    async with asyncio.timeout(10):
        await shop.clock.until_sleepers()
        shop.clock.advance(60)
        await looking
    assert await shop.desired(late) is Desired.DELETED


async def test_who_stops_before_the_second_look_looks_after_the_next_start(
    shop: Shop, tmp_path: Path
) -> None:
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    await bus.publish([ended(ADA)])
    late = await shop.rent(1, ADA)
    for started in (1, 2):
        consumer = LatePeopleConsumer(shop.departures)
        consuming = asyncio.ensure_future(bus.consume(LEFT_FOR_GOOD, PEOPLE_TOPICS, consumer))
        async with asyncio.timeout(10):
            await shop.clock.until_sleepers()
            if started == 2:
                shop.clock.advance(60)
                await shop.worked_on.wait()
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)
        assert (await shop.desired(late) is Desired.DELETED) is (started == 2)
    await bus.close()
