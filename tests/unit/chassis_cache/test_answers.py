"""Answers that are given again, and what is said beside them."""

from __future__ import annotations

import math

import pytest
from allocator.machines.v1 import machine_pb2, machine_service_pb2

from chassis.cache import MemoryCache
from chassis.cache.answers import Answers
from chassis.clock import ManualClock
from chassis.faults import NotFound
from chassis.rpc import Call
from chassis.rpc.contract import methods_of, service_descriptor

GET = next(
    method
    for method in methods_of(service_descriptor("allocator.machines.v1.MachineService"))
    if method.name == "GetMachine"
)


class Kitchen:
    """Makes answers, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    async def make(self) -> machine_pb2.Machine:
        self.made += 1
        return machine_pb2.Machine(name="machines/a", version=self.made)

    async def refuse(self) -> machine_pb2.Machine:
        self.made += 1
        raise NotFound("There is none.")


def call_by(protocol: str) -> Call:
    return Call(GET, {}, "192.0.2.1", math.inf, protocol=protocol)


def request(name: str) -> machine_service_pb2.GetMachineRequest:
    return machine_service_pb2.GetMachineRequest(name=name)


async def test_an_answer_is_made_once_and_says_its_age() -> None:
    clock, kitchen = ManualClock(), Kitchen()
    answers = Answers(MemoryCache(clock), 5.0)
    first = call_by("grpc")
    made = await answers.answer(first, "machines", request("machines/a"), kitchen.make)
    assert first.response_headers == []
    clock.advance(3.7)
    for protocol, told in (("grpc", ("cache", "hit; age=3")), ("http", ("age", "3"))):
        call = call_by(protocol)
        assert made == await answers.answer(call, "machines", request("machines/a"), kitchen.make)
        assert call.response_headers == [told]
    clock.advance(1.3)
    await answers.answer(first, "machines", request("machines/a"), kitchen.make)
    assert kitchen.made == 2


async def test_other_requests_variants_and_versions_have_answers_of_their_own() -> None:
    kitchen, cache = Kitchen(), MemoryCache(ManualClock())
    answers = Answers(cache, 5.0)
    seen = {
        await answers.answer(call_by("grpc"), "machines", request(name), kitchen.make, variant)
        for name in ("machines/a", "machines/b")
        for variant in ("", "other")
    }
    await cache.invalidate("machines")
    seen.add(await answers.answer(call_by("grpc"), "machines", request("machines/a"), kitchen.make))
    assert len(seen) == kitchen.made == 5


async def test_a_refusal_is_not_kept() -> None:
    kitchen = Kitchen()
    answers = Answers(MemoryCache(ManualClock()), 5.0)
    for _ in range(2):
        with pytest.raises(NotFound):
            await answers.answer(call_by("grpc"), "machines", request("machines/a"), kitchen.refuse)
    assert kitchen.made == 2


async def test_with_no_time_to_live_nothing_is_kept() -> None:
    kitchen = Kitchen()
    answers = Answers(MemoryCache(ManualClock()), 0.0)
    for _ in range(2):
        await answers.answer(call_by("grpc"), "machines", request("machines/a"), kitchen.make)
    assert kitchen.made == 2
