"""TimelineService over real calls and a real bus."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allocator.allocations.v1 import allocation_facts_pb2 as facts
from allocator.allocations.v1 import allocation_pb2
from allocator.reasons.v1 import reason_pb2
from allocator.timeline.v1 import timeline_service_pb2
from allocator.users.v1 import user_pb2

from chassis.bus import Record
from chassis.faults import Fault, NotFound
from tests.unit.broker.conftest import ADMIN, OTHER, PERSON

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "allocations/abcd"
SERVICE = "allocator.allocations.v1.AllocationService"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
Begin = Callable[..., Any]
State = allocation_pb2.Allocation.State


Reason = reason_pb2.Reason


def allocation(**more: Any) -> allocation_pb2.Allocation:
    parts = {"name": NAME, "owner": "users/ada", "machine_title": "Redis", **more}
    return allocation_pb2.Allocation(**parts)


def stopped_by(reason: int, idle: int = 0) -> facts.AllocationStopped:
    """It was stopped by itself; `idle` are the seconds of its policy."""
    why = allocation_pb2.StateReason(reason=reason, message="Said otherwise.")
    one = allocation(state_reason=why)
    if idle:
        one.idle_policy.timeout.FromSeconds(idle)
    return facts.AllocationStopped(allocation=one)


def expiring(reason: int) -> facts.AllocationExpiring:
    """It will be stopped at the beginning of the year."""
    planned = allocation_pb2.PlannedChange(
        desired_state=allocation_pb2.Desired.State.STOPPED,
        reason=allocation_pb2.StateReason(reason=reason, message="Some why."),
    )
    planned.time.FromDatetime(T0)
    return facts.AllocationExpiring(allocation=allocation(planned=planned), planned=planned)


def refused(reason: str) -> Any:
    return pytest.raises(Fault, check=lambda fault: fault.reason == reason)


async def listed(world: Any, caller: Any = PERSON, **more: Any) -> Any:
    request = timeline_service_pb2.ListEventsRequest(parent=NAME, order_by="time")
    for field, value in more.items():
        setattr(request, field, value)
    return await world.call("TimelineService/ListEvents", request, caller)


async def until_told(world: Any, count: int, caller: Any = ADMIN) -> Any:
    """The timeline, once it has that many events."""

    async def told() -> bool:
        try:
            return len((await listed(world, caller, page_size=1000)).events) >= count
        except NotFound:
            return False

    await world.until(told)
    return await listed(world, caller, page_size=1000)


async def known(world: Any, **more: Any) -> None:
    """Has the directory know the allocation and its owner."""
    world.begin("directory", "timeline")
    await world.publish(
        user_pb2.User(name="users/ada", given_name="Ada", email="ada@example.org"), 1
    )
    await world.publish(allocation(**more), 1)
    await world.until_known("users/ada", 1)
    await world.until_known(NAME, 1)


async def rented(world: Any) -> None:
    """Tells of what happens when somebody rents a machine and stops it."""
    running = allocation_pb2.Desired.State.RUNNING
    stopped = allocation_pb2.Desired.State.STOPPED
    by_ada = {"actor": "users/ada", "traceparent": TRACE}
    await world.tell(
        facts.AllocationCreated(allocation=allocation(desired_state=running)),
        NAME,
        version=1,
        method=f"{SERVICE}/CreateAllocation",
        **by_ada,
    )
    ready = allocation(host="127.0.0.1", port=20001)
    await world.tell(facts.AllocationReady(allocation=ready), NAME, at=1.2, version=2)
    await world.tell(
        facts.AllocationStateRequested(allocation=allocation(desired_state=stopped)),
        NAME,
        at=60,
        version=3,
        method=f"{SERVICE}/StopAllocation",
        **by_ada,
    )
    why = allocation_pb2.StateReason(message="Its owner stopped it.")
    await world.tell(
        facts.AllocationStopped(allocation=allocation(state_reason=why)), NAME, at=61, version=4
    )


async def test_what_happened_is_told_in_words_with_its_cause(world: Any) -> None:
    await known(world)
    await rented(world)
    events = (await until_told(world, 4, PERSON)).events
    assert [event.text for event in events] == [
        "Ada rented Redis.",
        "It answered on 127.0.0.1:20001 after 1.2 s.",
        "Ada stopped it.",
        "It has stopped. Its owner stopped it.",
    ]
    first = events[0]
    assert first.name.startswith(f"{NAME}/timeline/")
    assert first.time.ToDatetime(UTC) == T0
    assert first.type == "allocator.allocations.v1.AllocationCreated"
    assert (first.source, first.actor, first.actor_name) == ("test", "users/ada", "Ada")
    assert first.method == f"{SERVICE}/CreateAllocation"
    assert first.trace_id == TRACE[3:35]
    assert (events[1].actor, events[1].actor_name, events[1].method) == ("", "", "")


@pytest.mark.parametrize(
    ("fact", "headers", "words"),
    [
        (
            facts.AllocationStateRequested(
                allocation=allocation(desired_state=allocation_pb2.Desired.State.RUNNING)
            ),
            {"actor": "users/ada", "method": f"{SERVICE}/RestartAllocation"},
            "Ada restarted it.",
        ),
        (
            facts.AllocationStateRequested(
                allocation=allocation(
                    desired_state=allocation_pb2.Desired.State.STOPPED,
                    state_reason=allocation_pb2.StateReason(message="It was idle for 30 minutes."),
                )
            ),
            {},
            "It is stopped. It was idle for 30 minutes.",
        ),
        (
            facts.AllocationFailed(
                allocation=allocation(
                    state_reason=allocation_pb2.StateReason(message="It ended with 3.")
                )
            ),
            {},
            "It has failed. It ended with 3.",
        ),
        (
            stopped_by(Reason.IDLE, idle=30 * 60),
            {},
            "It was stopped because it was idle for 30 minutes.",
        ),
        (
            stopped_by(Reason.IDLE, idle=5400),
            {},
            "It was stopped because it was idle for 90 minutes.",
        ),
        (stopped_by(Reason.IDLE), {}, "It was stopped because it was idle."),
        (stopped_by(Reason.EXPIRED), {}, "It was stopped because its time was over."),
        (stopped_by(Reason.SCHEDULED), {}, "It was stopped because its schedule says so."),
        (
            facts.AllocationStateRequested(
                allocation=allocation(
                    desired_state=allocation_pb2.Desired.State.RUNNING,
                    state_reason=allocation_pb2.StateReason(reason=Reason.SCHEDULED),
                )
            ),
            {},
            "It is started because its schedule says so.",
        ),
        (
            facts.AllocationDeleted(
                allocation=allocation(
                    state_reason=allocation_pb2.StateReason(reason=Reason.EXPIRED)
                )
            ),
            {},
            "It was removed because its time was over.",
        ),
        (
            expiring(Reason.IDLE),
            {},
            "It will be stopped at 2026-01-01 00:00 UTC because nobody uses it.",
        ),
        (
            expiring(Reason.TOKEN_MISSING),
            {},
            "It will be stopped at 2026-01-01 00:00 UTC. Some why.",
        ),
        (facts.AllocationExpiring(allocation=allocation()), {}, "It ends soon."),
        (
            facts.AllocationUnhealthy(
                allocation=allocation(state_reason=allocation_pb2.StateReason(message="Port 80."))
            ),
            {},
            "It runs, but does not answer any more. Port 80.",
        ),
        (
            facts.AllocationRestarted(
                allocation=allocation(
                    state_reason=allocation_pb2.StateReason(message="Ended with 1.")
                )
            ),
            {},
            "It is started again by itself. Ended with 1.",
        ),
        (
            facts.AllocationStopped(
                # A reason of a later version.
                allocation=allocation(
                    state_reason=allocation_pb2.StateReason(reason=9999, message="So.")
                )
            ),
            {},
            "It has stopped. So.",
        ),
        (facts.AllocationUpdated(allocation=allocation()), {"actor": "users/ada"}, "Ada changed"),
        (facts.AllocationDeleted(allocation=allocation()), {}, "It is gone."),
        (facts.AllocationLost(allocation=allocation()), {}, "It is not known how it is."),
        (facts.AllocationReady(allocation=allocation()), {}, "It runs."),
        (
            facts.AllocationCreated(allocation=allocation()),
            {"actor": "users/root"},
            "Somebody rented Redis.",
        ),
        (
            facts.AllocationCreated(allocation=allocation()),
            {"actor": "interact_svc"},
            "The system rented Redis.",
        ),
    ],
    ids=lambda given: given.DESCRIPTOR.name if hasattr(given, "DESCRIPTOR") else "",
)
async def test_each_fact_has_its_words(world: Any, fact: Any, headers: Any, words: str) -> None:
    await known(world)
    await world.tell(fact, NAME, **headers)
    [event] = (await until_told(world, 1)).events
    assert event.text.startswith(words)


async def test_facts_of_later_versions_are_told_by_the_words_of_their_type(world: Any) -> None:
    await known(world)
    later = {
        "ce-type": "allocator.allocations.v2.AllocationHTTPSnapshotTaken",
        "ce-time": "2026-01-01T00:00:01Z",
    }
    topic = "allocator.allocations.facts.v1"
    await world.bus.publish([
        Record(topic, NAME, b"\xff\xff\xff", {**later, "ce-id": "1"}),
        Record(topic, NAME, b"", {"ce-time": "2026-01-01T00:00:02Z", "ce-id": "2"}),
        Record(
            topic,
            NAME,
            b"\xff\xff",
            {
                "ce-type": "allocator.allocations.v1.AllocationReady",
                "ce-time": "2026-01-01T00:00:03Z",
            },
        ),
    ])  # fmt: skip
    events = (await until_told(world, 3)).events
    assert [event.text for event in events] == [
        "Http snapshot taken.",
        "Something happened.",
        "Ready.",
    ]
    assert await world.bus.dead_letters(10) == []


async def test_a_record_that_says_no_time_is_a_dead_letter_and_stops_nothing(world: Any) -> None:
    await known(world)
    topic = "allocator.allocations.facts.v1"
    await world.bus.publish([Record(topic, NAME, b"", {"ce-type": "allocator.x.v1.Odd"})])
    await world.tell(facts.AllocationDeleted(allocation=allocation()), NAME)
    await until_told(world, 1)
    [letter] = await world.bus.dead_letters(10)
    assert (letter.group, letter.reason) == ("broker.timeline", "REQUEST_INVALID")


async def test_only_the_owner_and_admins_read_a_timeline(world: Any) -> None:
    await known(world)
    await rented(world)
    await until_told(world, 4)
    assert len((await listed(world, PERSON)).events) == 4
    assert len((await listed(world, ADMIN)).events) == 4
    with refused("ALLOCATION_NOT_FOUND"):
        await listed(world, OTHER)
    with refused("ALLOCATION_NOT_FOUND"):
        await listed(world, ADMIN, parent="allocations/none")
    with refused("TOKEN_MISSING"):
        await listed(world, type(PERSON)())


async def test_a_timeline_is_read_after_the_allocation_is_gone(world: Any) -> None:
    await known(world)
    await rented(world)
    await world.publish(allocation(state=State.DELETED), 9)
    await world.until_known(NAME, 9)
    assert len((await until_told(world, 4, PERSON)).events) == 4


async def test_what_was_rented_this_moment_is_asked_of_its_owner(world: Any) -> None:
    world.owners.keep(allocation(), 1)
    assert list((await listed(world, PERSON)).events) == []
    with refused("ALLOCATION_NOT_FOUND"):
        await listed(world, OTHER)


async def test_it_is_read_in_both_orders_and_by_pages(world: Any) -> None:
    await known(world)
    await rented(world)
    whole = list((await until_told(world, 4)).events)
    for order, expected in (("time", whole), ("", whole[::-1]), ("time desc", whole[::-1])):
        found, token = [], ""
        while True:
            page = await listed(world, order_by=order, page_size=1, page_token=token)
            found += page.events
            token = page.next_page_token
            if not token:
                break
        # Also on a page of its own an answer says how long it took.
        assert found == expected
    with refused("ORDER_INVALID"):
        await listed(world, order_by="name")
    with refused("PAGE_TOKEN_INVALID"):
        page = await listed(world, page_size=1)
        await listed(world, order_by="time desc", page_token=page.next_page_token)


async def test_how_long_a_start_took_is_told_only_where_one_was_asked_for(world: Any) -> None:
    await known(world)
    running = allocation(desired_state=allocation_pb2.Desired.State.RUNNING)
    requested = facts.AllocationStateRequested(allocation=running)
    ready = facts.AllocationReady(allocation=allocation())
    for at, fact in [(0, requested), (65, ready), (70, ready), (100, requested), (7360, ready)]:
        await world.tell(fact, NAME, at=at)
    texts = [event.text for event in (await until_told(world, 5)).events]
    assert texts[1::1][0] == "It runs after 1 min 5 s."
    assert texts[2] == "It runs."
    assert texts[4] == "It runs after 2 h 1 min."


async def test_a_bounded_number_of_events_is_kept(begin: Begin) -> None:
    world = await begin(timeline_most_events="10")
    await known(world)
    for number in range(15):
        await world.tell(facts.AllocationUpdated(allocation=allocation()), NAME, at=number)

    async def newest() -> bool:
        try:
            events = (await listed(world, ADMIN)).events
        except NotFound:
            return False
        return bool(events) and events[-1].time.ToDatetime(UTC) == T0 + timedelta(seconds=14)

    await world.until(newest)
    events = (await listed(world, ADMIN)).events
    assert [one.time.ToDatetime(UTC).second for one in events] == list(range(5, 15))


async def test_old_events_are_swept(begin: Begin) -> None:
    world = await begin(timeline_days="1")
    await known(world)
    now = (datetime.now(UTC) - T0).total_seconds()
    await world.tell(facts.AllocationUpdated(allocation=allocation()), NAME, at=now - 3 * 86400)
    await world.tell(facts.AllocationDeleted(allocation=allocation()), NAME, at=now)
    await until_told(world, 2)
    world.begin("leadership", "sweeping")

    async def swept() -> bool:
        return len((await listed(world, ADMIN)).events) == 1

    await world.until(swept)
    assert (await listed(world, ADMIN)).events[0].text == "It is gone."


async def test_whoever_is_renamed_is_called_by_the_new_name(world: Any) -> None:
    await known(world)
    await rented(world)
    await until_told(world, 4)
    await world.publish(
        user_pb2.User(name="users/ada", given_name="Augusta", family_name="King"), 2
    )
    await world.until_known("users/ada", 2)
    assert (await listed(world)).events[0].text == "Augusta King rented Redis."
    await world.publish(user_pb2.User(name="users/ada"), 3)
    await world.until_known("users/ada", 3)
    assert (await listed(world)).events[0].text == "The owner rented Redis."


async def test_what_happened_while_the_broker_was_away_is_caught_up_with(begin: Begin) -> None:
    world = await begin()
    await known(world)
    await world.tell(facts.AllocationCreated(allocation=allocation()), NAME, version=1)
    await until_told(world, 1)
    await world.end_tasks()
    await world.tell(facts.AllocationReady(allocation=allocation()), NAME, at=1, version=2)
    await world.publish(allocation(owner="users/ada", state=State.DELETED), 5)
    # It stands still: nobody sees more than before, and nobody else anything.
    assert len((await listed(world, PERSON)).events) == 1
    with refused("ALLOCATION_NOT_FOUND"):
        await listed(world, OTHER)

    again = await begin()
    again.begin("directory", "timeline")
    await again.tell(facts.AllocationDeleted(allocation=allocation()), NAME, at=2, version=3)
    events = (await until_told(again, 3, PERSON)).events
    assert [event.type.rpartition(".")[2] for event in events] == [
        "AllocationCreated",
        "AllocationReady",
        "AllocationDeleted",
    ]
    await again.until_known(NAME, 5)
    with refused("ALLOCATION_NOT_FOUND"):
        await listed(again, OTHER)
