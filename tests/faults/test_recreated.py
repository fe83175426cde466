"""An instance that is made anew: the old one goes on until the new image is there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from engine_model import Container

from tests.faults.reconciliation_host import until
from tests.faults.worlds import MACHINE, EmbeddedWorld

NEWER = "model:2"


class Rented:
    """An allocation whose machine has got another image, which the engine does not have."""

    def __init__(self, world: EmbeddedWorld, *, is_to_be_had: bool) -> None:
        self.world, self.engine = world, world.engine
        self.token, self._admin = world.tokens[0], world.running.admin()
        self.change(image=MACHINE["image"], ports=MACHINE["ports"])
        self.fetched = threading.Event()
        self.engine.fetches = {NEWER: self.fetched if is_to_be_had else None}
        self.name = str(world.running.rent(self.token, "model")["name"])
        world.running.wait(self.token, self.name, "READY")
        self.change(image=NEWER)
        self.call(":recreate")

    def change(self, **fields: object) -> None:
        """Gives the machine a newer version."""
        mask = {"updateMask": ",".join(fields)}
        changed = self.world.running.call(
            "PATCH", "/v1/machines/model", self._admin, params=mask, json=fields
        )
        assert changed.status_code == 200, changed.text

    def call(self, method: str) -> dict[str, Any]:
        done = self.world.running.call("POST", f"/v1/{self.name}{method}", self.token, json={})
        assert done.status_code == 200, done.text
        return dict(done.json())

    @property
    def running(self) -> list[str]:
        """The images of the containers that run."""
        return [one.config["Image"] for one in self.containers if one.running]

    @property
    def containers(self) -> list[Container]:
        return self.engine.of(self.name)

    @property
    def ports(self) -> list[int]:
        """The ports that it is shown with."""
        found = self.world.running.call("GET", f"/v1/{self.name}", self.token).json()
        return sorted(one["port"] for one in found["endpoints"])

    def until_fetching(self) -> None:
        def is_told() -> bool:
            found = self.world.running.call("GET", f"/v1/{self.name}", self.token).json()
            return "pulling model:2" in found.get("progress", "")

        until(is_told)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedWorld]:
    made = EmbeddedWorld(tmp_path_factory.mktemp("r"))
    made.log_in()
    yield made
    made.close()


@pytest.fixture
def rented(request: pytest.FixtureRequest, world: EmbeddedWorld) -> Iterator[Rented]:
    made = Rented(world, is_to_be_had=getattr(request, "param", True))
    yield made
    world.running.call("DELETE", f"/v1/{made.name}", made.token)
    world.running.wait(made.token, made.name, "DELETED")
    assert made.containers == []


def test_the_old_one_goes_on_until_the_new_image_is_there(rented: Rented) -> None:
    rented.until_fetching()
    assert rented.running == [MACHINE["image"]]
    rented.fetched.set()
    ready = rented.world.running.wait(rented.token, rented.name, "READY")
    assert ready["generation"] == 2
    assert rented.running == [NEWER]
    assert len(rented.containers) == 1


@pytest.mark.parametrize("how", ["goes on", "is stopped", "is removed"])
def test_a_port_that_is_gone_is_nobody_elses_while_the_old_one_answers_there(
    rented: Rented, how: str
) -> None:
    rented.until_fetching()
    (former,) = rented.ports
    rented.change(ports=[{"number": 81}, {"number": 82}])
    rented.call(":recreate")
    rented.until_fetching()
    assert former not in rented.ports
    assert rented.running == [MACHINE["image"]]
    assert rented.world.leased() == sorted([former, *rented.ports])
    match how:
        case "goes on":
            rented.fetched.set()
            rented.world.running.wait(rented.token, rented.name, "READY")
            assert rented.running == [NEWER]
        case "is stopped":
            rented.call(":stop")
            rented.world.running.wait(rented.token, rented.name, "STOPPED")
        case _:
            rented.world.running.call("DELETE", f"/v1/{rented.name}", rented.token)
            rented.world.running.wait(rented.token, rented.name, "DELETED")
    until(lambda: rented.world.leased() == ([] if how == "is removed" else rented.ports))


def test_a_stop_meanwhile_ends_the_old_one(rented: Rented) -> None:
    rented.until_fetching()
    rented.call(":stop")
    rented.world.running.wait(rented.token, rented.name, "STOPPED")
    until(lambda: rented.containers == [])
    rented.fetched.set()
    rented.call(":start")
    rented.world.running.wait(rented.token, rented.name, "READY")
    assert rented.running == [NEWER]


def test_a_removal_meanwhile_removes_the_old_one(rented: Rented) -> None:
    rented.until_fetching()
    rented.world.running.call("DELETE", f"/v1/{rented.name}", rented.token)
    rented.world.running.wait(rented.token, rented.name, "DELETED")
    assert rented.containers == []


@pytest.mark.parametrize("stops", [False, True], ids=["goes on", "was stopped"])
def test_who_is_killed_meanwhile_leaves_no_old_one(rented: Rented, stops: bool) -> None:
    rented.until_fetching()
    if stops:
        # Between its being written down and its being done.
        rented.engine.trouble.slow = 0.5
        rented.call(":stop")
    rented.world.kill(0)
    rented.engine.trouble.slow = 0.0
    rented.fetched.set()
    rented.world.running.wait(rented.token, rented.name, "STOPPED" if stops else "READY")
    until(lambda: rented.running == ([] if stops else [NEWER]))
    until(lambda: [one.config["Image"] for one in rented.containers] in ([], [NEWER]))


@pytest.mark.parametrize("rented", [False], indirect=True)
def test_an_image_that_is_not_to_be_had_ends_the_old_one_too(rented: Rented) -> None:
    """It says why, and nothing runs that its owner is not told of."""
    failed = rented.world.running.wait(rented.token, rented.name, "FAILED")
    assert failed["stateReason"]["reason"] == "IMAGE_NOT_FOUND"
    assert rented.containers == []
