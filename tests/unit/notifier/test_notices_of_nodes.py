"""What people are told of the hosts that their machines run on."""

from __future__ import annotations

from datetime import UTC, datetime

from allocator.allocations.v1 import allocation_pb2, node_facts_pb2, node_pb2

from tests.unit.notifier.conftest import ADA, BOB, World

NAME = "nodes/n1"


def node(**more: object) -> node_pb2.Node:
    """A node that is away."""
    made = node_pb2.Node(
        name=NAME,
        display_name="rack-7",
        allocations=3,
        state_reason=allocation_pb2.StateReason(message="It does not answer."),
    )
    made.state_time.FromDatetime(datetime(2026, 3, 1, 9, 5, tzinfo=UTC))
    made.MergeFrom(node_pb2.Node(**more))
    return made


async def kinds(world: World) -> list[str]:
    """What the admin was told of nodes."""
    return [one.kind for one in await world.inbox(BOB) if one.kind.startswith("NODE")]


async def test_admins_hear_when_a_node_is_lost_and_when_it_is_back(world: World) -> None:
    await world.admin(BOB)
    lost = await world.publish("nodes", node_facts_pb2.NodeLost(node=node()), NAME, 5)
    await world.publish("nodes", node_facts_pb2.NodeReturned(node=node()), NAME, 6)
    # What came twice or late is not told.
    await world.bus.publish([lost])
    await world.publish("nodes", node_facts_pb2.NodeLost(node=node()), NAME, 4)

    async def both() -> bool:
        return await kinds(world) == ["NODE_AWAY", "NODE_RETURNED"]

    await world.until(both)
    await world.marker()
    assert await both()
    told = next(one for one in await world.inbox(BOB) if one.kind == "NODE_AWAY")
    assert told.title == "The node rack-7 is away"
    assert "It does not answer." in told.text
    assert "since 2026-03-01 09:05 UTC" in told.text
    assert "instance there: 3." in told.text
    assert told.resource == NAME
    assert await world.inbox(ADA) == []
    mails = [mail for mail in await world.mails(1) if "rack-7" in mail]
    assert len(mails) == 1


async def test_owners_hear_that_a_host_of_theirs_is_emptied(world: World) -> None:
    drained = node(
        availability=node_pb2.Node.DRAINED,
        state_reason=allocation_pb2.StateReason(message="An admin drained it."),
    )
    fact = node_facts_pb2.NodeDraining(node=drained, owners=["users/ada", "users/gone"])
    await world.publish("nodes", fact, NAME, 7)
    [told] = await world.told("NODE_DRAINING")
    assert "rack-7" in told.text
    assert "An admin drained it." in told.text
    await world.marker()
    assert await world.inbox(BOB) == []
    assert any("is being emptied" in mail for mail in await world.mails(2))
