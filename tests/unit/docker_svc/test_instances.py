"""What becomes of requests for instances."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy
from docker_svc.adapters.container_runtime.process_folder import ProcessFolder
from docker_svc.domain import (
    GenerationStale,
    InstanceNotFound,
    LogCheck,
    NotRunnable,
    PatternInvalid,
    Probe,
    PublishedPort,
    State,
    TcpCheck,
    Volume,
)
from docker_svc.ports.instance_records import InstanceRecord, Wanted

from .conftest import SLEEPS, new_key, script

if TYPE_CHECKING:
    from .conftest import Installation


async def test_an_instance_becomes_ready(installation: Installation) -> None:
    """Without a probe, once it runs: that is told at once, and not before that it runs."""
    key = new_key()
    begun = await installation.instances.ensure(key, script(SLEEPS))
    assert begun.state is State.CREATING
    ready = await installation.until_state(key, State.READY)
    assert installation.states(key) == [State.CREATING, State.READY]
    assert (ready.incarnation, ready.runtime, ready.node) == (1, "process", "here")
    assert (await installation.instances.get(key.allocation)).state is State.READY
    assert [i.key for i in await installation.instances.list_all()] == [key]


async def test_ensuring_again_changes_nothing(installation: Installation) -> None:
    """While it is made, and while it runs."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.until_state(key, State.READY)
    again = await installation.instances.ensure(key, script("exit 1"))
    assert (again.state, again.incarnation) == (State.READY, 1)


async def test_a_lower_generation_is_refused_by_every_method(installation: Installation) -> None:
    """Also by a later process."""
    key = new_key(2)
    old = replace(key, generation=1)
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.until_state(key, State.READY)
    for _ in range(2):
        for call in (
            installation.instances.ensure(old, script(SLEEPS)),
            installation.instances.start(old),
            installation.instances.stop(old),
            installation.instances.restart(old, 1),
            installation.instances.remove(old),
        ):
            with pytest.raises(GenerationStale):
                await call
        await installation.end()
        await installation.begin()
        await installation.until_state(key, State.READY)


async def test_a_higher_generation_takes_the_place_of_the_lower(
    installation: Installation,
) -> None:
    """The old one is gone before the new one begins."""
    old = new_key()
    await installation.instances.ensure(old, script(SLEEPS))
    await installation.until_state(old, State.READY)
    new = replace(old, generation=2)
    await installation.instances.ensure(new, script(SLEEPS))
    ready = await installation.until_state(new, State.READY)
    assert ready.incarnation == 1
    assert [s.key for s in await installation.runtime.list_all()] == [new]


async def test_a_stopped_instance_is_started_again(installation: Installation) -> None:
    """Its end was asked for; its next start is another incarnation."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS, Probe(LogCheck("^ready$"))))
    await installation.until_state(key, State.READY)
    assert (await installation.instances.stop(key)).state is State.STOPPING
    exited = await installation.until_state(key, State.EXITED)
    assert (exited.exit_code, exited.stop_requested) == (3, True)
    await installation.instances.start(key)
    ready = await installation.until_state(key, State.READY, incarnation=2)
    assert not ready.stop_requested
    assert ready.exit_code is None
    assert (await installation.instances.start(key)).incarnation == 2


async def test_an_instance_that_ends_by_itself_is_told(installation: Installation) -> None:
    """With its exit code, and nobody asked for it."""
    key = new_key()
    await installation.instances.ensure(key, script("sleep 0.2; exit 7"))
    exited = await installation.until_state(key, State.EXITED)
    assert (exited.exit_code, exited.stop_requested, exited.reason) == (7, False, "")


async def test_a_restart_that_is_sent_twice_restarts_once(installation: Installation) -> None:
    """The named incarnation ends, and no other."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.until_state(key, State.READY)
    await asyncio.gather(
        installation.instances.restart(key, 1), installation.instances.restart(key, 1)
    )
    await installation.until_state(key, State.READY, incarnation=2)
    assert (await installation.instances.restart(key, 1)).incarnation == 2
    assert (await installation.instances.get(key.allocation)).incarnation == 2


async def test_a_probe_that_does_not_answer_fails_the_instance(installation: Installation) -> None:
    """It is stopped, kept, and can be removed."""
    key = new_key()
    probe = Probe(LogCheck("never said"), timeout=0.5)
    await installation.instances.ensure(key, script(SLEEPS, probe))
    failed = await installation.until_state(key, State.FAILED)
    assert failed.reason == "PROBE_TIMED_OUT", failed.message
    assert "0.5 s" in failed.message
    assert failed.exit_code is not None
    assert [s.running for s in await installation.runtime.list_all()] == [False]


async def test_an_instance_is_ready_once_a_line_of_its_log_matches(
    installation: Installation,
) -> None:
    """And not before."""
    key = new_key()
    probe = Probe(LogCheck("number 3"))
    await installation.instances.ensure(
        key, script("for i in 1 2 3; do sleep 0.1; echo number $i; done; sleep 60", probe)
    )
    await installation.until_state(key, State.READY)
    assert State.RUNNING in installation.states(key)


async def test_an_instance_that_ends_while_it_is_probed_is_exited(
    installation: Installation,
) -> None:
    """And not failed for its probe."""
    key = new_key()
    await installation.instances.ensure(key, script("sleep 0.3; exit 2", Probe(TcpCheck(80))))
    exited = await installation.until_state(key, State.EXITED)
    assert (exited.exit_code, exited.reason) == (2, "")


async def test_a_removed_instance_is_gone_and_refused_from_now_on(
    installation: Installation,
) -> None:
    """Also by a later process; its spec, with its secrets, is gone too."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS))
    await installation.until_state(key, State.READY)
    await installation.instances.remove(key)
    await installation.instances.remove(key)
    assert await installation.runtime.list_all() == []
    assert (await installation.instances.get(key.allocation)).state is State.MISSING
    with pytest.raises(GenerationStale):
        await installation.instances.ensure(key, script(SLEEPS))
    await installation.end()
    await installation.begin()
    with pytest.raises(GenerationStale):
        await installation.instances.ensure(key, script(SLEEPS))
    record = await installation.records.get(key.allocation)
    assert record is not None
    assert (record.wanted, record.spec) == (Wanted.GONE, None)


async def test_removing_what_nobody_asked_for_is_remembered(installation: Installation) -> None:
    """A request that comes late finds the door closed."""
    key = new_key()
    await installation.instances.remove(key)
    with pytest.raises(GenerationStale):
        await installation.instances.ensure(key, script(SLEEPS))


async def test_what_a_crash_interrupted_is_finished(installation: Installation) -> None:
    """Written down and never begun: it is made at the next start."""
    made, removed = new_key(), new_key()
    await installation.instances.ensure(removed, script(SLEEPS))
    await installation.until_state(removed, State.READY)
    await installation.end()
    await installation.begin()
    spec = script(SLEEPS)
    record = await installation.records.get(removed.allocation)
    assert record is not None
    await installation.records.put(InstanceRecord(made, spec, Wanted.RUNNING))
    await installation.records.put(replace(record, wanted=Wanted.REMOVED))
    await installation.end()
    await installation.begin()
    await installation.until_state(made, State.READY)
    await installation.until_state(removed, State.MISSING)
    assert [s.key for s in await installation.runtime.list_all()] == [made]


async def test_volumes_outlast_generations_and_removals(installation: Installation) -> None:
    """Whoever asked for them says when they go; a removal that a crash interrupted leaves them too."""
    key = new_key()
    newer = replace(key, generation=2)
    marks = 'echo a >> "$ALLOCATOR_VOLUME_1/m"; exit $(wc -l < "$ALLOCATOR_VOLUME_1/m")'
    spec = replace(script(marks), volumes=(Volume("/data", 1),))
    await installation.instances.ensure(key, spec)
    assert (await installation.until_state(key, State.EXITED)).exit_code == 1
    await installation.instances.ensure(newer, spec)
    assert (await installation.until_state(newer, State.EXITED)).exit_code == 2
    await installation.end()
    await installation.begin()
    record = await installation.records.get(key.allocation)
    assert record is not None
    await installation.records.put(replace(record, wanted=Wanted.REMOVED))
    await installation.runtime.remove(key.allocation, 2)
    await installation.end()
    await installation.begin()
    await installation.until_state(newer, State.MISSING)
    assert await installation.runtime.list_all() == []
    assert await installation.runtime.volumes.names() == [f"{key.allocation_id}-v1"]


async def test_instances_are_found_again(installation: Installation) -> None:
    """Ready ones stay ready, the same incarnation; ends while nobody looked are seen."""
    stays, ends = new_key(), new_key()
    await installation.instances.ensure(stays, script(SLEEPS))
    until_told = "while [ ! -e end ]; do sleep 0.05; done; exit 9"
    await installation.instances.ensure(ends, script(until_told))
    await installation.until_state(stays, State.READY)
    await installation.until_state(ends, State.READY)
    await installation.end()
    (ProcessFolder.of(installation.folder / "instances", ends).files / "end").touch()
    await installation.begin()
    found = await installation.until_state(stays, State.READY)
    assert found.incarnation == 1
    assert (await installation.until_state(ends, State.EXITED)).exit_code == 9


async def test_what_nobody_wrote_down_is_listed_and_can_be_removed(
    installation: Installation,
) -> None:
    """Ours by its place, although no record of it is left."""
    key = new_key()
    await installation.runtime.ensure(key, script(SLEEPS), lambda _: None)
    listed = await installation.instances.list_all()
    assert [(i.key, i.state) for i in listed] == [(key, State.RUNNING)]
    assert (await installation.instances.get(key.allocation)).key == key
    await installation.instances.remove(key)
    assert await installation.instances.list_all() == []


async def test_what_cannot_run_here_is_refused_at_once(installation: Installation) -> None:
    """And leaves nothing behind."""
    key = new_key()
    with pytest.raises(NotRunnable):
        await installation.instances.ensure(key, replace(script(SLEEPS), image="redis:7"))
    with pytest.raises(PatternInvalid):
        await installation.instances.ensure(key, script(SLEEPS, Probe(LogCheck("("))))
    assert await installation.records.get(key.allocation) is None
    for call in (installation.instances.stop(key), installation.instances.start(key)):
        with pytest.raises(InstanceNotFound):
            await call


async def test_secrets_are_not_on_the_disk(installation: Installation) -> None:
    """Neither in the store nor in the folder of the instance."""
    key = new_key()
    spec = replace(script(SLEEPS), environment={"PASSWORD": "correct-horse-battery"})
    await installation.instances.ensure(key, spec)
    await installation.until_state(key, State.READY)
    record = await installation.records.get(key.allocation)
    assert record is not None
    assert record.spec == spec
    with closing(sqlite3.connect(installation.folder / "docker.sqlite3")) as connection:
        connection.execute("PRAGMA wal_checkpoint(FULL)")
    for path in installation.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert b"correct-horse" not in path.read_bytes(), path


async def test_a_stop_while_it_is_probed_stops_it(installation: Installation) -> None:
    """The newer request ends the older one."""
    key = new_key()
    await installation.instances.ensure(key, script(SLEEPS, Probe(LogCheck("never"))))
    await installation.until_state(key, State.RUNNING)
    await installation.instances.stop(key)
    exited = await installation.until_state(key, State.EXITED)
    assert exited.stop_requested
    assert exited.reason == ""


async def test_the_command_is_told_its_port(installation: Installation) -> None:
    """A process listens at the port of the host, which is `PORT`."""
    key = new_key()
    probe = Probe(LogCheck("^port 45123$"), timeout=10)
    spec = replace(script('echo "port $PORT"; sleep 60', probe), ports=(PublishedPort(80, 45123),))
    await installation.instances.ensure(key, spec)
    await installation.until_state(key, State.READY)


async def test_the_command_is_told_the_address_to_listen_on(installation: Installation) -> None:
    """A process that listened everywhere would be open to the network."""
    key = new_key()
    probe = Probe(LogCheck(r"^address 127\.0\.0\.1$"), timeout=10)
    program = script('echo "address $ALLOCATOR_BIND_ADDRESS"; sleep 60', probe)
    await installation.instances.ensure(key, program)
    await installation.until_state(key, State.READY)


def test_a_container_is_told_no_address_of_this_host() -> None:
    """It listens in a network of its own, where that address is another one or none."""
    policy = ContainerPolicy("test", "127.0.0.1", "10m", 3)
    spec = replace(script(SLEEPS), environment={"GREETING": "good morning"})
    assert policy.container_config(new_key(), spec, "a network")["Env"] == ["GREETING=good morning"]


async def test_an_answer_that_is_older_than_what_is_known_is_not_believed(
    installation: Installation,
) -> None:
    """Whoever lists all the time while instances come and go never sees one lost or counted twice."""
    keys = [new_key() for _ in range(6)]

    async def lists() -> None:
        while True:
            await installation.instances.list_all()
            await asyncio.gather(*(installation.instances.get(key.allocation) for key in keys))

    listing = asyncio.create_task(lists())
    for key in keys:
        await installation.instances.ensure(key, script(SLEEPS))
    for key in keys:
        await installation.until_state(key, State.READY)
    for key in keys:
        await installation.instances.restart(key, 1)
    for key in keys:
        await installation.until_state(key, State.READY, incarnation=2)
        assert State.MISSING not in installation.states(key)
        assert State.EXITED not in installation.states(key)
        assert (await installation.instances.get(key.allocation)).incarnation == 2
    listing.cancel()
    await asyncio.wait([listing])
    assert listing.cancelled()


async def test_an_answer_from_before_an_end_does_not_bring_it_back(
    installation: Installation,
) -> None:
    """It would count as one that runs and is not ready, until somebody asks again."""
    key = new_key()
    await installation.instances.ensure(key, script("while [ ! -e over ]; do sleep 0.02; done"))
    await installation.until_state(key, State.READY)
    known = installation.known
    at_rest, answer = known.at_rest(), await installation.runtime.list_all()
    assert [standing.running for standing in answer] == [True]
    home = ProcessFolder.of(installation.folder / "instances", key)
    (home.files / "over").touch()
    await installation.until_state(key, State.EXITED)
    await known.compare(answer, at_rest)
    assert installation.states(key)[-1] is State.EXITED
    assert known.tracked[key.allocation].state is State.EXITED
