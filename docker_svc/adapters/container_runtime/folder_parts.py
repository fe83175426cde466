"""Folders as parts of archives, and back: without following a link anywhere on the way.

Whoever owns a folder may change it at any time, so names are looked up from the open folder above them,
and whatever turns out to be a link where a folder was is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tarfile
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from docker_svc.domain import ArchiveInvalid
from docker_svc.domain.tar_stream import TarPart

_PIECE = 256 << 10
_ZEROS = bytes(_PIECE)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_SHARED = 100_000
_DEEPEST = 200

T = TypeVar("T")


def measured(folder: Path) -> int:
    """The lengths of the files below a folder, each once however many names it has.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    total = 0
    seen: set[tuple[int, int]] = set()
    top = os.open(folder, _FOLDER)
    try:
        for _, _, files, place in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            for name in files:
                try:
                    about = os.stat(name, dir_fd=place, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if about.st_nlink > 1:
                    if (about.st_dev, about.st_ino) in seen:
                        continue
                    if len(seen) < _MOST_SHARED:
                        seen.add((about.st_dev, about.st_ino))
                if stat.S_ISREG(about.st_mode):
                    total += about.st_size
    finally:
        os.close(top)
    return total


def chown_all(folder: Path, uid: int) -> None:
    """Gives all below a folder to a user, and at last the folder itself: so it may be done again.

    Raises:
        OSError: it cannot be done.
    """
    top = os.open(folder, _FOLDER)
    try:
        for _, folders, files, place in os.fwalk(
            ".", topdown=False, dir_fd=top, follow_symlinks=False
        ):
            for name in (*files, *folders):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(name, uid, uid, dir_fd=place, follow_symlinks=False)
        os.fchown(top, uid, uid)
    finally:
        os.close(top)


def folder_parts(folder: Path) -> Generator[TarPart, None, None]:
    """All below a folder: first the folder itself as `.`, then each folder before what is in it.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    top = os.open(folder, _FOLDER)
    return _parts(top)


def _parts(top: int) -> Generator[TarPart, None, None]:
    shared: dict[tuple[int, int], str] = {}
    try:
        yield _entry(".", os.fstat(top))
        for root, folders, files, place in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            above = "" if root == "." else f"{root[2:]}/"
            for name in sorted(folders):
                with contextlib.suppress(FileNotFoundError):
                    about = os.stat(name, dir_fd=place, follow_symlinks=False)
                    if stat.S_ISDIR(about.st_mode):
                        yield _entry(above + name, about)
                    else:
                        yield from _file(above, name, place, shared)
            for name in sorted(files):
                # Gone meanwhile, or no longer what it was.
                with contextlib.suppress(FileNotFoundError):
                    yield from _file(above, name, place, shared)
    finally:
        os.close(top)


def _file(
    above: str, name: str, place: int, shared: dict[tuple[int, int], str]
) -> Iterator[TarPart]:
    about = os.stat(name, dir_fd=place, follow_symlinks=False)
    entry = _entry(above + name, about)
    if entry.issym():
        entry.linkname = os.readlink(name, dir_fd=place)
    if not stat.S_ISREG(about.st_mode):
        yield entry
        return
    if about.st_nlink > 1:
        first = shared.get((about.st_dev, about.st_ino))
        if first is not None:
            entry.type, entry.linkname, entry.size = tarfile.LNKTYPE, first, 0
            yield entry
            return
        if len(shared) < _MOST_SHARED:
            shared[about.st_dev, about.st_ino] = entry.name
    try:
        descriptor = os.open(name, _READ, dir_fd=place)
    except OSError:
        # A link by now: its turn is over.
        return
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return
        entry.size = about.st_size
        yield entry
        left = entry.size
        while left:
            piece = os.read(descriptor, min(left, _PIECE)) or _ZEROS[: min(left, _PIECE)]
            left -= len(piece)
            yield piece
    finally:
        os.close(descriptor)


def _entry(name: str, about: os.stat_result) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode = stat.S_IMODE(about.st_mode)
    entry.mtime = int(about.st_mtime)
    kinds = {
        stat.S_IFREG: tarfile.REGTYPE,
        stat.S_IFDIR: tarfile.DIRTYPE,
        stat.S_IFLNK: tarfile.SYMTYPE,
    }
    entry.type = kinds.get(stat.S_IFMT(about.st_mode), tarfile.FIFOTYPE)
    return entry


class FolderFilling:
    """Writes parts below a new folder, as its own user; the entries' owners are not kept."""

    def __init__(self, folder: Path) -> None:
        """Opens the folder."""
        self._top = os.open(folder, _FOLDER)
        self._place = ("", os.dup(self._top))
        self._file = -1
        self._left = 0
        self._entry = tarfile.TarInfo()
        self._modes: dict[str, int] = {}

    def take(self, parts: Iterable[TarPart]) -> None:
        """Writes the next parts.

        Raises:
            ArchiveInvalid: one does not fit what was written before.
            OSError: one cannot be written.
        """
        for part in parts:
            if isinstance(part, bytes):
                self._write(part)
                continue
            try:
                self._make(part)
            except (
                FileExistsError,
                FileNotFoundError,
                IsADirectoryError,
                NotADirectoryError,
            ) as error:
                raise ArchiveInvalid(
                    f"{part.name!r} in the archive does not fit what came before it."
                ) from error

    def _make(self, entry: tarfile.TarInfo) -> None:
        if entry.name == ".":
            return
        above, _, name = entry.name.rpartition("/")
        place = self._folder(above)
        if entry.isdir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=place)
            os.close(os.open(name, _FOLDER, dir_fd=place))
            if entry.mode & 0o777 != 0o700:
                self._modes[entry.name] = entry.mode & 0o777
        elif entry.issym():
            os.symlink(entry.linkname, name, dir_fd=place)
        elif entry.islnk():
            there, _, other = entry.linkname.rpartition("/")
            source = self._opened(there)
            try:
                os.link(other, name, src_dir_fd=source, dst_dir_fd=place, follow_symlinks=False)
            finally:
                os.close(source)
        else:
            self._file = os.open(name, _WRITE, 0o600, dir_fd=place)
            self._entry, self._left = entry, entry.size
            if not self._left:
                self._end_file()

    def _write(self, piece: bytes) -> None:
        if len(piece) <= _PIECE and piece == _ZEROS[: len(piece)]:
            # A hole costs nothing, and reads the same.
            os.lseek(self._file, len(piece), os.SEEK_CUR)
        else:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._file, view) :]
        self._left -= len(piece)
        if not self._left:
            self._end_file()

    def _end_file(self) -> None:
        os.ftruncate(self._file, self._entry.size)
        os.fchmod(self._file, self._entry.mode & 0o777)
        os.utime(self._file, (self._entry.mtime, self._entry.mtime))
        os.close(self._file)
        self._file = -1

    def _folder(self, path: str) -> int:
        """A folder of the volume, open for as long as no other one is asked for."""
        if path != self._place[0]:
            opened = self._opened(path)
            os.close(self._place[1])
            self._place = (path, opened)
        return self._place[1]

    def _opened(self, path: str) -> int:
        """A folder of the volume, made where it is missing; for the caller to close."""
        if path.count("/") > _DEEPEST:
            raise ArchiveInvalid(f"Folders in the archive are more than {_DEEPEST} deep.")
        place = os.dup(self._top)
        for name in path.split("/") if path else ():
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=place)
                below = os.open(name, _FOLDER, dir_fd=place)
            finally:
                os.close(place)
            place = below
        return place

    def end(self) -> None:
        """Gives folders their modes, now that nothing is written into them any more."""
        for path, mode in self._modes.items():
            opened = self._opened(path)
            os.fchmod(opened, mode)
            os.close(opened)

    def close(self) -> None:
        """Closes whatever is open."""
        if self._file >= 0:
            os.close(self._file)
        os.close(self._place[1])
        os.close(self._top)


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Runs work in a thread; a caller that is cancelled waits for its end, and is cancelled then."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
