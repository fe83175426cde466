"""The folder of one process: what is written there, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from docker_svc.adapters.container_runtime.shim import (
    descendants,
    private_bytes,
    start_ticks,
    write_whole,
)
from docker_svc.domain import InstanceKey, InstanceSpec, Protocol, PublishedPort, Standing

_NAME = re.compile(r"([a-z0-9]{4,32})-g([1-9][0-9]{0,9})")
KILLED = 137
"""The exit code of a program whose shim was killed with it: 128 + SIGKILL."""


@dataclass(frozen=True, slots=True)
class Shim:
    """A shim that was started.

    Attributes:
        pid: its process.
        ticks: when that began: a later process with the same number has another value.
        run: the start that it serves.
        started_ns: when that was, in nanoseconds since 1970.
    """

    pid: int
    ticks: int
    run: str
    started_ns: int

    def lives(self) -> bool:
        """Whether that very process is there."""
        try:
            return start_ticks(self.pid) == self.ticks
        except (OSError, IndexError, ValueError):
            return False

    def used(self) -> tuple[int, int, int]:
        """Processor ticks, bytes and threads of all below it."""
        ticks = memory = threads = 0
        for pid in descendants(self.pid):
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
                ticks += sum(int(field) for field in fields[11:15])
                threads += int(fields[17])
                memory += private_bytes(pid)
        return ticks, memory, threads


class ProcessFolder:
    """The folder of one instance."""

    def __init__(self, path: Path) -> None:
        """Keeps the path, `<data folder>/instances/7f3k2m9q-g1`."""
        self.path = path
        self.files = path / "files"

    @classmethod
    def of(cls, root: Path, key: InstanceKey) -> ProcessFolder:
        """The folder of a key, there or not."""
        return cls(root / f"{key.allocation_id}-g{key.generation}")

    @staticmethod
    def all(root: Path) -> list[tuple[InstanceKey, ProcessFolder]]:
        """Every folder that was made to its end."""
        return [
            (key, folder) for key, folder in ProcessFolder.whole_or_not(root) if folder.exists()
        ]

    @staticmethod
    def whole_or_not(root: Path) -> list[tuple[InstanceKey, ProcessFolder]]:
        """Every folder by its name, also what is left of one that somebody has deleted by hand."""
        found = []
        for entry in os.scandir(root):
            if name := _NAME.fullmatch(entry.name):
                key = InstanceKey(f"allocations/{name[1]}", int(name[2]))
                found.append((key, ProcessFolder(Path(entry.path))))
        return found

    def exists(self) -> bool:
        """Whether it was made to its end."""
        return (self.path / "instance.json").is_file()

    def make(self, spec: InstanceSpec, uid: int) -> None:
        """Makes the folder, all or nothing.

        Args:
            spec: whose ports and limit of memory are written down, and nothing else: no secrets.
            uid: who owns `files`; 0 for the present user.
        """
        coming = self.path.with_name(f".{self.path.name}.new")
        coming.mkdir(mode=0o711, exist_ok=True)
        (coming / "files").mkdir(mode=0o700, exist_ok=True)
        (coming / "files" / "tmp").mkdir(mode=0o700, exist_ok=True)
        if uid:
            os.chown(coming / "files", uid, uid)
            os.chown(coming / "files" / "tmp", uid, uid)
        told = {
            "uid": uid,
            "memory_bytes": spec.limits.memory_bytes,
            "ports": [[p.container_port, p.host_port, p.protocol.value] for p in spec.ports],
        }
        write_whole(str(coming / "instance.json"), told)
        coming.rename(self.path)

    def uid(self) -> int:
        """The user of the instance; 0 for the allocator's own."""
        return int((self._read("instance.json") or {}).get("uid", 0))

    def limit_memory(self, memory_bytes: int) -> None:
        """Writes another limit down, for who asks what is used."""
        told = self._read("instance.json")
        if told is not None and told.get("memory_bytes") != memory_bytes:
            write_whole(str(self.path / "instance.json"), {**told, "memory_bytes": memory_bytes})

    def memory_limit(self) -> int:
        """The most memory that the instance may use, in bytes."""
        return int((self._read("instance.json") or {}).get("memory_bytes", 0))

    def shim(self) -> Shim | None:
        """The shim that was started last; None before the first."""
        told = self._read("run.json")
        if told is None:
            return None
        return Shim(told["shim"], told["shim_ticks"], told["run"], told["started_ns"])

    def order_stop(self, grace: float) -> None:
        """Leaves the grace for the shim, which reads it at SIGTERM."""
        write_whole(str(self.path / "stop.json"), {"grace": grace})

    def standing(self, key: InstanceKey) -> Standing | None:
        """What is so; None where the folder is not there."""
        about = self._read("instance.json")
        if about is None:
            return None
        ports = tuple(PublishedPort(c, h, Protocol(p)) for c, h, p in about["ports"])
        name = self.path.name
        shim = self.shim()
        if shim is None:
            return Standing(key, name, running=False, ports=ports)
        began = _instant(shim.started_ns)
        lives = shim.lives()
        # Read after that question: a shim writes the end down before it ends itself.
        end = self._read("exit.json")
        if end is None or end["run"] != shim.run:
            if lives:
                return Standing(
                    key, name, running=True, run=shim.run, start_time=began, ports=ports
                )
            # Killed together with its program, or the machine went down: nobody saw when.
            end = {
                "run": shim.run,
                "code": KILLED,
                "out_of_memory": False,
                "finished_ns": max(shim.started_ns, self._last_sign()),
            }
            write_whole(str(self.path / "exit.json"), end)
        return Standing(
            key,
            name,
            running=False,
            run=shim.run,
            start_time=began,
            finish_time=_instant(end["finished_ns"]),
            exit_code=end["code"],
            out_of_memory=end["out_of_memory"],
            ports=ports,
        )

    def _last_sign(self) -> int:
        try:
            return (self.path / "log.json").stat().st_mtime_ns
        except OSError:
            return 0

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = orjson.loads((self.path / name).read_bytes())
        except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
            return None
        return found


async def remove_folder(path: Path) -> None:
    """Removes a folder and all that is in it: at once by its name, so that a crash leaves no half of it."""
    going = path.with_name(f".{path.name}.gone")
    with contextlib.suppress(FileNotFoundError):
        path.rename(going)
    await asyncio.to_thread(shutil.rmtree, going, ignore_errors=True)


def _instant(nanoseconds: int) -> datetime:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000_000 * 1000)
