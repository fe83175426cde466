"""Messages to JSON and back."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson
import pytest
from allocator.allocations.v1 import allocation_pb2
from google.protobuf import any_pb2, json_format, struct_pb2, timestamp_pb2
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.faults import Invalid
from chassis.rest.decoding import parse_json, read_message
from chassis.rest.encoding import to_json
from tests.unit.chassis_rest.oddities import Inner, Odd

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 9),
}
WORDS = st.from_regex(r"[a-z]{1,4}(_[a-z]{1,4})?(\.[a-z]{1,4})?", fullmatch=True)


def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        return st.just(0)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    return SCALARS.get(field.cpp_type, TEXT)


@st.composite
def messages(draw: Any, cls: Any, depth: int = 0) -> Any:
    """A message of the type with any of its fields."""
    message = cls()
    fill(draw, message, depth)
    return message


def fill(draw: Any, message: Any, depth: int) -> None:
    name = message.DESCRIPTOR.full_name
    if name == "google.protobuf.Timestamp":
        message.seconds = draw(st.integers(-62135596800, 253402300799))
        message.nanos = draw(st.sampled_from([0, 1, 1_000, 120_000_000, 999_999_999]))
    elif name == "google.protobuf.Duration":
        sign = draw(st.sampled_from([1, -1]))
        message.seconds = sign * draw(st.integers(0, 315_576_000_000))
        message.nanos = sign * draw(st.sampled_from([0, 1, 1_000, 500_000_000]))
    elif name == "google.protobuf.FieldMask":
        message.paths.extend(draw(st.lists(WORDS, max_size=3)))
    elif name == "google.protobuf.Struct":
        leaves = st.none() | st.booleans() | TEXT | st.integers(-1000, 1000)
        message.update(
            draw(st.dictionaries(TEXT, leaves | st.lists(leaves, max_size=2), max_size=3))
        )
    elif name == "google.protobuf.Value":
        json_format.ParseDict(draw(st.none() | st.booleans() | TEXT), message)
        message.SetInParent()
    elif name == "google.protobuf.ListValue":
        message.extend(draw(st.lists(st.none() | TEXT, max_size=3)))
    elif name == "google.protobuf.Any":
        message.Pack(draw(st.sampled_from([Inner(text="x"), timestamp_pb2.Timestamp(seconds=1)])))
    else:
        every = st.sampled_from(list(message.DESCRIPTOR.fields))
        for field in draw(st.lists(every, max_size=8, unique_by=lambda f: f.number)):
            if depth < 3 or field.message_type is None:
                fill_field(draw, message, field, depth)


def fill_field(draw: Any, message: Any, field: FieldDescriptor, depth: int) -> None:
    into = getattr(message, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        keys, values = (
            field.message_type.fields_by_name["key"],
            field.message_type.fields_by_name["value"],
        )
        for key in draw(st.lists(scalars(keys), max_size=2, unique=True)):
            if values.message_type is not None:
                fill(draw, into[key], depth + 1)
            else:
                into[key] = draw(scalars(values))
    elif field.is_repeated:
        for _ in range(draw(st.integers(0, 2))):
            if field.message_type is not None:
                fill(draw, into.add(), depth + 1)
            else:
                into.append(draw(scalars(field)))
    elif field.message_type is not None:
        into.SetInParent()
        fill(draw, into, depth + 1)
    else:
        setattr(message, field.name, draw(scalars(field)))


COMMON = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@COMMON
@given(messages(Odd))
def test_the_json_of_any_message_is_that_of_json_format(message: Any) -> None:
    canonical = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert json.loads(to_json(message)) == canonical


@COMMON
@given(messages(Odd))
def test_what_was_written_reads_as_the_same_message(message: Any) -> None:
    back = Odd()
    read_message(back, parse_json(to_json(message)))
    # Compared as JSON: where a number is not one, it is not equal to itself.
    assert json.loads(to_json(back)) == json.loads(to_json(message))


@pytest.mark.parametrize("largest", [3.4028234663852886e38, -3.4028234663852886e38])
def test_the_largest_number_is_read_and_the_next_one_refused(largest: float) -> None:
    back = Odd()
    read_message(back, parse_json(to_json(Odd(single=largest))))
    assert back.single == largest
    next_one = largest + math.copysign(2.0**103, largest)
    with pytest.raises(Invalid, match="single: is out of range"):
        read_message(back, parse_json(json.dumps({"single": next_one}).encode()))


@COMMON
@given(messages(allocation_pb2.Allocation))
def test_our_own_resources_read_as_they_were_written(message: Any) -> None:
    canonical = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert json.loads(to_json(message)) == canonical
    back = allocation_pb2.Allocation()
    read_message(back, canonical)
    assert back == message


@COMMON
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([f.json_name for f in Odd.DESCRIPTOR.fields]) | TEXT,
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_is_sent_is_read_as_by_json_format_or_refused(value: Any) -> None:
    body = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_SUBCLASS) if fits(value) else b"1"
    ours = Odd()
    try:
        read_message(ours, parse_json(body))
    except Invalid:
        return
    canonical = Odd()
    json_format.ParseDict(json.loads(body), canonical)
    assert json.loads(to_json(ours)) == json.loads(to_json(canonical))


def fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (orjson.JSONEncodeError, TypeError):
        return False
    return True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"small":"x"}', "small"),
        (b'{"small":1.5}', "small"),
        (b'{"small":true}', "small"),
        (b'{"small":2147483648}', "small"),
        (b'{"large":"9223372036854775808"}', "large"),
        (b'{"large":1e30}', "large"),
        (b'{"unsignedSmall":-1}', "unsigned_small"),
        (b'{"title":5}', "title"),
        (b'{"flag":"true"}', "flag"),
        (b'{"flag":1}', "flag"),
        (b'{"raw":"*"}', "raw"),
        (b'{"real":"much"}', "real"),
        (b'{"single":1e39}', "single"),
        (b'{"shade":"PURPLE"}', "shade"),
        (b'{"shade":1.5}', "shade"),
        (b'{"tags":"a"}', "tags"),
        (b'{"tags":["a",5]}', "tags[1]"),
        (b'{"tags":[null]}', "tags[0]"),
        (b'{"inner":[]}', "inner"),
        (b'{"inner":{"next":{"large":{}}}}', "inner.next.large"),
        (b'{"inners":[{},{"text":5}]}', "inners[1].text"),
        (b'{"inner":{"nope":1}}', "inner.nope"),
        (b'{"nope":1}', "nope"),
        (b'{"labels":[]}', "labels"),
        (b'{"labels":{"a":5}}', "labels[a]"),
        (b'{"labels":{"a":null}}', "labels[a]"),
        (b'{"byNumber":{"x":{}}}', "by_number[x]"),
        (b'{"byNumber":{"5":{"text":1}}}', "by_number[5].text"),
        (b'{"time":"yesterday"}', "time"),
        (b'{"time":5}', "time"),
        (b'{"span":"1"}', "span"),
        (b'{"mask":"a_b"}', "mask"),
        (b'{"free":5}', "free"),
        (b'{"any":{"@type":"type.googleapis.com/no.such.Type"}}', "any"),
        (b'{"any":{"text":"a"}}', "any"),
        (b'{"left":"a","right":1}', "right"),
        (b'{"maybeText":"a","maybe_text":"b"}', "maybe_text"),
        (b'{"wrappedLarge":"x"}', "wrapped_large"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_field(body: bytes, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_message(Odd(), parse_json(body))
    assert [one.field for one in caught.value.fields] == [field]
    assert caught.value.message.startswith("The request is not valid: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nan",
        b'{"title":"\xff"}',
        b'{"title":"\\ud800"}',
        b"[" * 5000,
        b'{"inner":' + b'{"next":' * 80 + b"{}" + b"}" * 81,
        b'{"free":' + b'{"a":' * 200 + b"{}" + b"}" * 201,
        b"5",
        b"null",
        b"[]",
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_message(Odd(), parse_json(body))


def test_an_any_of_an_unknown_type_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="unknown type"):
        to_json(Odd(any=any_pb2.Any(type_url="x/no.such.Type")))


def test_a_number_that_json_does_not_have_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="finite"):
        to_json(Odd(value=struct_pb2.Value(number_value=math.inf)))


def test_a_time_out_of_range_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="years"):
        to_json(Odd(time=timestamp_pb2.Timestamp(seconds=10**12)))
