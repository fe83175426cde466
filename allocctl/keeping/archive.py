"""The archive: one file that holds a whole installation.

A tar of small and large members, packed with gzip. Its last member, `manifest.json`, says what the
others are and has the SHA-256 of each: an archive without it was not written to its end. Members are
written and read a piece at a time, whatever their size.
"""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import orjson

FORMAT = 1
"""The version of the archive's form; a program reads its own and older ones."""

MANIFEST = "manifest.json"
_PIECE = 1 << 20
_IN_MEMORY = 8 << 20
_LONGEST_MANIFEST = 64 << 20


class ArchiveDamaged(Exception):
    """The archive cannot be trusted; the message says why."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive, while it is read.

    Attributes:
        name: `stores/users/users.jsonl`.
        content: to be read now; not after the next member was asked for.
        mtime: when a file that it holds was last written, in seconds since 1970.
    """

    name: str
    content: IO[bytes]
    mtime: float

    def lines(self) -> Iterator[dict[str, Any]]:
        """The rows of a member of JSON lines."""
        for line in self.content:
            yield orjson.loads(line)


class ArchiveWriter:
    """Writes an archive; made by `writing`."""

    def __init__(self, tar: tarfile.TarFile, scratch: Path) -> None:
        """Writes into an open tar, and collects each member in the scratch folder first."""
        self._tar = tar
        self._scratch = scratch
        self._members: dict[str, dict[str, object]] = {}

    @contextmanager
    def member(self, name: str, mtime: float = 0.0) -> Iterator[Callable[[bytes], object]]:
        """Adds a member; what is written is added when the block ends without an error.

        Args:
            name: where in the archive.
            mtime: its time, in seconds since 1970; now by default.
        """
        digest = hashlib.sha256()
        # A tar says the size of a member before it: so it is collected first.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._scratch)) as collected:

            def write(piece: bytes) -> None:
                digest.update(piece)
                collected.write(piece)

            yield write
            about = tarfile.TarInfo(name)
            about.size = collected.tell()
            about.mode = 0o600
            about.mtime = mtime or time.time()
            collected.seek(0)
            self._tar.addfile(about, collected)
            self._members[name] = {"bytes": about.size, "sha256": digest.hexdigest()}

    def add_file(self, path: Path, name: str) -> None:
        """Adds what a file holds now; one that has gone meanwhile is left out."""
        try:
            with path.open("rb") as file, self.member(name, path.stat().st_mtime) as write:
                while piece := file.read(_PIECE):
                    write(piece)
        except FileNotFoundError:
            return

    def finish(self, about: Mapping[str, object]) -> None:
        """Adds the manifest, which makes the archive a whole one."""
        with self.member(MANIFEST) as write:
            write(
                orjson.dumps(
                    {"format": FORMAT, **about, "members": self._members},
                    option=orjson.OPT_INDENT_2,
                )
            )


@contextmanager
def writing(target: IO[bytes], scratch: Path) -> Iterator[ArchiveWriter]:
    """Writes an archive to an open file.

    Args:
        target: need not be seekable.
        scratch: a folder for members that do not fit into memory.
    """
    with tarfile.open(fileobj=target, mode="w|gz", format=tarfile.PAX_FORMAT) as tar:
        yield ArchiveWriter(tar, scratch)


def checked(path: Path) -> dict[str, Any]:
    """Reads an archive from beginning to end and gives its manifest.

    Raises:
        ArchiveDamaged: it is not one, was cut off or changed, or a newer program has written it.
    """
    with _damage_told(path):
        sums, manifest = _read(path)
    if not manifest:
        raise ArchiveDamaged("The archive has no manifest: it was not written to its end.")
    said = manifest["members"]
    for name in sorted({*said, *sums}):
        if said.get(name) != sums.get(name):
            raise ArchiveDamaged(
                f"The archive is damaged: {name} is not what was written there. Use another one."
            )
    return manifest


def members(path: Path) -> Iterator[Member]:
    """The members of an archive in the order in which they were written.

    Raises:
        ArchiveDamaged: it is not an archive, or was cut off.
    """
    with _damage_told(path), tarfile.open(path, mode="r|gz") as tar:
        for about in tar:
            content = tar.extractfile(about) if about.isreg() else None
            if content is None or not _is_inside(about.name):
                raise ArchiveDamaged(f"The archive has a member that it may not have: {about.name}")
            yield Member(about.name, content, float(about.mtime))


def _read(path: Path) -> tuple[dict[str, dict[str, object]], dict[str, Any]]:
    """What each member is, and what the manifest says; empty where there is none."""
    sums: dict[str, dict[str, object]] = {}
    manifest: dict[str, Any] = {}
    for member in members(path):
        if member.name in sums or manifest:
            raise ArchiveDamaged(f"The archive has a member that it may not have: {member.name}")
        if member.name == MANIFEST:
            manifest = _manifest(member.content.read(_LONGEST_MANIFEST))
            continue
        digest = hashlib.sha256()
        size = 0
        while piece := member.content.read(_PIECE):
            digest.update(piece)
            size += len(piece)
        sums[member.name] = {"bytes": size, "sha256": digest.hexdigest()}
    return sums, manifest


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Says of a file that cannot be read as an archive that it is none."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise ArchiveDamaged(f"{path} cannot be read as an archive: {error}") from None


def _manifest(raw: bytes) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = orjson.loads(raw)
        newest = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise ArchiveDamaged("The archive's manifest cannot be read.") from None
    if newest > FORMAT:
        raise ArchiveDamaged(
            f"The archive was written by allocator {manifest.get('program')}, whose form this "
            "version does not know. Restore it with that version or a newer one."
        )
    return manifest


def _is_inside(name: str) -> bool:
    """Whether a name stays inside the folder that it is written to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
