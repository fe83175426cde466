"""Whatever comes twice, late or in another order: the read models come to the same."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from allocator.allocations.v1 import allocation_facts_pb2 as facts
from allocator.allocations.v1 import allocation_pb2
from allocator.machines.v1 import machine_facts_pb2, machine_pb2
from allocator.users.v1 import user_facts_pb2, user_pb2
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.adapters.topics.nowhere import NoTopics
from broker.composition import ReadModels, open_read_models
from broker.domain.entry import Entry, Kind
from broker.transport.consumer import FactConsumer, StateConsumer
from broker.transport.events import anonymous
from broker.usecases.erasing import Erasing
from broker.usecases.learning import Learning
from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import SystemClock
from chassis.serving import Store

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("allocations/aaaa", "allocations/bbbb")
MOST = 10


def told(noun: str, fact: Message, resource: Any, key: str, number: int) -> list[Record]:
    """A fact and the state that it led to, as an admin has caused them."""
    if resource is not None:
        resource.create_time.FromDatetime(T0)
    records = fact_records(
        noun=noun,
        source="test",
        fact=fact,
        resource=resource,
        key=key,
        version=number,
        now=T0 + timedelta(seconds=number // 2),
    )
    cause = {
        "actor": "users/ada",
        "actor-role": "ADMIN",
        "method": "allocator.machines.v1.MachineService/PublishMachine",
    }
    return [replace(one, headers={**one.headers, **cause}) for one in records]


def history() -> list[Record]:
    """Everything that was ever told: two allocations, a machine, a person who goes."""
    records: list[Record] = []
    state = allocation_pb2.Allocation.State
    for name in NAMES:
        for number in range(1, 8):
            of_it = allocation_pb2.Allocation(
                name=name,
                owner="users/ada",
                machine="machines/redis",
                display_name="Ada's",
                state=state.DELETED if number == 7 else state.READY,
            )
            fact = facts.AllocationReady(allocation=of_it)
            records += told("allocations", fact, of_it, name, number)
    for number in range(1, 4):
        machine = machine_pb2.Machine(name="machines/redis", title=str(number))
        fact = machine_facts_pb2.MachinePublished(machine=machine)
        records += told("machines", fact, machine, "machines/redis", number)
    user = user_pb2.User(name="users/ada", given_name="Ada")
    records += told("users", user_facts_pb2.UserRegistered(user=user), user, "users/ada", 1)
    # As user_svc tells of it; it stands for any type that this test need not know.
    gone = told("users", user_facts_pb2.UserDisabled(), None, "users/ada", 30)
    return [
        *records,
        *(
            replace(one, headers={**one.headers, "ce-type": "allocator.users.v1.UserDeleted"})
            for one in gone
        ),
    ]


HISTORY = history()


async def come_to(batches: list[list[Record]]) -> list[Any]:
    """What the read models come to."""
    async with AsyncExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        store = Store("broker", "broker.schema")
        models = await open_read_models(store, folder, SystemClock(), exits, MOST)
        erasing = Erasing(models.directory, NoTopics(), anonymous)
        learning = Learning(models.directory, models.timeline, erasing, anonymous)
        states, told_facts = StateConsumer(learning, SystemClock()), FactConsumer(learning)
        for batch in batches:
            await told_facts([one for one in batch if ".facts." in one.topic])
            await states([one for one in batch if ".state." in one.topic])
        return await seen(models)


async def seen(models: ReadModels) -> list[Any]:
    found: list[Any] = []
    for name in NAMES:
        found.append(await models.timeline.events(name, "", "", 999, descending=False))
    found.append(await models.timeline.acts([], "", 999, descending=False))
    for kind, name in (
        *((Kind.ALLOCATION, name) for name in NAMES),
        (Kind.MACHINE, "machines/redis"),
        (Kind.USER, "users/ada"),
    ):
        known = await models.directory.get(kind, name)
        found.append(replace(known, write_time=T0) if isinstance(known, Entry) else known)
    return found


EXPECTED = asyncio.run(come_to([[one] for one in HISTORY]))


def test_in_order_it_is_what_was_told() -> None:
    first, second, acts, one, other, machine, user = EXPECTED
    assert [event.version for event in first] == [event.version for event in second]
    assert [event.version for event in first] == list(range(1, 8))
    assert {event.actor for event in (*first, *second, *acts)} == {"users/deleted"}
    assert len(acts) == 3
    for entry in (one, other):
        assert entry.owner == "users/deleted"
        assert b"Ada" not in entry.message
    assert (machine.version, b"3" in machine.message) == (3, True)
    assert not isinstance(user, Entry)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_order_and_the_number_of_times_do_not_matter(data: st.DataObject) -> None:
    twice = data.draw(st.lists(st.sampled_from(HISTORY), max_size=20))
    records = data.draw(st.permutations([*HISTORY, *twice]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=6)))
    edges = [0, *cuts, len(records)]
    batches = [records[start:end] for start, end in pairwise(edges)]
    assert asyncio.run(come_to(batches)) == EXPECTED
