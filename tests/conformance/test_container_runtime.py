"""Conformance of `ContainerRuntime`: over processes always, over a real engine when asked."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from free_ports import free_port

from chassis.clock import SystemClock
from docker_svc.adapters.container_runtime.process import ProcessPolicy, open_process_runtime
from docker_svc.adapters.container_runtime.process_end import members
from docker_svc.adapters.container_runtime.process_folder import ProcessFolder
from docker_svc.adapters.log_journal.files import FileLogJournal, JournalLimits
from docker_svc.adapters.log_source.pump import Pump
from docker_svc.adapters.log_source.tail import SourceLimits
from docker_svc.adapters.readiness.network import NetworkReadiness
from docker_svc.domain import (
    EngineRefused,
    HttpCheck,
    ImageNotFound,
    InstanceKey,
    InstanceNotFound,
    InstanceSpec,
    Limits,
    NotRunnable,
    PortTaken,
    Probe,
    ProgramNotStarted,
    Progress,
    PublishedPort,
    Standing,
    StopSignal,
    TcpCheck,
    Volume,
)
from docker_svc.ports.container_runtime import (
    Change,
    ContainerRuntime,
    EngineAvailable,
    InstanceChanged,
    RuntimeEvent,
)
from docker_svc.usecases.logs import Logs
from docker_svc.usecases.probing import Probing

PATIENCE = 40.0
MIB = 1 << 20
SLEEPS = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def new_key(generation: int = 1) -> InstanceKey:
    """A key that no other test uses."""
    return InstanceKey(f"allocations/{secrets.token_hex(6)}", generation)


@dataclass
class Events:
    """What a runtime tells, kept."""

    seen: list[RuntimeEvent] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, runtime: ContainerRuntime) -> None:
        """Takes every event, until it is cancelled."""
        async with aclosing(runtime.events()) as events:
            async for event in events:
                async with self.arrived:
                    self.seen.append(event)
                    self.arrived.notify_all()

    async def until(self, wanted: RuntimeEvent) -> None:
        """Waits for an event."""
        async with asyncio.timeout(PATIENCE), self.arrived:
            await self.arrived.wait_for(lambda: wanted in self.seen)


@dataclass
class Ground:
    """A kind of runtime: how it is opened, and what runs on it."""

    name: str
    open: Callable[[], Awaitable[ContainerRuntime]]
    leftovers: Callable[[], object]
    folder: Path
    image: str = ""
    runtime: ContainerRuntime = field(init=False)
    events: Events = field(init=False)
    task: asyncio.Task[None] = field(init=False)

    def script(self, text: str, *ports: PublishedPort, memory: int = 256 * MIB) -> InstanceSpec:
        """The spec of a shell script."""
        return InstanceSpec(
            Limits(1000, memory, 64),
            image=self.image,
            command=("sh", "-c", text),
            ports=ports,
            stop_grace=5.0,
        )

    def web_server(self, port: int) -> InstanceSpec:
        """The spec of something that answers HTTP at container port 8080."""
        serve = "mkdir -p www && cd www && exec python3 -m http.server $PORT"
        if self.image:
            serve = "mkdir -p /www && echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"
        return self.script(serve, PublishedPort(8080, port))

    async def up(self) -> None:
        """Opens the runtime, and listens."""
        self.runtime = await self.open()
        self.events = Events()
        self.task = asyncio.create_task(self.events.follow(self.runtime))
        await self.events.until(EngineAvailable(available=True))

    async def down(self) -> None:
        """Closes the runtime; instances go on."""
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.runtime.close()

    async def run(self, key: InstanceKey, spec: InstanceSpec) -> Standing:
        """Makes an instance and starts it."""
        return await self.runtime.ensure(key, spec, lambda _: None)

    async def ended(self, key: InstanceKey, change: Change = "ended") -> Standing:
        """Waits until it is told that the program of an instance has ended, by itself or otherwise."""
        await self.events.until(InstanceChanged(key, change))
        standing = await self.runtime.get(key)
        assert standing is not None
        return standing


async def _process_ground(folder: Path) -> Ground:
    policy = ProcessPolicy("127.0.0.1", 10 * MIB, 50_000, 5, trusts_everyone=False)

    def leftovers() -> list[str]:
        found = [e.name for e in os.scandir(folder / "instances") if e.name != ".bin"]
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(f"process {process.name}")
        return found

    async def opening() -> ContainerRuntime:
        return await open_process_runtime(folder, policy)

    return Ground("process", opening, leftovers, folder)


async def _docker_ground(folder: Path, probe_host: str = "") -> AsyncGenerator[Ground, None]:
    from aiodocker import Docker

    from docker_svc.adapters.container_runtime.docker import DockerRuntime
    from docker_svc.adapters.container_runtime.docker_config import (
        LABEL_INSTALLATION,
        ContainerPolicy,
    )

    installation = f"test{secrets.token_hex(4)}"
    policy = ContainerPolicy(installation, "127.0.0.1", "10m", 3)
    label = f"{LABEL_INSTALLATION}={installation}"

    async def opening() -> ContainerRuntime:
        return DockerRuntime(policy, ["10.215.0.0/16"], probe_host=probe_host)

    async with Docker() as engine:

        async def leftovers() -> list[str]:
            found = await engine.containers.list(all="true", filters=f'{{"label": ["{label}"]}}')
            volumes = await engine.volumes.list(  # type: ignore[no-untyped-call]
                filters={"label": [label]}
            )
            return [container.id for container in found] + (volumes["Volumes"] or [])

        try:
            kind = "docker elsewhere" if probe_host else "docker"
            yield Ground(kind, opening, leftovers, folder, image="busybox:latest")
        finally:
            for network in await engine.networks.list(filters={"label": label}):
                await (await engine.networks.get(network["Id"])).delete()


WITH_AN_ENGINE_ELSEWHERE = pytest.mark.parametrize(
    "ground",
    [
        "process",
        pytest.param("docker", marks=pytest.mark.real_docker),
        pytest.param("docker elsewhere", marks=pytest.mark.real_docker),
    ],
    indirect=True,
)


@pytest_asyncio.fixture(params=["process", pytest.param("docker", marks=pytest.mark.real_docker)])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    """Each kind of runtime, opened; fails where something is left of the instances afterwards."""
    if request.param == "process":
        async for checked in _checked(await _process_ground(tmp_path)):
            yield checked
    else:
        # As in a container, where the engine's host has a name and no port of it can be looked at.
        probe_host = "localhost" if request.param == "docker elsewhere" else ""
        async with aclosing(_docker_ground(tmp_path, probe_host)) as grounds:
            async for one in grounds:
                async for checked in _checked(one):
                    yield checked


async def _checked(ground: Ground) -> AsyncIterator[Ground]:
    await ground.up()
    try:
        yield ground
    finally:
        for standing in await ground.runtime.list_all():
            key = standing.key
            await ground.runtime.remove(key.allocation, key.generation)
        for volume in await ground.runtime.volumes.names():
            await ground.runtime.volumes.remove(volume)
        await ground.down()
    left = ground.leftovers()
    found = await left if asyncio.iscoroutine(left) else left
    assert not found, f"left over: {found}"


async def test_an_instance_is_made_started_and_found(ground: Ground) -> None:
    """What `ensure` answers is what `get` and `list_all` say."""
    key = new_key()
    port = PublishedPort(8080, free_port())
    made = await ground.run(key, ground.script(SLEEPS, port))
    assert made.key == key
    assert made.running
    assert made.run
    assert made.start_time is not None
    assert made.exit_code is None
    assert made.ports == (port,)
    assert await ground.runtime.get(key) == made
    assert await ground.runtime.list_all() == [made]


async def test_ensuring_twice_makes_one(ground: Ground) -> None:
    """The second call changes nothing, whatever its spec."""
    key = new_key()
    first = await ground.run(key, ground.script(SLEEPS))
    assert await ground.run(key, ground.script("exit 9")) == first
    await ground.runtime.stop(key, 5)
    again = await ground.run(key, ground.script(SLEEPS))
    assert not again.running
    assert again.run == first.run


async def test_a_program_that_stops_when_asked_keeps_its_exit_code(ground: Ground) -> None:
    """SIGTERM reaches the program, and its own end is what counts."""
    key = new_key()
    await ground.run(key, ground.script(SLEEPS))
    await _wrote_ready(ground, key)
    stopped = await ground.runtime.stop(key, 20)
    assert not stopped.running
    assert stopped.exit_code in (3, 143)
    if ground.name == "process":
        assert stopped.exit_code == 3
    assert stopped.finish_time is not None
    assert await ground.runtime.stop(key, 20) == stopped


@pytest.mark.parametrize("stop_signal", StopSignal)
async def test_a_program_is_asked_to_end_by_its_own_signal(
    ground: Ground, stop_signal: StopSignal
) -> None:
    """One that ends cleanly on that signal only does, also after it was started again."""
    key = new_key()
    others = [s.value.removeprefix("SIG") for s in StopSignal if s is not stop_signal]
    wanted = stop_signal.value.removeprefix("SIG")
    text = f"trap '' {' '.join(others)}; {SLEEPS.replace('TERM', wanted)}"
    spec = replace(ground.script(text), stop_signal=stop_signal)
    await ground.run(key, spec)
    await _wrote_ready(ground, key)
    assert (await ground.runtime.stop(key, 20)).exit_code == 3
    await ground.runtime.start(key, spec)
    await _wrote_ready(ground, key, incarnation=2)
    assert (await ground.runtime.stop(key, 20)).exit_code == 3


async def test_a_program_that_does_not_stop_is_killed_after_the_grace(ground: Ground) -> None:
    """What it started is killed with it."""
    key = new_key()
    await ground.run(key, ground.script(f"sleep 1000 & {STUBBORN}"))
    await _wrote_ready(ground, key)
    stopped = await ground.runtime.stop(key, 1)
    assert not stopped.running
    assert stopped.exit_code == 137


async def test_the_exit_code_of_a_program_is_told(ground: Ground) -> None:
    """An end by itself is an event, and its code is known."""
    key = new_key()
    await ground.run(key, ground.script("sleep 0.2; exit 42"))
    ended = await ground.ended(key)
    assert not ended.running
    assert ended.exit_code == 42
    assert not ended.out_of_memory
    assert ended.finish_time is not None


async def test_a_program_that_takes_too_much_memory_is_ended_and_said_to_be(
    ground: Ground,
) -> None:
    """The limit of memory holds."""
    key = new_key()
    hungry = 'x=aaaaaaaaaaaaaaaa; while :; do x="$x$x"; done'
    await ground.run(key, ground.script(hungry, memory=32 * MIB))
    ended = await ground.ended(key)
    assert ended.exit_code not in (0, None)
    if ground.name == "docker":
        assert ended.out_of_memory


async def test_a_started_program_has_another_run(ground: Ground) -> None:
    """Each start is told from every other; a running one is left alone."""
    key = new_key()
    spec = ground.script(SLEEPS)
    first = await ground.run(key, spec)
    await ground.runtime.stop(key, 0)
    second = await ground.runtime.start(key, spec)
    assert second.running
    assert second.run != first.run
    assert second.exit_code is None
    assert await ground.runtime.start(key, spec) == second


async def test_files_of_an_instance_survive_its_restart(ground: Ground) -> None:
    """What it wrote at its place is there when it starts again."""
    key = new_key()
    spec = ground.script('if [ -f "$HOME/mark" ]; then exit 5; fi; echo 1 > "$HOME/mark"; exit 4')
    await ground.run(key, spec)
    assert (await ground.ended(key)).exit_code == 4
    ground.events.seen.clear()
    await ground.runtime.start(key, spec)
    assert (await ground.ended(key)).exit_code == 5


MARKS = 'for d in {}; do [ -f "$d/mark" ] && exit 5; done; for d in {}; do echo 1 > "$d/mark"; done; exit 4'
BOTH = '"$ALLOCATOR_VOLUME_1" "$ALLOCATOR_VOLUME_2"'


async def _exit_code(ground: Ground, key: InstanceKey, spec: InstanceSpec) -> int | None:
    """Runs an instance, new or not, to its end."""
    there = await ground.runtime.get(key)
    began = await (ground.run(key, spec) if there is None else ground.runtime.start(key, spec))
    while began.running:
        # An end of the start before may be told only now.
        ground.events.seen.clear()
        now = await ground.runtime.get(key)
        assert now is not None
        began = await ground.ended(key) if now.running else now
    return began.exit_code


async def test_what_is_in_a_volume_outlasts_instances(
    ground: Ground,
) -> None:
    """Started again, made again, opened again; each volume and each allocation has its own."""
    first, other = new_key(), new_key()
    second = replace(first, generation=2)
    spec = replace(
        ground.script(MARKS.format(BOTH, BOTH)),
        volumes=(Volume("/data", 64), Volume("/var/lib/tool/files", 64)),
    )
    assert await _exit_code(ground, first, spec) == 4
    assert await _exit_code(ground, first, spec) == 5
    assert await _exit_code(ground, other, spec) == 4
    await ground.runtime.remove(first.allocation, 1)
    assert await _exit_code(ground, second, spec) == 5
    await ground.down()
    await ground.up()
    assert await _exit_code(ground, second, spec) == 5
    await ground.runtime.remove(first.allocation, 2)
    for volume in (f"{first.allocation_id}-v1", f"{first.allocation_id}-v2"):
        assert volume in await ground.runtime.volumes.names()
        await ground.runtime.volumes.remove(volume)
        await ground.runtime.volumes.remove(volume)
    assert await _exit_code(ground, replace(first, generation=3), spec) == 4
    assert await _exit_code(ground, other, spec) == 5


async def test_an_instance_gets_the_volume_that_its_spec_names(ground: Ground) -> None:
    """That of another allocation, say: with all that is in it, for whoever the program runs as."""
    first, other = new_key(), new_key()
    text = MARKS.format('"$ALLOCATOR_VOLUME_1"', '"$ALLOCATOR_VOLUME_1"')
    spec = replace(ground.script(text), volumes=(Volume("/data", 1),))
    assert await _exit_code(ground, first, spec) == 4
    await ground.runtime.remove(first.allocation, 1)
    taken = Volume("/elsewhere", 1, f"{first.allocation_id}-v1")
    assert await _exit_code(ground, other, replace(spec, volumes=(taken,))) == 5
    assert await ground.runtime.volumes.names() == [taken.volume]


@pytest.mark.parametrize("path", ["/data", "/var/lib/tool/data", "/tmp/a/b", "/home/tool", "/opt"])
async def test_a_volume_is_at_its_path(ground: Ground, path: str) -> None:
    """In a container, and in a sandbox; without one the environment alone says where it is."""
    key = new_key()
    check = f'[ "$ALLOCATOR_VOLUME_1" = {path} ] || exit 6; echo a > {path}/x && [ -w {path} ] && exit 4'
    spec = replace(ground.script(check), volumes=(Volume(path, 1),))
    apart = "sandbox" in (await ground.runtime.node()).isolation or ground.name == "docker"
    assert await _exit_code(ground, key, spec) == (4 if apart else 6)
    assert not Path(path, "x").exists(), "nothing of it is on the host"


@pytest.mark.parametrize("run_as", ["1000:1000", "1000", "nobody", "nobody:nogroup", "0:0"])
async def test_whoever_the_program_runs_as_can_write_into_a_volume(
    ground: Ground, run_as: str
) -> None:
    """Also where the image has no such folder, and when it is made again."""
    key = new_key()
    text = MARKS.format('"$ALLOCATOR_VOLUME_1"', '"$ALLOCATOR_VOLUME_1"')
    spec = replace(ground.script(text), volumes=(Volume("/srv/some/data", 1),), run_as=run_as)
    assert await _exit_code(ground, key, spec) == 4
    await ground.runtime.remove(key.allocation, 1)
    assert await _exit_code(ground, replace(key, generation=2), spec) == 5


async def test_the_rest_of_the_host_stays_read_only_beside_a_volume(ground: Ground) -> None:
    """What had to be added for its path takes nothing from the programs, and gives nothing to write."""
    key = new_key()
    check = "touch /x /var/lib/x 2>/dev/null; [ -x /bin/sh ] && [ -r /etc/passwd ] && exit 4"
    spec = replace(ground.script(check), volumes=(Volume("/data", 1), Volume("/var/lib/a/b", 1)))
    assert await _exit_code(ground, key, spec) == 4
    assert not Path("/x").exists()
    assert not Path("/var/lib/x").exists()


@pytest.mark.real_docker
@pytest.mark.parametrize("ground", ["docker"], indirect=True)
async def test_a_volume_of_somebody_else_is_neither_used_nor_removed(ground: Ground) -> None:
    """Whatever its name is."""
    from aiodocker import Docker

    key = new_key()
    name = f"allocator-{key.allocation_id}-v1"
    spec = replace(ground.script("exit 4"), volumes=(Volume("/data", 1),))
    async with Docker() as engine:
        theirs = await engine.volumes.create(  # type: ignore[no-untyped-call]
            {"Name": name, "Labels": {"allocator.allocation": "x"}}
        )
        try:
            with pytest.raises(EngineRefused, match=name):
                await ground.run(key, spec)
            assert await ground.runtime.get(key) is None
            await ground.runtime.remove(key.allocation, 1)
            await ground.runtime.volumes.remove(f"{key.allocation_id}-v1")
            assert await ground.runtime.volumes.names() == []
            assert (await theirs.show())["Name"] == name
        finally:
            await theirs.delete()


async def test_removing_leaves_nothing(ground: Ground) -> None:
    """Process, files and port are gone when `remove` returns; twice is once."""
    key, port = new_key(), free_port()
    await ground.run(key, ground.web_server(port))
    standing = await ground.runtime.get(key)
    assert standing is not None
    await _answers(ground, standing)
    await ground.runtime.remove(key.allocation, key.generation)
    assert await ground.runtime.get(key) is None
    assert await ground.runtime.list_all() == []
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))
    await ground.runtime.remove(key.allocation, key.generation)
    await ground.events.until(InstanceChanged(key, "removed"))


async def test_removing_spares_higher_generations_and_other_allocations(ground: Ground) -> None:
    """Only what was named goes."""
    old, other = new_key(), new_key()
    new = replace(old, generation=2)
    for key in (old, new, other):
        await ground.run(key, ground.script(SLEEPS))
    await ground.runtime.remove(old.allocation, 1)
    assert {s.key for s in await ground.runtime.list_all()} == {new, other}
    await ground.runtime.remove(old.allocation, 7)
    assert {s.key for s in await ground.runtime.list_all()} == {other}


async def test_instances_survive_reopening(ground: Ground) -> None:
    """A later process finds them, running or ended meanwhile, and can stop them."""
    runs, ends = new_key(), new_key()
    running = await ground.run(runs, ground.script(SLEEPS))
    await ground.run(ends, ground.script("sleep 0.3; exit 6"))
    await ground.down()
    await ground.up()
    found = {s.key: s for s in await ground.runtime.list_all()}
    assert found[runs] == running
    if found[ends].running:
        found[ends] = await ground.ended(ends)
    assert found[ends].exit_code == 6
    assert not (await ground.runtime.stop(runs, 0)).running


async def test_the_program_has_its_variables_and_nothing_of_ours(ground: Ground) -> None:
    """Its environment is its own."""
    key = new_key()
    os.environ["NOT_FOR_INSTANCES"] = "secret"
    try:
        check = '[ "$GREETING" = "good morning" ] && [ -z "$NOT_FOR_INSTANCES" ] && exit 8; exit 9'
        spec = replace(ground.script(check), environment={"GREETING": "good morning"})
        await ground.run(key, spec)
        assert (await ground.ended(key)).exit_code == 8
    finally:
        del os.environ["NOT_FOR_INSTANCES"]


@WITH_AN_ENGINE_ELSEWHERE
async def test_a_published_port_answers_and_can_be_probed(ground: Ground) -> None:
    """At the node's address, and where `targets` says."""
    key, port = new_key(), free_port()
    standing = await ground.run(key, ground.web_server(port))
    await _answers(ground, standing)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert (await reader.readline()).startswith(b"HTTP/1.")
    writer.close()
    await writer.wait_closed()
    assert ground.runtime.targets(standing, 1) == [] or ground.name == "docker"
    if ground.name == "docker elsewhere":
        assert {target.host for target in ground.runtime.targets(standing, 8080)} == {"localhost"}


@WITH_AN_ENGINE_ELSEWHERE
async def test_a_taken_port_is_refused_and_nothing_remains(ground: Ground) -> None:
    """By `check`, which is cheap where it can look, and by `ensure` for who comes in between."""
    key = new_key()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = ground.script(SLEEPS, PublishedPort(8080, taken.getsockname()[1]))
        if ground.name == "docker elsewhere":
            await ground.runtime.check(spec)
        else:
            with pytest.raises(PortTaken):
                await ground.runtime.check(spec)
        if ground.name != "process":
            with pytest.raises(PortTaken):
                await ground.run(key, spec)
    assert await ground.runtime.get(key) is None


async def test_an_image_that_does_not_exist_is_said_so(ground: Ground) -> None:
    """With progress before, and nothing remains."""
    spec = replace(ground.script(SLEEPS), image="allocator.invalid/nothing:none")
    if ground.name == "process":
        with pytest.raises(NotRunnable):
            await ground.runtime.check(spec)
        return
    steps: list[Progress] = []
    key = new_key()
    with pytest.raises(ImageNotFound, match=r"allocator\.invalid/nothing:none"):
        await ground.runtime.ensure(key, spec, steps.append)
    assert "pulling" in steps[0].message
    assert await ground.runtime.get(key) is None


async def test_a_program_that_does_not_exist_is_refused_or_ends(ground: Ground) -> None:
    """Either the start fails and nothing remains, or it ends at once with 126 or 127."""
    key = new_key()
    spec = replace(ground.script(""), command=("/no/such/program",))
    try:
        await ground.run(key, spec)
    except ProgramNotStarted:
        assert await ground.runtime.get(key) is None
    else:
        assert (await ground.ended(key)).exit_code in (126, 127)


async def test_what_is_not_there_is_not_found(ground: Ground) -> None:
    """`get` says None; `start` and `stop` say so."""
    key = new_key()
    assert await ground.runtime.get(key) is None
    with pytest.raises(InstanceNotFound):
        await ground.runtime.stop(key, 1)
    with pytest.raises(InstanceNotFound):
        await ground.runtime.start(key, ground.script(SLEEPS))
    await ground.runtime.remove(key.allocation, 5)


async def test_use_is_measured_while_it_runs(ground: Ground) -> None:
    """Processor, memory and processes; the stream ends with the program."""
    key = new_key()
    spec = ground.script("trap 'exit 0' TERM; while :; do :; done")
    await ground.run(key, spec)
    async with asyncio.timeout(PATIENCE), aclosing(ground.runtime.stats(key)) as usages:
        usage = await anext(usages)
        assert usage.cpu_millis > 50
        assert usage.memory_bytes > 0
        assert usage.memory_limit_bytes == spec.limits.memory_bytes
        assert usage.pids >= 1
        await ground.runtime.stop(key, 0)
        async for _ in usages:
            pass


async def test_who_stops_looking_at_use_lets_go_of_it(ground: Ground, no_collector: None) -> None:
    """While the program runs on, no connection stays open behind who has gone."""
    key = new_key()
    await ground.run(key, ground.script(SLEEPS))
    before = _sockets()
    for _ in range(3):
        async with asyncio.timeout(PATIENCE), aclosing(ground.runtime.stats(key)) as usages:
            await anext(usages)
        # A connection is closed in the next turn of the loop.
        await asyncio.sleep(0.1)
    assert _sockets() <= before + 1


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing is let go of but by what refers to it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _sockets() -> int:
    """How many sockets this process has open."""
    count = 0
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(entry.readlink()).startswith("socket:")
    return count


async def test_many_at_once_are_made_and_removed(ground: Ground) -> None:
    """Twelve at a time, each with a port, and each removed by itself."""
    keys = [new_key() for _ in range(12)]
    specs = [ground.script(SLEEPS, PublishedPort(8080, free_port())) for _ in keys]
    made = await asyncio.gather(*map(ground.run, keys, specs))
    assert all(standing.running for standing in made)
    assert {s.key for s in await ground.runtime.list_all()} == set(keys)
    await asyncio.gather(*(ground.runtime.remove(key.allocation, 1) for key in keys))
    assert await ground.runtime.list_all() == []


async def test_a_cancelled_ensure_leaves_all_or_nothing(ground: Ground) -> None:
    """What is there afterwards was started; ensuring again makes it whole."""
    key = new_key()
    spec = ground.script(SLEEPS)
    making = asyncio.create_task(ground.run(key, spec))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    making.cancel()
    await asyncio.wait([making])
    standing = await ground.runtime.get(key)
    assert standing is None or standing.run
    assert (await ground.run(key, spec)).running


async def test_the_node_says_what_it_is(ground: Ground) -> None:
    """Capacity, and how far instances are kept apart."""
    capacity = await ground.runtime.node()
    assert capacity.cpu_millis >= 1000
    assert capacity.memory_bytes > 64 * MIB
    assert capacity.runs_images != capacity.runs_commands
    assert "kernel" in capacity.isolation
    assert capacity.runtime_version


@asynccontextmanager
async def _reading(ground: Ground) -> AsyncIterator[Logs]:
    """Reads logs, as the service does."""
    journal = FileLogJournal(ground.folder / "journal", JournalLimits())
    pump = Pump(SourceLimits(), structlog.get_logger())
    logs = Logs(journal, pump, SystemClock(), asyncio.Event())
    reading = asyncio.create_task(logs.run())
    try:
        async with asyncio.timeout(PATIENCE):
            await logs.writing()
            yield logs
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await logs.close()


async def _wrote_ready(ground: Ground, key: InstanceKey, incarnation: int = 1) -> None:
    """Waits until the script has set its trap: it says `ready` then, where `log_source` says."""
    standing = await ground.runtime.get(key)
    assert standing is not None
    async with _reading(ground) as logs:
        source = ground.runtime.log_source(standing)
        await logs.attach(key.allocation, 1, incarnation, source)
        await logs.matches(key.allocation, 1, incarnation, "^ready$")


async def _answers(ground: Ground, standing: Standing) -> None:
    """Waits until the web server of an instance answers both kinds of probes."""
    assert ground.runtime.targets(standing, 8080)
    async with _reading(ground) as logs:
        probing = Probing(ground.runtime, NetworkReadiness(), logs, SystemClock())
        for check in (TcpCheck(8080), HttpCheck(8080, "/")):
            assert await probing.until_ready(Probe(check, PATIENCE), standing, 1)


@pytest.mark.parametrize("ground", ["process"], indirect=True)
async def test_nothing_outlives_a_shim_that_somebody_kills_during_a_stop(ground: Ground) -> None:
    """Neither the program, which holds its port, nor what that has started."""
    key = new_key()
    await ground.run(key, ground.script("trap '' TERM; sleep 60 & echo ready; wait; wait"))
    shim = ProcessFolder.of(ground.folder / "instances", key).shim()
    assert shim is not None
    stopping = asyncio.create_task(ground.runtime.stop(key, 30.0))
    await asyncio.sleep(0.3)
    os.kill(shim.pid, signal.SIGKILL)
    standing = await stopping
    assert not standing.running
    assert members(shim.pid) == []
