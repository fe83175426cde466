"""Facts as records, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from allocator.machines.v1 import machine_facts_pb2, machine_pb2

from chassis.bus import Record, facts_topic, is_compacted, state_topic
from chassis.bus.causes import Cause, cause_of
from chassis.bus.delivery import deliver
from chassis.bus.facts import decode, fact_records
from chassis.clock import SystemClock
from chassis.faults import Invalid
from chassis.identity import Caller
from chassis.rpc import Call, current_call
from chassis.rpc.contract import public_methods
from chassis.telemetry import trace_id

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
REDIS = machine_pb2.Machine(name="machines/redis", title="Redis", version=7)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def records(resource: machine_pb2.Machine | None = REDIS) -> list[Record]:
    fact = machine_facts_pb2.MachinePublished(machine=REDIS)
    return fact_records(
        noun="machines",
        source="machines_svc",
        fact=fact,
        resource=resource,
        key="machines/redis",
        version=7,
        now=NOW,
    )


def test_topics_say_how_long_their_records_are_kept() -> None:
    assert is_compacted(state_topic("machines"))
    assert not is_compacted(facts_topic("machines"))


def test_what_happened_and_what_is_so_are_two_records_of_one_key() -> None:
    fact, state = records()
    assert (fact.topic, state.topic) == (facts_topic("machines"), state_topic("machines"))
    assert fact.key == state.key == "machines/redis"
    assert fact.headers["ce-type"] == "allocator.machines.v1.MachinePublished"
    assert state.headers["ce-type"] == "allocator.machines.v1.Machine"
    assert UUID(fact.headers["ce-id"]) != UUID(state.headers["ce-id"])
    for record in (fact, state):
        assert record.headers["ce-source"] == "machines_svc"
        assert record.headers["ce-time"] == "2026-03-01T12:00:00.250Z"
        assert record.headers["ce-subject"] == "machines/redis"
        assert record.headers["version"] == "7"


def test_facts_of_a_call_say_who_asked_by_which_call_and_in_which_trace() -> None:
    method = next(m for m in public_methods() if m.name == "PublishMachine")
    call = Call(method, {}, "", 0.0, caller=Caller(user="users/ada"), trace=TRACE)
    token = current_call.set(call)
    try:
        made = records()
    finally:
        current_call.reset(token)
    assert {cause_of(one) for one in made} == {
        Cause("users/ada", "allocator.machines.v1.MachineService/PublishMachine", TRACE)
    }


async def test_what_a_fact_leads_to_has_its_cause_and_its_trace() -> None:
    headers = {"actor": "users/ada", "method": "a.v1.B/C", "traceparent": TRACE}
    made: list[Record] = []

    async def effect(record: Record) -> None:
        made.extend(records())

    await deliver("g", Record("t", "k", b"v", headers), effect, SystemClock())
    cause = cause_of(made[0])
    assert (cause.actor, cause.method) == ("users/ada", "a.v1.B/C")
    assert trace_id(cause.trace) == trace_id(TRACE)
    assert cause.trace != TRACE


def test_what_a_service_does_by_itself_has_no_actor_and_a_trace_of_its_own() -> None:
    first, second = cause_of(records()[0]), cause_of(records()[0])
    assert (first.actor, first.method) == ("", "")
    assert first.trace != second.trace


def test_a_record_gives_its_message_back() -> None:
    fact, state = records()
    assert decode(state, machine_pb2.Machine) == REDIS
    published = decode(fact, machine_facts_pb2.MachineRetired, machine_facts_pb2.MachinePublished)
    assert published == machine_facts_pb2.MachinePublished(machine=REDIS)


def test_a_message_that_nobody_asked_for_is_none() -> None:
    fact, _ = records()
    assert decode(fact, machine_pb2.Machine) is None
    assert decode(Record(fact.topic, fact.key, fact.value), machine_pb2.Machine) is None


def test_what_is_gone_leaves_a_tombstone() -> None:
    fact, state = records(resource=None)
    assert state.is_tombstone
    assert not fact.is_tombstone
    assert decode(state, machine_pb2.Machine, machine_facts_pb2.MachinePublished) is None


def test_a_value_of_another_type_is_refused() -> None:
    fact, _ = records()
    broken = Record(fact.topic, fact.key, b"\xff\xff\xff", fact.headers)
    with pytest.raises(Invalid, match="MachinePublished"):
        decode(broken, machine_facts_pb2.MachinePublished)
