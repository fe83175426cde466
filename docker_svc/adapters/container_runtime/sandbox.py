"""How far processes can be kept from each other and from the host on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from docker_svc.adapters.container_runtime.process_end import clear_session
from docker_svc.domain import EngineUnavailable

_PROBE_SECONDS = 10.0
_HIDDEN = ("/root", "/home", "/run", "/var/run", "/var/lib/docker", "/tmp", "/var/tmp", "/mnt")  # noqa: S108


@dataclass(frozen=True, slots=True)
class Isolation:
    """What this machine offers.

    Attributes:
        bwrap: the path of bubblewrap, where it works; empty where not.
        own_uids: whether each instance can run as a user of its own.
    """

    bwrap: str
    own_uids: bool

    @property
    def keeps_secrets(self) -> bool:
        """Whether an instance cannot read the allocator's files."""
        return bool(self.bwrap) or self.own_uids

    def in_words(self) -> str:
        """For people."""
        rest = (
            " Memory is watched twice a second and open files are limited; processor time is shared "
            "by niceness only. They share the network and the kernel of the host: this isolates "
            "less than containers do."
        )
        if self.bwrap and self.own_uids:
            return (
                "Each instance is a process in a sandbox (bubblewrap) under a user of its own: it "
                "sees the host's programs read-only, its own folder, and no other process." + rest
            )
        if self.bwrap:
            return (
                "Each instance is a process in a sandbox (bubblewrap): it sees the host's programs "
                "read-only, its own folder, and no other process." + rest
            )
        if self.own_uids:
            return "Each instance is a process under a user of its own, in its own folder." + rest
        return (
            "Each instance is a process under the allocator's own user and could read its files."
            + rest
        )


def interpreter() -> Path:
    """The interpreter that the allocator runs on, without its virtual environment."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def sandbox_command(
    bwrap: str,
    *,
    shim: Path,
    programs: Path,
    hidden: Sequence[Path],
    files: Path,
    volumes: Sequence[tuple[Path, Path]] = (),
) -> list[str]:
    """The command that runs `shim.py enter` in a sandbox; its orders come by standard input.

    Args:
        bwrap: the path of bubblewrap.
        shim: our shim.
        programs: the folder with `python`.
        hidden: our folders, none in another: nothing of them shall be seen but `files` and
            `programs`.
        files: the instance's own folder.
        volumes: other folders of its own, and where it finds each: `places_in_sandbox` says where.
    """
    command = [bwrap, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]
    emptied = _emptied()
    opened = _opened([place for _, place in volumes], (*emptied, *hidden))
    command += _root(opened)
    for folder in emptied:
        mode = "1777" if folder.name == "tmp" else "0755"
        command += ["--perms", mode, "--tmpfs", str(folder)]
    for folder in hidden:
        command += ["--perms", "0755", "--tmpfs", str(folder)]
    command += ["--dev", "/dev", "--proc", "/proc"]
    # Names are looked up with the help of files there.
    for name in ("/run/systemd/resolve", "/run/resolvconf"):
        command += ["--ro-bind-try", name, name]
    shown = [("--bind", folder, place) for folder, place in volumes]
    fixed = (Path(sys.base_prefix).resolve(), programs, shim)
    shown += [("--ro-bind", path, path) for path in fixed] + [("--bind", files, files)]
    for option, path, place in shown:
        for parent in reversed(place.parents):
            # Left to itself, bubblewrap makes them for its own user only.
            if any(parent.is_relative_to(f) and parent != f for f in (*emptied, *hidden, *opened)):
                command += ["--perms", "0755", "--dir", str(parent)]
        command += [option, str(path), str(place)]
    for folder in opened:
        command += ["--remount-ro", str(folder)]
    if os.geteuid() == 0:
        # As much as it takes to become somebody else, which takes the rest away.
        command += ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return [*command, "--", str(interpreter()), "-I", "-S", str(shim), "enter"]


def places_in_sandbox(
    volumes: Sequence[tuple[Path, Path]], paths: Sequence[str], needed: Sequence[Path]
) -> list[tuple[Path, Path]]:
    """Where an instance finds its volumes in a sandbox: at their paths, as in a container.

    Args:
        volumes: the folder of each, and where it is found without a sandbox: there too, where its
            path would hide what is needed, or leads to no folder.
        paths: the path of each.
        needed: what must be seen where it is.
    """
    needed = [Path(sys.base_prefix).resolve(), *needed]
    places = []
    for (folder, elsewhere), path in zip(volumes, paths, strict=True):
        place = Path(path)
        if not any(place.is_relative_to(f) for f in _emptied()):
            place = place.resolve()
        hides = any(one.is_relative_to(place) or place.is_relative_to(one) for one in needed)
        places.append((folder, elsewhere if hides or not _has_room(place) else place))
    return places


def _has_room(place: Path) -> bool:
    """Whether a folder is there, or could be added to one whose others can be shown again."""
    try:
        there = next(one for one in (place, *place.parents) if one.exists())
    except OSError:
        return False
    return there.is_dir() and os.access(there, os.R_OK | os.X_OK)


def _emptied() -> list[Path]:
    """The folders of the host that are empty in a sandbox."""
    # A link leads into a folder that is hidden by its own name.
    return [Path(f) for f in _HIDDEN if Path(f).is_dir() and not Path(f).is_symlink()]


def _opened(places: Sequence[Path], emptied: Sequence[Path]) -> list[Path]:
    """The folders of the host that lack a folder at which a volume shall be seen, the outer ones first."""
    opened = set()
    for place in places:
        if not any(place.is_relative_to(folder) for folder in emptied) and not place.exists():
            opened.add(next(parent for parent in place.parents if parent.exists()))
    return sorted(opened)


def _root(opened: Sequence[Path]) -> list[str]:
    """Shows the host read-only; folders can be added to those that are opened."""
    command = [] if Path("/") in opened else ["--ro-bind", "/", "/"]
    for folder in opened:
        if folder != Path("/"):
            command += ["--perms", "0755", "--tmpfs", str(folder)]
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_symlink():
                command += ["--symlink", str(Path(entry.path).readlink()), entry.path]
            else:
                command += ["--ro-bind-try", entry.path, entry.path]
    return command


async def find_isolation(
    folder: Path, hidden: Sequence[Path], shim: Path, programs: Path, uid: int
) -> Isolation:
    """Tries what works here.

    Args:
        folder: where it may be tried; hidden itself, or in a folder that is.
        hidden: our folders, as for `sandbox_command`.
        shim: our shim.
        programs: the folder with `python`.
        uid: a user id that may be taken; 0 for none.
    """
    uid = uid if os.geteuid() == 0 else 0
    bwrap = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin") or ""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".probe-") as place:
        files = Path(place) / "files"
        files.mkdir(mode=0o700)
        if uid:
            os.chown(files, uid, uid)
        if bwrap:
            command = sandbox_command(
                bwrap, shim=shim, programs=programs, hidden=hidden, files=files
            )
            for one in (uid, 0) if uid else (0,):
                # As root without a user of its own, a sandbox still has root's files in reach.
                if (one or os.geteuid() != 0) and await _works(command, files, programs, one):
                    return Isolation(bwrap, own_uids=bool(one))
        direct = [str(interpreter()), "-I", "-S", str(shim), "enter"]
        if uid and await _works(direct, files, programs, uid):
            return Isolation("", own_uids=True)
    return Isolation("", own_uids=False)


async def _works(command: list[str], files: Path, programs: Path, uid: int) -> bool:
    import orjson

    orders = {
        "command": [str(programs / "python3"), "-I", "-S", "-c", "open('ok', 'w').close()"],
        "environment": {"HOME": str(files)},
        "directory": str(files),
        "uid": uid,
        "pids": 16,
        "memory_bytes": 1 << 28,
        "nice": 0,
    }
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await process.communicate(orjson.dumps(orders))
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    finally:
        # What ran inside may still be on its way out; what no kill ends keeps nobody from starting.
        with contextlib.suppress(EngineUnavailable):
            await clear_session(process.pid)
    found = (files / "ok").exists()
    with contextlib.suppress(FileNotFoundError):
        (files / "ok").unlink()
    return process.returncode == 0 and found
