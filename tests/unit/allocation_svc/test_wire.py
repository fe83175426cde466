"""Allocations and their documents: what comes out is what went in."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from allocator.allocations.v1 import allocation_facts_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from allocation_svc.adapters.allocation_store.document import allocation_of_text, document_of
from allocation_svc.domain.allocation import (
    Desired,
    Endpoint,
    PlannedChange,
    Protocol,
    State,
    StateReason,
)
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.schedule import schedule_of
from allocation_svc.domain.terms import EndAction, Terms
from allocation_svc.transport.mapping import message_of, records_of
from allocation_svc.transport.terms_mapping import terms_from_wire
from chassis.bus.facts import decode
from tests.unit.allocation_svc.examples import NOW, an_allocation


@pytest.mark.parametrize(
    "time",
    [
        datetime(1969, 12, 31, 23, 59, 59, 250_000, UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 123_000, UTC),
    ],
)
def test_times_are_what_protobuf_makes_of_them(time: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(time)
    message = message_of(an_allocation(observed_time=time))
    assert message.HasField("observed_time")
    assert message.observed_time == expected
    assert not message.HasField("delete_time")


def test_the_text_of_a_row_gives_the_same_object_until_it_changes() -> None:
    first = an_allocation(State.READY)
    second = an_allocation(State.READY, version=first.version + 1, display_name="Other")
    texts = [orjson.dumps(document_of(one)).decode() for one in (first, second)]

    assert allocation_of_text(texts[0]) == first
    assert allocation_of_text(texts[0]) is allocation_of_text("".join(list(texts[0])))
    assert allocation_of_text(texts[1]) == second


def test_terms_and_plans_come_back_and_are_shown() -> None:
    schedule = schedule_of("Europe/Berlin", [("START", [0, 6], "08:00"), ("STOP", [], "18:30")])
    kept = an_allocation(
        State.READY,
        terms=Terms(NOW, EndAction.DELETE, 1800.5, schedule),
        planned=PlannedChange(
            NOW, Desired.DELETED, StateReason("EXPIRED", "Over."), NOW, warned=True
        ),
        scheduled_until=NOW,
        to_be_remade=True,
        leaving=(Endpoint("here", 20001, Protocol.UDP, 53, "names"),),
    )
    assert allocation_of_text(orjson.dumps(document_of(kept)).decode()) == kept
    message = message_of(kept)
    assert terms_from_wire(message) == kept.terms
    assert message.planned.time == message.expire_time
    assert message.planned.reason.message == "Over."
    record = records_of(Fact.EXPIRING, kept)[0]
    told = decode(record, allocation_facts_pb2.AllocationExpiring)
    assert told is not None
    assert told.planned == message.planned


def test_a_document_from_before_there_were_terms_is_read() -> None:
    document = document_of(an_allocation(State.READY))
    for name in ("terms", "planned", "scheduled_until", "to_be_remade", "leaving"):
        del document[name]
    read = allocation_of_text(orjson.dumps(document).decode())
    assert read == an_allocation(State.READY)
    assert not message_of(read).HasField("planned")
