"""What ended with its host is told from what ended by itself."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from docker_svc.adapters.container_runtime import process
from docker_svc.adapters.container_runtime.process_folder import ProcessFolder
from docker_svc.adapters.container_runtime.shim import descendants
from docker_svc.domain import InstanceKey, Standing, State
from docker_svc.ports.instance_records import InstanceRecord, Wanted
from docker_svc.usecases.tracked import Tracked

from .conftest import SLEEPS, new_key, script

if TYPE_CHECKING:
    from .conftest import Installation

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def running(installation: Installation) -> InstanceKey:
    """A ready instance."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.until_state(key, State.READY)
    return key


def kill(installation: Installation, key: InstanceKey) -> None:
    """Ends a program and its shim at once, as a power cut does."""
    shim = ProcessFolder.of(installation.folder / "instances", key).shim()
    assert shim is not None
    below = descendants(shim.pid)
    for pid in (shim.pid, *below):
        # Some end with the one above them.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def ended_with_host(installation: Installation, key: InstanceKey) -> bool:
    """What is told of an instance that has ended."""
    found = {one.key: one for one in await installation.instances.list_all()}[key]
    assert found.state is State.EXITED
    return found.ended_with_host


@pytest.mark.parametrize("rebooted", [True, False])
async def test_what_runs_when_the_host_goes_down_has_not_ended_by_itself(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, rebooted: bool
) -> None:
    ran, stopped = await running(installation), await running(installation)
    await installation.instances.stop(stopped)
    await installation.until_state(stopped, State.EXITED)
    await installation.end()
    kill(installation, ran)
    if rebooted:
        monkeypatch.setattr(process, "boot_id", lambda: "the next boot")
    await installation.begin()
    assert await ended_with_host(installation, ran) is rebooted
    assert await ended_with_host(installation, stopped) is False
    # It stays so until it is started again.
    await installation.end()
    await installation.begin()
    assert await ended_with_host(installation, ran) is rebooted
    await installation.instances.start(ran)
    ready = await installation.until_state(ran, State.READY, incarnation=2)
    assert not ready.ended_with_host


async def test_an_end_right_before_that_of_the_host_is_its_end_too(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await running(installation)
    kill(installation, key)
    seen = await installation.until_state(key, State.EXITED)
    assert not seen.ended_with_host, "nobody can know it yet"
    await installation.end()
    monkeypatch.setattr(process, "boot_id", lambda: "the next boot")
    await installation.begin()
    assert await ended_with_host(installation, key)


def tracked(**fields: object) -> Tracked:
    """One that ran in session `a`."""
    key = InstanceKey("allocations/abcd", 1)
    one = Tracked(InstanceRecord(key, None, Wanted.RUNNING))
    one.count(Standing(key, "x", running=True, run="r1"))
    one.note_session("a", NOW)
    one.record = replace(one.record, **fields)  # type: ignore[arg-type]
    return one


def ended(one: Tracked, session: str, now: datetime) -> bool:
    """Whether an end at NOW, looked at later, counts as that of the host."""
    assert one.standing is not None
    one.count(replace(one.standing, running=False, finish_time=NOW))
    one.note_session(session, now)
    return one.record.with_host


def test_an_end_long_before_that_of_the_host_was_its_own() -> None:
    one = tracked()
    assert not ended(one, "a", NOW + timedelta(seconds=1))
    assert not ended(one, "a", NOW + timedelta(minutes=2))
    assert not ended(one, "b", NOW + timedelta(minutes=3))


def test_an_engine_that_does_not_say_when_it_began_ends_nothing() -> None:
    assert not ended(tracked(), "", NOW)
    assert not ended(tracked(session=""), "b", NOW)


def test_what_was_asked_to_stop_has_not_ended_with_the_host() -> None:
    assert not ended(tracked(stop_requested=True), "b", NOW)


def test_what_goes_on_through_a_restart_of_its_engine_is_of_the_new_session() -> None:
    one = tracked()
    assert one.note_session("b", NOW)
    assert not ended(one, "b", NOW)
    assert ended(tracked(session="a"), "b", NOW)
