"""What machines_svc makes of what others say; drafts of people; answers that are given again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from allocator.allocations.v1 import allocation_facts_pb2, allocation_pb2
from allocator.feed.v1 import feed_pb2
from allocator.machines.v1 import machine_pb2, machine_service_pb2
from allocator.users.v1 import user_facts_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Record, facts_topic, state_topic
from chassis.faults import Fault
from chassis.identity import NOBODY, Caller
from tests.waiting import until

ADMIN = Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root")
PERSON = Caller(user="users/ada", verified=True, token="ada")
FEED = state_topic("feed")
Begin = Callable[..., Awaitable[Any]]


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


def record(topic: str, key: str, message: Message, version: int = 1) -> Record:
    kind = str(message.DESCRIPTOR.full_name)
    headers = {"ce-id": f"{key}-{kind}-{version}", "ce-type": kind, "version": str(version)}
    return Record(topic, key, message.SerializeToString(), headers)


def summary(name: str, rating: float, reviews: int, version: int) -> Record:
    said = feed_pb2.FeedSummary(
        machine=name, average_rating=rating, reviews=reviews, version=version
    )
    return record(FEED, name, said, version)


def rented(machine: str, number: int) -> Record:
    now = Timestamp()
    now.GetCurrentTime()
    allocation = allocation_pb2.Allocation(
        name=f"allocations/{number}", machine=machine, create_time=now
    )
    fact = allocation_facts_pb2.AllocationCreated(allocation=allocation)
    return record(facts_topic("allocations"), allocation.name, fact)


async def test_what_others_say_is_counted_once_however_often_it_comes(world: Any) -> None:
    await world.create()
    await world.publish()
    world.begin("following")
    name = "machines/redis"
    told = [rented(name, n) for n in (1, 2, 3, 2, 1)]
    await world.bus.publish([*told, summary(name, 4.5, 2, 2), summary("machines/no", 1.0, 1, 1)])

    async def is_counted() -> bool:
        found = await world.get()
        return (found.rents, found.average_rating, found.reviews) == (3, 4.5, 2)

    await until(is_counted)
    assert (await world.get()).version == 2
    listed = await world.listed(ADMIN, order_by="rating desc, rents desc")
    assert listed.machines[0].average_rating == 4.5
    # Late, and so of no account; what is published behind it has been heard when this one was.
    await world.bus.publish([summary(name, 3.0, 1, 1)])
    marker = summary("machines/marker", 1.0, 1, 1)
    await world.create("marker")
    await world.bus.publish([marker])

    async def has_come() -> bool:
        return bool((await world.get("marker")).reviews == 1)

    await until(has_come)
    assert (await world.get()).average_rating == 4.5
    gone = Record(FEED, name, b"", {"version": "3", "ce-type": "x", "ce-id": "y"})
    await world.bus.publish([gone, *told])

    async def is_reset() -> bool:
        found = await world.get()
        return (found.rents, found.average_rating, found.reviews) == (3, 0.0, 0)

    await until(is_reset)
    assert await world.bus.dead_letters(10) == []


async def test_an_answer_from_the_cache_does_not_outlive_a_rating(begin: Begin) -> None:
    world = await begin(starter_catalogue="false", cache_seconds="60")
    await world.create()
    await world.publish()
    assert (await world.get(caller=NOBODY)).average_rating == 0
    world.begin("following")
    await world.bus.publish([summary("machines/redis", 4.0, 1, 1)])

    async def is_told() -> bool:
        return bool((await world.get(caller=NOBODY)).average_rating == 4.0)

    await until(is_told)


async def test_machines_of_a_person_who_has_gone_stay_without_their_name(world: Any) -> None:
    for machine_id in ("one", "two"):
        await create(world, machine_id)
    await world.publish("two")
    world.begin("following")
    gone = user_facts_pb2.UserDeleted(name=PERSON.user)
    await world.bus.publish([record(facts_topic("users"), PERSON.user, gone)] * 2)

    async def is_disowned() -> bool:
        return {(await world.get(machine_id)).publisher for machine_id in ("one", "two")} == {
            "users/deleted"
        }

    await until(is_disowned)
    assert (await world.get("two")).state == machine_pb2.Machine.ACTIVE
    listing = machine_service_pb2.ListMachineVersionsRequest(parent="machines/two")

    async def are_disowned() -> bool:
        versions = (await world.call("ListMachineVersions", listing, ADMIN)).versions
        return {one.publisher for one in versions} == {"users/deleted"}

    await until(are_disowned)
    with refused("MACHINE_NOT_FOUND"):
        await world.get("one", PERSON)
    # Told again, it changes nothing.
    version = (await world.get("two")).version
    await world.bus.publish(
        [record(facts_topic("users"), PERSON.user, gone, 2), rented("machines/two", 1)]
    )

    async def has_come() -> bool:
        return bool((await world.get("two")).rents == 1)

    await until(has_come)
    assert (await world.get("two")).version == version


async def create(world: Any, machine_id: str, caller: Caller = PERSON, **parts: Any) -> Any:
    machine = machine_pb2.Machine(**{"title": "Mine", "image": "nginx:1", **parts})
    request = machine_service_pb2.CreateMachineRequest(machine=machine, machine_id=machine_id)
    return await world.call("CreateMachine", request, caller)


async def test_a_person_has_so_many_drafts_and_no_more(begin: Begin) -> None:
    world = await begin(starter_catalogue="false", drafts_per_person="2")
    await create(world, "one")
    await create(world, "two")
    with refused("DRAFTS_EXCEEDED"):
        await create(world, "three")
    await world.publish("one")
    await create(world, "three")
    for number in range(3):
        await create(world, f"of-admin-{number}", ADMIN)


async def test_only_verified_people_add_machines(world: Any) -> None:
    with refused("TOKEN_MISSING"):
        await create(world, "one", NOBODY)


async def test_a_persons_machine_needs_its_image_and_keeps_its_command(world: Any) -> None:
    for parts in ({"image": "", "command": ["x"]}, {"command": ["x"]}):
        with refused("COMMAND_ADMINS_ONLY"):
            await create(world, "mine", **parts)
    await world.create("plain", image="", command=["python3"])
    await world.publish("plain")
    await world.create("both", image="python:3", command=["python3"])
    await world.publish("both")
    fork = machine_service_pb2.ForkMachineRequest
    with refused("COMMAND_ADMINS_ONLY"):
        await world.call("ForkMachine", fork(name="machines/plain", machine_id="a"), PERSON)
    made = await world.call("ForkMachine", fork(name="machines/both", machine_id="b"), PERSON)
    # Its command never runs without the image.
    assert made.needs_image
    assert made.forked_from == machine_pb2.Lineage(machine="machines/both", version=2)
    with refused("MACHINE_EXISTS"):
        await world.call("ForkMachine", fork(name="machines/both", machine_id="b"), PERSON)


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ({"key": "A", "generated_length": 20}, "secret"),
        ({"key": "A", "generated_length": 20, "secret": True, "choices": ["a"]}, "choices"),
        ({"key": "A", "generated_length": 20, "secret": True, "pattern": "[a-z]+"}, "pattern"),
        ({"key": "A", "generated_length": 20, "secret": True, "pattern": ".{21,}"}, "pattern"),
    ],
)
async def test_a_value_is_made_only_where_it_fits(world: Any, variable: Any, says: str) -> None:
    with pytest.raises(Fault, match=says) as refusal:
        await world.create(variables=[machine_pb2.Variable(**variable)])
    assert refusal.value.reason == "VARIABLE_INVALID"


async def test_pictures_are_not_changed_for_ever(world: Any) -> None:
    from machines_svc.usecases.illustration import MOST_KEPT
    from tests.unit.machines_svc.test_pictures import png

    await world.create()

    def put(side: int) -> machine_service_pb2.SetMachinePictureRequest:
        request = machine_service_pb2.SetMachinePictureRequest(name="machines/redis/icon")
        request.picture.data = png(side, side)
        return request

    for side in range(MOST_KEPT):
        await world.call("SetMachinePicture", put(100 + side), ADMIN)
    with refused("PICTURES_EXHAUSTED"):
        await world.call("SetMachinePicture", put(99), ADMIN)
