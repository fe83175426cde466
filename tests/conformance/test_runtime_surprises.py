"""Conformance of `ContainerRuntime`: what others do to instances, and when the engine began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from aiodocker import Docker

from docker_svc.domain import InstanceKey, NameTaken, Standing
from docker_svc.ports.container_runtime import EngineAvailable, InstanceChanged
from tests.conformance.test_container_runtime import MIB, Ground, ground, new_key

__all__ = ["ground"]

FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[Docker]:
    """The engine itself, for what is done by hand."""
    async with Docker() as one:
        yield one


def told_end(ground: Ground) -> InstanceChanged:
    """The event of the only end."""
    [event] = [
        event
        for event in ground.events.seen
        if isinstance(event, InstanceChanged) and event.change in ("ended", "killed")
    ]
    return event


def killed(ground: Ground) -> bool:
    """Whether the only end is told as one by somebody else, of which the engine is to be asked."""
    event = told_end(ground)
    assert event.end is not None
    assert (event.end.exit_code, event.end.out_of_memory) == (137, False)
    return event.change == "killed"


async def test_the_session_of_an_engine_is_told_and_stays_while_it_lives(ground: Ground) -> None:
    sessions = set()
    for _ in range(2):
        told = [event for event in ground.events.seen if isinstance(event, EngineAvailable)]
        sessions |= {event.session for event in told if event.available}
        await ground.down()
        await ground.up()
    assert len(sessions) == 1
    assert sessions != {""}
    assert len(next(iter(sessions))) <= 128


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_a_pause_is_told_and_a_paused_one_can_be_stopped(
    ground: Ground, engine: Docker
) -> None:
    key = new_key()
    standing = await ground.run(key, ground.script(FOREVER))
    assert not standing.paused
    container = engine.containers.container(standing.name)
    await container.pause()
    await ground.events.until(InstanceChanged(key, "paused"))
    paused = await ground.runtime.get(key)
    assert paused is not None
    assert (paused.running, paused.paused, paused.run) == (True, True, standing.run)
    await container.unpause()
    await ground.events.until(InstanceChanged(key, "unpaused"))
    again = await ground.runtime.get(key)
    assert again is not None
    assert not again.paused
    await container.pause()
    stopped = await ground.runtime.stop(key, 5.0)
    assert (stopped.running, stopped.paused) == (False, False)
    await ground.runtime.remove(key.allocation, 1)


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
@pytest.mark.parametrize(
    ("ends", "code"),
    [("by TERM", 0), ("by HUP", 129), ("for lack of memory", 137)],
)
async def test_an_end_says_all_that_there_is_to_say_of_it(
    ground: Ground, engine: Docker, ends: str, code: int
) -> None:
    """The event itself says what the engine would answer."""
    key = new_key()
    if ends == "for lack of memory":
        await ground.run(key, ground.script("sleep 1; tail /dev/zero", memory=16 * MIB))
    else:
        standing = await ground.run(key, ground.script(FOREVER))
        await engine.containers.container(standing.name).kill(signal=ends.removeprefix("by "))
    ended = await ground.ended(key)
    assert ended.start_time is not None
    assert ended.finish_time is not None
    end = told_end(ground).end
    assert end is not None
    assert end.exit_code == ended.exit_code == code
    assert end.out_of_memory == ended.out_of_memory == (ends == "for lack of memory")
    assert ended.start_time < end.time
    assert abs(end.time - ended.finish_time) < timedelta(seconds=1)


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
@pytest.mark.parametrize("code", [0, 3])
async def test_a_program_that_outlives_a_child_did_not_end_for_lack_of_memory(
    ground: Ground, code: int
) -> None:
    """The engine's own answer says that it did."""
    key = new_key()
    await ground.run(
        key, ground.script(f"sh -c 'tail /dev/zero'; sleep 1; exit {code}", memory=16 * MIB)
    )
    ended = await ground.ended(key)
    end = told_end(ground).end
    assert end is not None
    assert end.exit_code == ended.exit_code == code
    assert not end.out_of_memory
    assert not ended.out_of_memory


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
@pytest.mark.parametrize("ends", ["removed by force", "killed by hand"])
async def test_what_lost_a_child_for_lack_of_memory_is_ended_by_somebody_as_any_other(
    ground: Ground, engine: Docker, ends: str
) -> None:
    """The engine is asked of it, and its sign of the child is not believed."""
    key = new_key()
    heard = engine.events.subscribe()
    standing = await ground.run(
        key, ground.script(f"sh -c 'tail /dev/zero'; {FOREVER}", memory=16 * MIB)
    )
    async with asyncio.timeout(20):
        while (event := await heard.get())["Action"] != "oom":
            pass
    container = engine.containers.container(standing.name)
    assert event["Actor"]["Attributes"]["name"] == standing.name
    if ends == "killed by hand":
        await container.kill(signal="KILL")
        ended = await ground.ended(key, "killed")
        assert (await container.show())["State"]["OOMKilled"]
        assert (ended.exit_code, ended.out_of_memory) == (137, False)
    else:
        await container.delete(force=True)
        await ground.events.until(InstanceChanged(key, "killed"))
        assert await ground.runtime.get(key) is None
    assert killed(ground)


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_of_one_that_is_killed_the_engine_is_asked(ground: Ground, engine: Docker) -> None:
    """That may be the beginning of a removal."""
    key = new_key()
    standing = await ground.run(key, ground.script(FOREVER))
    await engine.containers.container(standing.name).kill(signal="KILL")
    ended = await ground.ended(key, "killed")
    assert ended.exit_code == 137
    assert not ended.out_of_memory
    assert killed(ground)


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_one_that_is_removed_by_force_never_seems_to_have_ended(
    ground: Ground, engine: Docker
) -> None:
    key = new_key()
    standing = await ground.run(key, ground.script(FOREVER))
    await engine.containers.container(standing.name).delete(force=True)
    await ground.events.until(InstanceChanged(key, "killed"))
    assert killed(ground)
    assert await ground.runtime.get(key) is None
    await ground.events.until(InstanceChanged(key, "removed"))


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_a_name_that_a_stranger_has_is_refused_and_the_stranger_left_alone(
    ground: Ground, engine: Docker
) -> None:
    key = new_key()
    name = f"allocator-{key.allocation_id}-g1"
    config = {"Image": "busybox:latest", "Cmd": ["sleep", "60"]}
    stranger = await engine.containers.create(config, name=name)
    try:
        with pytest.raises(NameTaken, match=name):
            await ground.run(key, ground.script(FOREVER))
        assert await ground.runtime.get(key) is None
        assert (await stranger.show())["Id"] == stranger.id
    finally:
        await stranger.delete(force=True)


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_what_is_as_it_was_is_listed_in_one_question(
    ground: Ground, engine: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[InstanceKey] = []
    ask = ground.runtime.get

    async def get(key: InstanceKey) -> Standing | None:
        asked.append(key)
        return await ask(key)

    monkeypatch.setattr(ground.runtime, "get", get)
    same, restarted, paused = keys = [new_key() for _ in range(3)]
    first = {key: await ground.run(key, ground.script(FOREVER)) for key in keys}
    await ground.events.until(InstanceChanged(paused, "started"))
    await ground.runtime.list_all()
    asked.clear()
    assert {one.key: one for one in await ground.runtime.list_all()} == first
    assert asked == []
    await engine.containers.container(first[restarted].name).restart(t=0)
    await ground.events.until(InstanceChanged(restarted, "killed"))
    ground.events.seen.remove(InstanceChanged(restarted, "started"))
    await ground.events.until(InstanceChanged(restarted, "started"))
    await engine.containers.container(first[paused].name).pause()
    listed = {one.key: one for one in await ground.runtime.list_all()}
    assert set(asked) == {restarted, paused}
    assert listed[same] == first[same]
    assert listed[restarted].run > first[restarted].run
    assert listed[paused].paused
    for key in keys:
        await ground.runtime.remove(key.allocation, 1)
    assert await ground.runtime.list_all() == []
