"""The files of a data folder that are in no store: journal, runtime, mailbox, the first admin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from allocctl.keeping.archive import ArchiveWriter, Member
from allocctl.keeping.installation import Installation

NODE = "node/"
"""What belongs to a node: the journal of its instances, and which runtime they run on."""

FILES = "files/"
"""Other files of the data folder."""

_RUNTIME = "runtime.json"
_JOURNAL = "journal"
_LOCK = "lock"
_PIECE = 1 << 20


def write_files(archive: ArchiveWriter, installation: Installation, *, logs: bool) -> int:
    """Adds the files of an installation's folders; gives how many logs there were.

    Args:
        archive: to be written.
        installation: whose folders.
        logs: whether the journal is added.
    """
    for name, path in _single_files(installation):
        archive.add_file(path, name)
    if not logs:
        return 0
    journal = installation.node_folder / _JOURNAL
    allocations = sorted(path for path in _entries(journal) if path.is_dir())
    for allocation in allocations:
        for path in sorted(_entries(allocation)):
            archive.add_file(path, f"{NODE}{_JOURNAL}/{allocation.name}/{path.name}")
    return len(allocations)


def place_of(member: Member, installation: Installation) -> Path:
    """Where a member of `node/` or `files/` belongs."""
    where, *rest = PurePosixPath(member.name).parts
    folder = installation.node_folder if f"{where}/" == NODE else installation.folder
    return folder.joinpath(*rest)


def restore_file(member: Member, path: Path) -> None:
    """Writes a member to a new file, with the time that it had."""
    write_private(path, member)
    os.utime(path, (member.mtime, member.mtime))


def write_private(path: Path, member: Member) -> None:
    """Writes a new file that its owner alone can read.

    Raises:
        FileExistsError: there is one.
    """
    _make_private(path.parent)
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(made, "wb") as file:
        while piece := member.content.read(_PIECE):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def runtime_of(installation: Installation) -> bytes:
    """What says which installation the node belongs to; empty where there is none."""
    try:
        return (installation.node_folder / _RUNTIME).read_bytes()
    except FileNotFoundError:
        return b""


def what_is_there(installation: Installation) -> list[str]:
    """What a restore would write over, in words."""
    found = [str(path) for _, path in _single_files(installation)]
    journal = installation.node_folder / _JOURNAL
    if any(path.is_dir() for path in _entries(journal)):
        found.append(f"logs in {journal}")
    return found


def _make_private(folder: Path) -> None:
    """Makes a folder, and those that it is in, open to their owner alone."""
    if not folder.is_dir():
        _make_private(folder.parent)
        folder.mkdir(mode=0o700)


def _single_files(installation: Installation) -> Iterator[tuple[str, Path]]:
    folder = installation.folder
    for name, path in (
        (f"{NODE}{_RUNTIME}", installation.node_folder / _RUNTIME),
        (f"{FILES}admin.json", folder / "admin.json"),
        *((f"{FILES}mailbox/{one.name}", one) for one in sorted(_entries(folder / "mailbox"))),
    ):
        if path.is_file():
            yield name, path


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name != _LOCK]
    except FileNotFoundError:
        return []
