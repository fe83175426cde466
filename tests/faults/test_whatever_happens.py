"""Whatever people do and whatever goes wrong, in whatever order: afterwards everything is as it should be.

Several people rent, wait for room, stop, start, restart, recreate, cancel and remove, while the machine
gets other versions, processes are killed and the engine is away, slow, refuses, does things and does not
say so, loses containers, or says that there are none. The allocator is the real one, embedded in one
process, or a mesh with two replicas of each service on real servers; only the engine is made up. Then it
settles, and what people see, what the store has and what the engine runs must agree.

`ALLOCATOR_TEST_RUNS` says how many histories are made up; `make soak` makes up hundreds.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from typing import Any

import httpx2
import pytest
from engine_model import EngineModel
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.faults.reconciliation_host import until
from tests.faults.worlds import SHAPES, STOCK, EmbeddedWorld, MeshWorld, World

RUNS = int(os.environ.get("ALLOCATOR_TEST_RUNS", "2"))
SETTLED = 60.0
# What a person may be told while things go wrong, by the edge as well; never that there is a bug.
EXPECTED = {200, 400, 409, 429, 502, 503, 504}
PEOPLE = st.integers(0, 2)
ONE = st.integers(0, 1_000_000)
TROUBLED = st.sampled_from(
    [
        "POST /containers/create",
        "POST /containers/.*/start",
        "POST /containers/.*/stop",
        "DELETE /containers/.*",
        "GET /containers/json",
        "GET /containers/.*/json",
        "POST /volumes/create",
        "DELETE /volumes/.*",
    ]
)


class History(RuleBasedStateMachine):
    """One history: what people do, and what happens to them."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.rented: list[tuple[int, str]] = []
        self.strangers: list[socket.socket] = []

    @property
    def engine(self) -> EngineModel:
        """The made-up one."""
        return self.world.engine

    def ask(self, person: int, verb: str, path: str, **options: Any) -> dict[str, Any] | None:
        """What somebody is told; None where it was refused."""
        return self.ask_with(self.world.tokens[person], verb, path, **options)

    def ask_with(self, token: str, verb: str, path: str, **options: Any) -> dict[str, Any] | None:
        """What the bearer of a token is told; None where it was refused."""
        try:
            answer = self.world.running.call(verb, path, token, **options)
        except httpx2.HTTPError as error:
            raise AssertionError(f"{verb} {path}: {error!r}") from error
        assert answer.status_code in EXPECTED, answer.text
        return dict(answer.json()) if answer.status_code == 200 else None

    # Which rules apply must not depend on what was answered, or a history could not be told again.

    def chosen(self, which: int) -> list[tuple[int, str]]:
        """One of those that are rented; none where there is none."""
        return [self.rented[which % len(self.rented)]] if self.rented else []

    # What people do

    @initialize(people=st.lists(PEOPLE, min_size=1, max_size=3))
    def begin(self, people: list[int]) -> None:
        """Everybody logs in, and some rent while all is well."""
        self.world.log_in()
        self.offer(SHAPES[0])
        for person in people:
            self.rent(person)
        assert len(self.rented) == len(people)

    @rule(person=PEOPLE, when_full=st.sampled_from(["REFUSE", "WAIT"]))
    def rent(self, person: int, when_full: str = "REFUSE") -> None:
        """Somebody rents."""
        body, query = {"machine": "machines/model"}, {"whenFull": when_full}
        made = self.ask(person, "POST", "/v1/allocations", json=body, params=query)
        if made is not None:
            self.rented.append((person, made["name"]))

    @rule(which=ONE, verb=st.sampled_from(["start", "stop", "restart", "recreate", "cancel"]))
    def ask_for(self, which: int, verb: str) -> None:
        """Somebody asks for another state."""
        for person, name in self.chosen(which):
            self.ask(person, "POST", f"/v1/{name}:{verb}", json={})

    @rule(shape=st.sampled_from(SHAPES))
    def offer(self, shape: dict[str, Any]) -> None:
        """An admin gives the machine other ports and volumes."""
        path, mask = "/v1/machines/model", {"updateMask": "ports,volumes"}
        self.ask_with(self.world.admin, "PATCH", path, params=mask, json=shape)

    @rule(which=ONE)
    def remove(self, which: int) -> None:
        """Somebody removes one."""
        for person, name in self.chosen(which):
            self.ask(person, "DELETE", f"/v1/{name}")

    @rule(which=ONE)
    def wait_for_it(self, which: int) -> None:
        """Somebody waits until theirs rests, unless the engine is away.

        Nor while a stranger has a port: one that is started again waits two minutes for it.
        """
        if self.engine.trouble.away or self.engine.trouble.forget or self.strangers:
            return
        for person, name in self.chosen(which):
            until(lambda p=person, n=name: self.rests(p, n), SETTLED)

    # What goes wrong

    @rule(which=ONE)
    def kill(self, which: int) -> None:
        """A process is killed, and begins again."""
        self.world.kill(which)

    @rule()
    def unplug(self) -> None:
        """The engine goes away."""
        self.engine.trouble.away = True

    @rule()
    def plug(self) -> None:
        """The engine comes back."""
        self.engine.trouble.away = False

    @rule(seconds=st.sampled_from([0.0, 0.02, 0.2]))
    def slow_down(self, seconds: float) -> None:
        """The engine becomes slow, or quick."""
        self.engine.trouble.slow = seconds

    @rule(request=TROUBLED)
    def refuse(self, request: str) -> None:
        """The engine will refuse something."""
        self.engine.trouble.refuse.append(request)

    @rule(request=TROUBLED)
    def do_half(self, request: str) -> None:
        """The engine will do something and not say so."""
        self.engine.trouble.half.append(request)

    @rule(times=st.integers(1, 3))
    def lie(self, times: int) -> None:
        """The engine says that there are no containers, some times."""
        self.engine.trouble.forget = times

    @rule(which=ONE, how=st.sampled_from(["crash", "end", "memory", "remove", "by hand"]))
    def happen(self, which: int, how: str) -> None:
        """Something happens to a container."""
        there = list(self.engine.containers.values())
        if not there:
            return
        container = there[which % len(there)]
        match how:
            case "crash":
                self.engine.end(container, 3)
            case "end":
                self.engine.end(container, 0)
            case "memory":
                self.engine.end(container, 137, oom=True)
            case "remove":
                self.engine.discard(container)
            case "by hand":
                self.engine.begin(container)

    @rule()
    def lose_everything(self) -> None:
        """The engine loses all containers."""
        self.engine.lose_everything()

    @rule()
    def take_a_port(self) -> None:
        """A stranger takes a port that is leased and not in use."""
        for port in self.world.leased():
            stranger = socket.socket()
            with suppress(OSError):
                stranger.bind(("127.0.0.1", port))
                stranger.listen(1)
                self.strangers.append(stranger)
                return
            stranger.close()

    # What must be so afterwards

    def rests(self, person: int, name: str) -> dict[str, Any] | None:
        """An allocation, once it is what its owner asked for, waits for room, or has failed."""
        found = self.ask(person, "GET", f"/v1/{name}")
        if found is None:
            return None
        state, desired = found["state"], found["desiredState"]
        at_rest = {
            "RUNNING": ("READY", "FAILED", "PENDING"),
            "STOPPED": ("STOPPED", "FAILED"),
            "DELETED": ("DELETED",),
        }
        return found if state in at_rest[desired] else None

    def agrees(self, found: dict[str, Any]) -> bool:
        """Whether the engine has of an allocation what its owner is told."""
        there = self.engine.of(found["name"])
        running = [container for container in there if container.running]
        match found["state"]:
            case "READY":
                return len(running) == 1 and len(there) == 1 and self.answers(found)
            case "STOPPED":
                return not running and len(there) <= 1
            case "DELETED" | "PENDING":
                return not there
            case _:
                return len(there) <= 1

    def answers(self, found: dict[str, Any]) -> bool:
        """Whether its addresses are those of its own container."""
        for endpoint in found["endpoints"]:
            with closing(socket.socket()) as probe:
                if probe.connect_ex((endpoint["host"], endpoint["port"])) != 0:
                    return False
        return True

    def is_settled(self, person: int, name: str) -> bool:
        """Whether it rests and the engine agrees."""
        found = self.rests(person, name)
        return found is not None and self.agrees(found)

    def teardown(self) -> None:
        """Says what has failed: where the same history passes when told again, nobody else does."""
        try:
            if self.world.tokens:
                self.settle()
        finally:
            if isinstance(error := sys.exception(), Exception):
                traceback.print_exception(error)

    def settle(self) -> None:
        """Everything goes well again; then it settles, and nothing is left of what is removed."""
        self.engine.trouble.__init__()  # type: ignore[misc]
        for stranger in self.strangers:
            stranger.close()
        self.find_what_was_not_answered()
        for person, name in self.rented:
            until(lambda p=person, n=name: self.is_settled(p, n), SETTLED)
        until(self.nobody_waits_for_what_is_free, SETTLED)
        until(lambda: self.world.leased() == self.shown_ports(), SETTLED)
        assert self.engine.doubled == []
        for person, name in self.rented:
            until(lambda p=person, n=name: self.ask(p, "DELETE", f"/v1/{n}") is not None, SETTLED)
        for person, name in self.rented:
            until(lambda p=person, n=name: self.is_settled(p, n), SETTLED)
        until(lambda: not self.engine.containers, SETTLED)
        until(lambda: not self.engine.volumes, SETTLED)
        assert self.world.leased() == []
        assert self.world.counted() == []
        for person, name in self.rented:
            self.adds_up(person, name)
        assert self.engine.unknown == []

    def find_what_was_not_answered(self) -> None:
        """Somebody may have been told to try again by whoever did not hear the answer."""
        for person in range(len(self.world.tokens)):
            told = until(lambda p=person: self.ask(p, "GET", "/v1/allocations"), SETTLED)
            known = {name for _, name in self.rented}
            self.rented += [
                (person, one["name"])
                for one in told.get("allocations", [])
                if one["name"] not in known
            ]

    def nobody_waits_for_what_is_free(self) -> bool:
        """Whether those who wait do so because there is no room."""
        live = [found for found in self.live() if found["state"] == "PENDING"]
        return not live or len(self.live()) - len(live) == STOCK

    def live(self) -> list[dict[str, Any]]:
        """The allocations that are not history."""
        found = [self.ask(person, "GET", f"/v1/{name}") for person, name in self.rented]
        return [one for one in found if one and one["state"] != "DELETED"]

    def shown_ports(self) -> list[int]:
        """The ports that people are shown."""
        shown = [endpoint for one in self.live() for endpoint in one.get("endpoints", [])]
        return sorted(endpoint["port"] for endpoint in shown)

    def adds_up(self, person: int, name: str) -> None:
        """Its usage is its life, to the millisecond."""
        gone = self.ask(person, "GET", f"/v1/{name}")
        told = self.ask(person, "GET", f"/v1/{name}/usage")
        assert gone is not None
        assert told is not None
        ended, began = (datetime.fromisoformat(gone[key]) for key in ("deleteTime", "createTime"))
        life = round((ended - began).total_seconds() * 1000)
        spans = [kind["duration"] for kind in told["total"]["kinds"]]
        parts = [round(float(span.removesuffix("s")) * 1000) for span in spans]
        assert sum(parts) == life, (gone, told)


@pytest.fixture(
    scope="module",
    params=[EmbeddedWorld, pytest.param(MeshWorld, marks=pytest.mark.real_mesh)],
    ids=["embedded", "mesh"],
)
def world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    made = request.param(tmp_path_factory.mktemp("w"))
    yield made
    made.close()


@pytest.mark.timeout(600 + 120 * RUNS)
def test_whatever_happens_it_settles_and_nothing_is_left(world: World) -> None:
    History.world = world
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
            # A failure says its history; making it shorter would take its time from CI.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
