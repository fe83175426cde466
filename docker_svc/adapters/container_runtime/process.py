"""Instances as local processes, each under a shim of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import platform
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from docker_svc.adapters.container_runtime import shim as shim_module
from docker_svc.adapters.container_runtime.boot import boot_id
from docker_svc.adapters.container_runtime.disk import disk_of
from docker_svc.adapters.container_runtime.folder_parts import in_thread
from docker_svc.adapters.container_runtime.ports_check import answers_at, check_ports
from docker_svc.adapters.container_runtime.process_end import end_program
from docker_svc.adapters.container_runtime.process_folder import ProcessFolder, remove_folder
from docker_svc.adapters.container_runtime.process_volumes import VolumeFolders
from docker_svc.adapters.container_runtime.process_watch import EndWatch
from docker_svc.adapters.container_runtime.sandbox import (
    Isolation,
    find_isolation,
    interpreter,
    places_in_sandbox,
    sandbox_command,
)
from docker_svc.domain import (
    Capacity,
    EngineRefused,
    EngineUnavailable,
    InstanceKey,
    InstanceNotFound,
    InstanceSpec,
    NotRunnable,
    ProgramNotStarted,
    Progress,
    Protocol,
    Standing,
    StopSignal,
    Target,
    Usage,
)
from docker_svc.ports.container_runtime import EngineAvailable, InstanceChanged, RuntimeEvent
from docker_svc.ports.logs import LogSource

_SHIM = Path(shim_module.__file__).resolve()
_BEGIN_SECONDS = 20.0
_USAGE_SECONDS = 2.0
_UIDS = 10_000
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """What every process of this installation has in common.

    Attributes:
        bind_address: the address of this host that ports are probed and found free at,
            and that programs are asked to listen on, by `ALLOCATOR_BIND_ADDRESS`.
        log_max_bytes: when a log file is turned over.
        first_uid: the first of 10,000 user ids for instances, taken when run as root; 0 for none.
        nice: how much less important than the allocator instances are, 0 to 19.
        trusts_everyone: whether all may rent although instances could read the allocator's files.
    """

    bind_address: str
    log_max_bytes: int
    first_uid: int
    nice: int
    trusts_everyone: bool


class ProcessRuntime:
    """Runs commands as processes of this host; opened by `open_process_runtime`."""

    name = "process"

    def __init__(
        self, root: Path, hidden: Sequence[Path], policy: ProcessPolicy, isolation: Isolation
    ) -> None:
        """Keeps the folder of folders, which is there, what is hidden, and what this machine offers."""
        self._hidden = hidden
        self._root = root
        self._policy = policy
        self._isolation = isolation
        self._watch = EndWatch(root)
        self.volumes = self._volumes = VolumeFolders(root)
        self._programs = root / ".bin"

    async def check(self, spec: InstanceSpec) -> None:
        """Looks whether there is a command, and whether its ports are free."""
        if spec.image or not spec.command:
            raise NotRunnable(
                "This installation runs commands without containers, and the machine needs its image."
            )
        check_ports(self._policy.bind_address, spec)

    async def ensure(
        self, key: InstanceKey, spec: InstanceSpec, progress: Callable[[Progress], None]
    ) -> Standing:
        """Makes the folder and starts the command."""
        del progress  # nothing is fetched
        folder = ProcessFolder.of(self._root, key)
        standing = folder.standing(key)
        if standing is not None and standing.run:
            return standing
        if standing is None:
            uid = await self._ready_volumes(key, spec)
            self._made(lambda: folder.make(spec, uid))
        try:
            return await self._begin(key, folder, spec)
        except (ProgramNotStarted, EngineRefused):
            await remove_folder(folder.path)
            raise

    async def start(self, key: InstanceKey, spec: InstanceSpec) -> Standing:
        """Starts the command again, in the same folder."""
        folder = ProcessFolder.of(self._root, key)
        standing = folder.standing(key)
        if standing is None:
            raise _not_found(key)
        if standing.running:
            return standing
        check_ports(self._policy.bind_address, spec)
        folder.limit_memory(spec.limits.memory_bytes)
        return await self._begin(key, folder, spec)

    async def _begin(self, key: InstanceKey, folder: ProcessFolder, spec: InstanceSpec) -> Standing:
        task = asyncio.ensure_future(self._run_shim(key, folder, spec))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()
            raise
        self._watch.add(key, folder)
        standing = folder.standing(key)
        if standing is None:
            raise EngineRefused("The folder of the instance was removed while it was started.")
        return standing

    async def _run_shim(self, key: InstanceKey, folder: ProcessFolder, spec: InstanceSpec) -> None:
        try:
            # No preexec_fn: CPython then uses vfork, which is safe beside the threads of gRPC.
            process = await asyncio.create_subprocess_exec(
                str(interpreter()),
                "-I",
                "-S",
                str(_SHIM),
                "run",
                str(folder.path),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            )
        except OSError as error:
            raise EngineUnavailable(
                f"No process can be started: {error.strerror}.", retry_after=5.0
            ) from error
        try:
            async with asyncio.timeout(_BEGIN_SECONDS):
                told, _ = await process.communicate(orjson.dumps(self._orders(key, folder, spec)))
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise EngineRefused("The process was not started in time.") from error
        report = orjson.loads(told or b'{"failure": "the shim has ended"}')
        if "failure" in report:
            if report.get("number") == errno.ENOSPC:
                raise EngineUnavailable("The disk is full.", retry_after=30.0)
            raise ProgramNotStarted(
                f"The program cannot be started: {report['failure']}. Correct the machine's command."
            )

    def _orders(
        self, key: InstanceKey, folder: ProcessFolder, spec: InstanceSpec
    ) -> dict[str, object]:
        sandboxed = bool(self._isolation.bwrap)
        volumes = self._volumes.of(key.allocation, spec)
        if sandboxed:
            paths = [volume.path for volume in spec.volumes]
            volumes = places_in_sandbox(volumes, paths, (self._programs, _SHIM, folder.files))
        environment = {
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            **spec.environment,
            **{f"ALLOCATOR_VOLUME_{n}": str(place) for n, (_, place) in enumerate(volumes, 1)},
            # It has no network of its own: whatever it listens on is open to whoever reaches that.
            "ALLOCATOR_BIND_ADDRESS": self._policy.bind_address,
            "PATH": f"{self._programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder.files),
            "TMPDIR": "/tmp" if sandboxed else str(folder.files / "tmp"),  # noqa: S108 - its own
        }
        if spec.ports:
            environment["PORT"] = str(spec.ports[0].host_port)
        return {
            "command": list(spec.command),
            "environment": environment,
            "directory": str(folder.files),
            "uid": folder.uid(),
            "pids": spec.limits.pids,
            "memory_bytes": spec.limits.memory_bytes,
            "nice": self._policy.nice,
            "stop_signal": (spec.stop_signal or StopSignal.SIGTERM).value,
            "log_bytes": self._policy.log_max_bytes,
            "sandbox": sandbox_command(
                self._isolation.bwrap,
                shim=_SHIM,
                programs=self._programs,
                hidden=self._hidden,
                files=folder.files,
                volumes=volumes,
            )
            if sandboxed
            else [],
        }

    async def stop(self, key: InstanceKey, grace: float) -> Standing:
        """Has the shim stop its program."""
        folder = ProcessFolder.of(self._root, key)
        if folder.exists():
            await end_program(folder, grace)
        standing = folder.standing(key)
        if standing is None:
            raise _not_found(key)
        return standing

    async def remove(self, allocation: str, generation: int) -> None:
        """Kills processes and deletes folders, whatever somebody has left of them."""
        for key, folder in ProcessFolder.whole_or_not(self._root):
            if key.allocation != allocation:
                continue
            if key.generation > generation:
                continue
            await end_program(folder, 0.0)
            await remove_folder(folder.path)
            self._watch.removed(key)

    async def get(self, key: InstanceKey) -> Standing | None:
        """Reads the folder."""
        return ProcessFolder.of(self._root, key).standing(key)

    async def list_all(self) -> list[Standing]:
        """Reads every folder."""
        found = []
        for key, folder in ProcessFolder.all(self._root):
            standing = folder.standing(key)
            if standing is not None:
                found.append(standing)
                if standing.running:
                    self._watch.add(key, folder)
        return found

    async def events(self) -> AsyncGenerator[RuntimeEvent, None]:
        """Ends of shims, as the kernel tells them."""
        yield EngineAvailable(available=True, session=boot_id())
        async for key, change in self._watch.changes():
            yield InstanceChanged(key, change)

    def targets(self, standing: Standing, container_port: int) -> list[Target]:
        """The port of the host that the program listens on by itself."""
        host = answers_at(self._policy.bind_address)
        return [
            Target(host, port.host_port, direct=True)
            for port in standing.ports
            if port.container_port == container_port and port.protocol is Protocol.TCP
        ]

    def log_source(self, standing: Standing) -> LogSource:
        """The file that the shim writes."""
        folder = ProcessFolder.of(self._root, standing.key)
        shim = folder.shim()
        return LogSource(
            kind="file",
            instance=standing.name,
            address=str(folder.path / "log.json"),
            running=standing.running,
            started_ns=shim.started_ns if shim else 0,
        )

    async def stats(self, key: InstanceKey) -> AsyncGenerator[Usage, None]:
        """Adds up what the kernel says of the processes below the shim."""
        folder = ProcessFolder.of(self._root, key)
        limit = folder.memory_limit()
        last_ticks, last_time = 0, 0.0
        shim = folder.shim()
        while shim is not None and shim.lives() and folder.standing(key) is not None:
            ticks, memory, threads = shim.used()
            now = time.monotonic()
            if last_time:
                millis = round(1000 * max(0, ticks - last_ticks) / _TICKS / (now - last_time))
                yield Usage(
                    time=datetime.now(UTC).replace(microsecond=0),
                    cpu_millis=millis,
                    memory_bytes=memory,
                    memory_limit_bytes=limit,
                    received_bytes=0,
                    sent_bytes=0,
                    pids=threads,
                )
            pause = _USAGE_SECONDS if last_time else 0.2
            last_ticks, last_time = ticks, now
            await asyncio.sleep(pause)

    async def node(self) -> Capacity:
        """Asks the kernel."""
        return Capacity(
            runtime_version=f"processes of {platform.system()} {platform.release()}",
            cpu_millis=len(os.sched_getaffinity(0)) * 1000,
            memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            disk_bytes=disk_of(self._root),
            runs_images=False,
            runs_commands=True,
            admins_only=not (self._isolation.keeps_secrets or self._policy.trusts_everyone),
            isolation=self._isolation.in_words(),
        )

    async def pull(self, image: str) -> AsyncGenerator[Progress, None]:
        """There are no images here."""
        raise NotRunnable(
            f"This installation runs without containers and cannot fetch {image}.", image=image
        )
        yield  # makes it a generator

    async def close(self) -> None:
        """Lets go of the watches; processes go on."""
        self._watch.close()

    async def _ready_volumes(self, key: InstanceKey, spec: InstanceSpec) -> int:
        """Makes the volumes, which stay with the user who has them already, and says who that is."""
        owner = self._volumes.owner(key.allocation, spec) if self._isolation.own_uids else 0
        uid = owner or self._free_uid()
        if spec.volumes:
            # One may have a million files to be given to that user.
            await in_thread(self._made, lambda: self._volumes.make(key.allocation, spec, uid))
        return uid

    def _free_uid(self) -> int:
        if not self._isolation.own_uids:
            return 0
        taken = {folder.uid() for _, folder in ProcessFolder.all(self._root)}
        taken |= self._volumes.owners()
        if len(taken) >= _UIDS // 2:
            raise EngineRefused("As many processes run as there are user ids for them.")
        # At random: another installation on this machine has the same range, and the kernel counts
        # all processes of a user together.
        while (uid := self._policy.first_uid + secrets.randbelow(_UIDS)) in taken:
            pass
        return uid

    def _made(self, make: Callable[[], None]) -> None:
        try:
            make()
        except OSError as error:
            raise EngineUnavailable(
                f"The instance's folder cannot be made: {error.strerror}.", retry_after=10.0
            ) from error


async def open_process_runtime(
    folder: Path, policy: ProcessPolicy, also_hidden: Sequence[Path] = ()
) -> ProcessRuntime:
    """Opens the runtime over the folders of a former process, and finds out what can be isolated.

    Args:
        folder: instances are in `instances` there, and see nothing else of it.
        policy: what all processes have in common.
        also_hidden: other folders of which they see nothing.
    """
    folder = folder.resolve()
    ours = {folder, *(other.resolve() for other in also_hidden)}
    hidden = sorted(one for one in ours if not ours & set(one.parents))
    root = folder / "instances"
    programs = root / ".bin"
    programs.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in ("python", "python3"):
        link = programs / name
        if not link.is_symlink() or link.readlink() != interpreter():
            link.unlink(missing_ok=True)
            link.symlink_to(interpreter())
    for entry in os.scandir(root):
        # Made half, or removed half, when the last process was killed.
        if entry.name.startswith(".") and entry.name.endswith((".new", ".gone")):
            await asyncio.to_thread(shutil.rmtree, entry.path, ignore_errors=True)
    isolation = await find_isolation(folder, hidden, _SHIM, programs, policy.first_uid)
    return ProcessRuntime(root, hidden, policy, isolation)


def _not_found(key: InstanceKey) -> InstanceNotFound:
    return InstanceNotFound(
        f"There is no instance {key.generation} of {key.allocation}; ask for it to be made.",
        allocation=key.allocation,
    )
