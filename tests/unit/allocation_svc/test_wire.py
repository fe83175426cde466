"""Allocations and their documents: what comes out is what went in."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from allocation_svc.adapters.allocation_store.document import allocation_of_text, document_of
from allocation_svc.domain.allocation import State
from allocation_svc.transport.mapping import message_of
from tests.unit.allocation_svc.examples import an_allocation


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
