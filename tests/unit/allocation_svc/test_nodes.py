"""What is known of nodes, and of allocations whose node does not answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from allocation_svc.domain.allocation import Endpoint, Protocol, State, StateReason
from allocation_svc.domain.decision import decide
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.instance import Instance, InstanceState
from allocation_svc.domain.node import (
    Node,
    NodeFact,
    NodeRules,
    NodeSeen,
    NodeState,
    drained,
    failing,
    node_name,
    told,
)
from allocation_svc.domain.requests import stop
from allocation_svc.domain.step import Act, Observation, Step
from tests.unit.allocation_svc.examples import NOW, RULES, an_allocation

RULE = NodeRules(failures=3, window=3600.0)
HEARD = NOW - timedelta(seconds=9)


def a_sight(*, answers: bool = True, drained: bool = False, reason: str = "") -> NodeSeen:
    """What the engine says of a node."""
    return NodeSeen("node2", "10.0.0.2", answers, drained, reason, 2000, 1 << 30, NOW)


def seen_once(
    node: Node | None, seen: NodeSeen, now: datetime = NOW
) -> tuple[Node, list[NodeFact], bool]:
    """What follows from one sight."""
    return told(node, seen, "swarm", now, RULE)


def test_a_new_node_is_nothing_to_tell() -> None:
    node, facts, is_failing = seen_once(None, a_sight())
    assert (node.name, node.state, node.host) == ("nodes/node2", NodeState.READY, "10.0.0.2")
    assert (facts, is_failing) == ([], False)


def test_a_node_is_lost_once_and_returns_once() -> None:
    node, _, _ = seen_once(None, a_sight())
    lost, facts, _ = seen_once(node, a_sight(answers=False), NOW + timedelta(seconds=1))
    assert facts == [NodeFact.LOST]
    assert lost.reason is not None
    assert lost.reason.reason == "NODE_AWAY"
    assert lost.state_time == NOW + timedelta(seconds=1)
    still, facts, _ = seen_once(lost, a_sight(answers=False), NOW + timedelta(seconds=2))
    assert (facts, still.state_time) == ([], lost.state_time)
    back, facts, _ = seen_once(still, a_sight(), NOW + timedelta(seconds=3))
    assert (facts, back.state, back.reason) == ([NodeFact.RETURNED], NodeState.READY, None)
    assert len(back.failures) == 1


@pytest.mark.parametrize(("minutes", "taken_out"), [(5, True), (40, False)])
def test_a_node_that_is_lost_three_times_within_the_window_is_taken_out(
    minutes: int, taken_out: bool
) -> None:
    node, now, told_so = seen_once(None, a_sight())[0], NOW, []
    for _ in range(3):
        now += timedelta(minutes=minutes)
        node, _, is_failing = seen_once(node, a_sight(answers=False), now)
        told_so.append(is_failing)
        node, _, _ = seen_once(node, a_sight(), now)
    assert told_so == [False, False, taken_out]
    out = failing(node, RULE)
    assert out.drained
    assert out.reason is not None
    assert out.reason.reason == "NODE_FAILING"
    assert f"{len(node.failures)} times within 60 minutes" in out.reason.message


def test_the_reason_of_a_drain_is_kept_while_the_node_is_seen_again() -> None:
    node = drained(seen_once(None, a_sight())[0], "new disks")
    again, facts, _ = seen_once(node, a_sight(drained=True, reason="other words"))
    assert facts == []
    assert again.reason == StateReason("NODE_DRAINED", "It was drained: new disks")


def test_a_node_that_somebody_else_has_drained_or_activated_is_told() -> None:
    node, _, _ = seen_once(None, a_sight())
    out, facts, _ = seen_once(node, a_sight(drained=True))
    assert facts == [NodeFact.DRAINING]
    assert out.reason == StateReason("NODE_DRAINED", "It was drained.")
    back, facts, _ = seen_once(replace(out, failures=(NOW,)), a_sight())
    assert (facts, back.reason, back.failures) == ([NodeFact.ACTIVATED], None, ())


@pytest.mark.parametrize(
    ("engines", "name"),
    [("node2", "nodes/node2"), ("a b/c", "nodes/a-b-c"), ("n" * 300, "nodes/" + "n" * 200)],
)
def test_nodes_have_names_that_fit_into_paths(engines: str, name: str) -> None:
    assert node_name(engines) == name


# Allocations


def an_away_one(**fields: object) -> Instance:
    """An instance whose node does not answer."""
    made = Instance(
        "allocations/7f3k2m9q",
        1,
        InstanceState.AWAY,
        incarnation=1,
        node="node2",
        observe_time=NOW,
        away_time=HEARD,
        reason="NODE_AWAY",
        message="The node node2 does not answer.",
    )
    return replace(made, **fields)  # type: ignore[arg-type]


def decided(allocation: object, instance: Instance, done: Act | None = None) -> Step:
    """The next step."""
    return decide(allocation, Observation(instance=instance, done=done), NOW, RULES)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [State.READY, State.STOPPING, State.STARTING, State.UNHEALTHY])
def test_an_allocation_whose_node_is_away_is_unknown_with_the_age_of_what_is_known(
    state: State,
) -> None:
    step = decided(an_allocation(state), an_away_one())
    assert step.fact is Fact.LOST
    assert step.after is not None
    assert (step.after.state, step.after.observed_time) == (State.UNKNOWN, HEARD)
    assert step.after.reason is not None
    assert step.after.reason.reason == "NODE_AWAY"
    assert step.after.last_known is not None
    assert step.after.last_known.state is state
    assert decided(step.after, an_away_one()) == Step()


@pytest.mark.parametrize(
    ("then", "state"),
    [
        ({"state": InstanceState.EXITED, "exit_code": 137}, State.FAILED),
        ({"state": InstanceState.MISSING}, State.PROVISIONING),
    ],
)
def test_one_that_somebody_kills_is_unknown_until_it_has_failed_or_is_gone(
    then: dict[str, object], state: State
) -> None:
    killed = an_away_one(reason="INSTANCE_KILLED", message="Somebody has killed it.")
    step = decided(an_allocation(State.READY, incarnation=1), killed)
    assert step.after is not None
    assert (step.after.state, step.fact) == (State.UNKNOWN, Fact.LOST)
    assert step.after.reason == StateReason("INSTANCE_KILLED", "Somebody has killed it.")
    known = decided(step.after, replace(killed, reason="", message="", **then))  # type: ignore[arg-type]
    assert known.after is not None
    assert known.after.state is state


def test_a_failed_one_says_more() -> None:
    assert decided(an_allocation(State.FAILED), an_away_one()) == Step()


def test_it_is_ready_again_elsewhere_with_its_new_address() -> None:
    endpoint = Endpoint("10.0.0.2", 20_001, Protocol.TCP, 8080)
    unknown = an_allocation(State.UNKNOWN, endpoints=(endpoint,), incarnation=1, placed_on="node2")
    elsewhere = an_away_one(
        state=InstanceState.READY, incarnation=2, node="node3", host="10.0.0.3", away_time=None
    )
    step = decided(unknown, elsewhere)
    assert step.fact is Fact.READY
    assert step.after is not None
    assert (step.after.state, step.after.placed_on) == (State.READY, "node3")
    assert step.after.endpoints == (replace(endpoint, host="10.0.0.3"),)


def test_a_runtime_that_names_no_host_leaves_the_address_alone() -> None:
    endpoint = Endpoint("127.0.0.1", 20_001, Protocol.TCP, 8080)
    made = an_allocation(State.STARTING, endpoints=(endpoint,))
    step = decided(made, an_away_one(state=InstanceState.READY, node="here"))
    assert step.after is not None
    assert (step.after.endpoints, step.after.placed_on) == ((endpoint,), "here")


def test_a_stop_while_the_node_is_away_reaches_the_engine_and_is_not_said_too_early() -> None:
    unknown = stop(an_allocation(State.UNKNOWN), NOW)
    step = decided(unknown, an_away_one())
    assert (step.after, step.act) == (None, Act.STOP)
    assert decided(unknown, an_away_one(), Act.STOP) == Step()
    back = decided(unknown, an_away_one(state=InstanceState.EXITED, stop_requested=True))
    assert back.after is not None
    assert back.after.state in (State.STOPPING, State.STOPPED)


def test_a_removal_does_not_wait_for_the_node() -> None:
    deleting = an_allocation(State.DELETING, desired=an_allocation().desired.DELETED)
    assert decided(deleting, an_away_one()).act is Act.REMOVE
