"""Conformance of `RuntimeVolumes`: over processes always, over a real engine when asked."""

from __future__ import annotations

import asyncio
import io
import secrets
import tarfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from chassis.clock import SystemClock
from docker_svc.adapters.container_runtime.process import ProcessPolicy, open_process_runtime
from docker_svc.domain import (
    ArchiveInvalid,
    ArchiveUnsafe,
    InstanceKey,
    InstanceSpec,
    Limits,
    VolumeInUse,
    VolumeNotFound,
    VolumeTooLarge,
)
from docker_svc.domain import Volume as SpecVolume
from docker_svc.ports.container_runtime import ContainerRuntime
from docker_svc.usecases.volumes import Volumes

PATIENCE = 40.0
MIB = 1 << 20
FILES = {"a": b"one\n", "deep/er/b": b"x" * 70_000, "deep/empty": b"", "zeros": bytes(3 * MIB)}


@dataclass
class Ground:
    """A kind of runtime."""

    runtime: ContainerRuntime
    image: str = ""

    async def exit_code(self, key: InstanceKey, text: str, *volumes: SpecVolume) -> int | None:
        """Runs a shell script with volumes to its end; the instance stays."""
        spec = InstanceSpec(
            Limits(1000, 256 * MIB, 64),
            image=self.image,
            command=("sh", "-c", text),
            volumes=volumes,
        )
        await self.runtime.ensure(key, spec, lambda _: None)
        async with asyncio.timeout(PATIENCE), aclosing(self.runtime.events()) as events:
            while (standing := await self.runtime.get(key)) is None or standing.running:
                await anext(events)
        return standing.exit_code


async def _docker() -> tuple[Ground, str]:
    from docker_svc.adapters.container_runtime.docker import DockerRuntime
    from docker_svc.adapters.container_runtime.docker_config import ContainerPolicy

    installation = f"test{secrets.token_hex(4)}"
    policy = ContainerPolicy(installation, "127.0.0.1", "10m", 3)
    return Ground(DockerRuntime(policy, ["10.216.0.0/16"]), "busybox:latest"), installation


@pytest_asyncio.fixture(params=["process", pytest.param("docker", marks=pytest.mark.real_docker)])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    """Each kind of runtime; fails where something is left behind."""
    installation = ""
    if request.param == "process":
        policy = ProcessPolicy("127.0.0.1", 10 * MIB, 50_000, 5, trusts_everyone=False)
        one = Ground(await open_process_runtime(tmp_path, policy))
    else:
        one, installation = await _docker()
    try:
        yield one
        for standing in await one.runtime.list_all():
            await one.runtime.remove(standing.key.allocation, standing.key.generation)
        for volume in await one.runtime.volumes.names():
            await one.runtime.volumes.remove(volume)
    finally:
        await one.runtime.close()
    assert [f.name for f in (tmp_path / "instances").glob("*")] in ([], [".bin"])
    if installation:
        assert await _left_at_the_engine(installation) == []


async def _left_at_the_engine(installation: str) -> list[str]:
    from aiodocker import Docker

    label = f"allocator.installation={installation}"
    async with Docker() as engine:
        found = await engine.containers.list(all="true", filters=f'{{"label": ["{label}"]}}')
        held = await engine.volumes.list(filters={"label": [label]})  # type: ignore[no-untyped-call]
        for network in await engine.networks.list(filters={"label": label}):
            await (await engine.networks.get(network["Id"])).delete()
    return [container.id for container in found] + (held["Volumes"] or [])


def new_key() -> InstanceKey:
    return InstanceKey(f"allocations/{secrets.token_hex(6)}", 1)


def volumes(ground: Ground) -> Volumes:
    return Volumes(ground.runtime.volumes, SystemClock(), measure_seconds=60.0)


def new_id() -> str:
    return f"{secrets.token_hex(6)}-v1"


def packed(mode: str = "w:", **more: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o640, 1_600_000_000
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("deep/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../a"
        archive.addfile(link)
        same = tarfile.TarInfo("deep/same")
        same.type, same.linkname = tarfile.LNKTYPE, "a"
        archive.addfile(same)
        for entry in more.values():
            archive.addfile(entry)
    return out.getvalue()


async def pieces(data: bytes, size: int = 50_000) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def content(found: Volumes, volume: str) -> dict[str, bytes | str]:
    """What is in a volume, by its archive; the folder itself and folders as empty text."""
    data = b"".join([piece async for piece in found.export(volume)])
    read: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            file = archive.extractfile(entry) if entry.isreg() or entry.islnk() else None
            read[entry.name] = file.read() if file else entry.linkname
    return read


@pytest.mark.parametrize("mode", ["w:", "w:gz"])
async def test_an_archive_becomes_a_volume_and_comes_out_as_it_went_in(
    ground: Ground,
    mode: str,
) -> None:
    found, volume = volumes(ground), new_id()
    size = await found.fill(volume, 10 * MIB, pieces(packed(mode)))
    assert size == sum(map(len, FILES.values()))
    assert [held.volume for held in await found.list_all()] == [volume]
    read = await content(found, volume)
    assert {name: read[name] for name in FILES} == FILES
    assert (read["deep/link"], read["deep/same"]) == ("../a", FILES["a"])
    [held] = await found.measure([volume])
    assert held.size_bytes in range(size, size + 20_000)
    await found.remove(volume)
    assert await found.list_all() == []
    with pytest.raises(VolumeNotFound):
        await content(found, volume)


async def test_a_program_finds_what_was_filled_in(ground: Ground) -> None:
    found, volume, key = volumes(ground), new_id(), new_key()
    await found.fill(volume, 10 * MIB, pieces(packed()))
    text = (
        'cd "$ALLOCATOR_VOLUME_1" && [ "$(cat deep/link)" = one ] && echo two > b && '
        "echo more >> a && exit 4"
    )
    assert await ground.exit_code(key, text, SpecVolume("/data", 1, volume)) == 4
    assert (await content(found, volume))["b"] == b"two\n", "also while the instance is there"


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


UNSAFE = {
    "absolute": [entry("/etc/x")],
    "up": [entry("x/../../y")],
    "device": [entry("null", tarfile.CHRTYPE)],
    "pipe": [entry("pipe", tarfile.FIFOTYPE)],
    "link out": [entry("l", tarfile.SYMTYPE, "/etc")],
    "link up": [entry("d/l", tarfile.SYMTYPE, "../../x")],
    "link through": [entry("l", tarfile.SYMTYPE, "deep"), entry("l/x")],
    "link twice": [entry("l", tarfile.SYMTYPE, "deep"), entry("l")],
    "same out": [entry("h", tarfile.LNKTYPE, "/etc/passwd")],
    "same up": [entry("h", tarfile.LNKTYPE, "../x")],
}


@pytest.mark.parametrize("name", UNSAFE)
async def test_an_unsafe_archive_leaves_nothing(ground: Ground, name: str) -> None:
    found, volume = volumes(ground), new_id()
    data = packed(**{str(n): one for n, one in enumerate(UNSAFE[name])})
    with pytest.raises(ArchiveUnsafe):
        await found.fill(volume, 10 * MIB, pieces(data))
    assert await found.list_all() == []


BROKEN = {
    "nothing": b"",
    "no archive": b"hello" * 1000,
    "broken off": packed()[:200_000],
    "without end": packed().rstrip(b"\0"),
    "gzip broken off": packed("w:gz")[:-100],
    "gzip broken": packed("w:gz")[:200] + b"x" * 2000,
    "file as folder": packed(**{"0": entry("a/x")}),
    "same as nothing": packed(**{"0": entry("h", tarfile.LNKTYPE, "gone")}),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_archive_leaves_nothing(ground: Ground, name: str) -> None:
    found, volume = volumes(ground), new_id()
    with pytest.raises(ArchiveInvalid):
        await found.fill(volume, 10 * MIB, pieces(BROKEN[name]))
    assert await found.list_all() == []


async def test_an_archive_that_holds_too_much_leaves_nothing(ground: Ground) -> None:
    found, volume = volumes(ground), new_id()
    with pytest.raises(VolumeTooLarge):
        await found.fill(volume, 3 * MIB, pieces(packed("w:gz")))
    assert await found.list_all() == []


async def test_a_volume_is_not_filled_twice(ground: Ground) -> None:
    found, volume = volumes(ground), new_id()
    await found.fill(volume, 10 * MIB, pieces(packed()))
    with pytest.raises(VolumeInUse):
        await found.fill(volume, 10 * MIB, pieces(packed()))
    assert "a" in await content(found, volume)


async def test_whoever_goes_away_in_the_middle_leaves_nothing(ground: Ground) -> None:
    found, volume = volumes(ground), new_id()
    waits = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield packed()[:100_000]
        waits.set()
        await asyncio.Event().wait()

    filling = asyncio.ensure_future(found.fill(volume, 10 * MIB, half()))
    async with asyncio.timeout(30):
        await waits.wait()
        assert await found.list_all() == []
        filling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await filling
    assert await found.list_all() == []
    await found.fill(volume, 10 * MIB, pieces(packed()))


async def test_a_reader_that_goes_away_leaves_nothing_behind(ground: Ground) -> None:
    found, volume = volumes(ground), new_id()
    await found.fill(volume, 10 * MIB, pieces(packed()))
    async with aclosing(found.export(volume)) as export:
        assert await anext(export)
    assert "a" in await content(found, volume)


async def test_what_cannot_leave_safely_is_left_out_and_named(ground: Ground) -> None:
    found, key = volumes(ground), new_key()
    text = (
        'cd "$ALLOCATOR_VOLUME_1" && mkfifo pipe && ln -s /etc/passwd out && ln -s kept in && '
        "echo hi > kept && exit 4"
    )
    assert await ground.exit_code(key, text, SpecVolume("/data", 1)) == 4
    read = await content(found, f"{key.allocation_id}-v1")
    assert (read["kept"], read["in"]) == (b"hi\n", "kept")
    assert not {"pipe", "out"} & set(read)
    left_out = read[".allocator-left-out.txt"]
    assert isinstance(left_out, bytes)
    assert b"pipe" in left_out
    assert b"/etc/passwd" in left_out
