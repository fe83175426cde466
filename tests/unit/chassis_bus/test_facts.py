"""Facts as records, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from allocator.machines.v1 import machine_facts_pb2, machine_pb2

from chassis.bus import Record, facts_topic, is_compacted, state_topic
from chassis.bus.facts import decode, fact_records
from chassis.faults import Invalid

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
        trace=TRACE,
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
        assert record.headers["traceparent"] == TRACE


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
