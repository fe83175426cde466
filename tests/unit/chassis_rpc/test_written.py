"""Answers that are written once."""

from __future__ import annotations

import gc
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import StringValue

from chassis.rpc.written import Written


@dataclass(frozen=True)
class Thing:
    """Something immutable that is equal to others."""

    text: str


class Writer:
    """Counts what it writes."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def __call__(self, thing: Thing) -> StringValue:
        self.written.append(thing.text)
        return StringValue(value=thing.text)


def test_the_same_object_is_written_once() -> None:
    writer = Writer()
    written = Written(writer)
    thing = Thing("a")
    assert written.of(thing) is written.of(thing)
    assert StringValue.FromString(written.of(thing)).value == "a"
    assert writer.written == ["a"]


def test_another_object_is_written_anew_though_it_is_equal() -> None:
    writer = Writer()
    written = Written(writer)
    first, second = Thing("a"), Thing("a")
    assert written.of(first) == written.of(second)
    assert writer.written == ["a", "a"]


def test_objects_that_nobody_else_keeps_are_not_mistaken_for_others() -> None:
    written = Written(Writer())
    for number in range(2000):
        assert StringValue.FromString(written.of(Thing(str(number)))).value == str(number)


def test_only_so_many_are_remembered() -> None:
    written = Written(Writer(), most=10)
    for number in range(100):
        written.of(Thing(str(number)))
    gc.collect()
    assert sum(isinstance(one, Thing) for one in gc.get_objects()) <= 11
