"""Tar archives of any length, read and written piece by piece.

An archive is a row of parts: a `tarfile.TarInfo` for each entry and, after that of a regular file, its
bytes in as many pieces as it takes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from docker_svc.domain.faults import ArchiveInvalid

TarPart: TypeAlias = tarfile.TarInfo | bytes

BLOCK = 512
_MOST_HEADER_BYTES = 1 << 20
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_EXTENDED = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_LONG = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_NUMBERS = ("size", "uid", "gid", "mtime")


@dataclass(slots=True)
class _Gathered:
    """An entry that says something of the next one: it is short, and read as a whole."""

    kind: bytes
    left: int
    text: bytearray


class TarReading:
    """Reads an archive as it comes; keeps no more of it than one header.

    Reads ustar, pax and GNU archives, but for sparse files, which say in ways of their own how long they
    are.
    """

    def __init__(self) -> None:
        """Begins before the first entry."""
        self._buffer = bytearray()
        self._data = 0
        self._padding = 0
        self._gathered: _Gathered | None = None
        self._common: dict[str, str] = {}
        self._next: dict[str, str] = {}
        self._ended = False
        self._entries = 0

    def feed(self, piece: bytes) -> Iterator[TarPart]:
        """Takes the next bytes, and gives the parts that they complete.

        Raises:
            ArchiveInvalid: it is no archive, or one of a kind that is not read.
        """
        place = 0
        while place < len(piece):
            if self._ended:
                return
            if self._data:
                taken = piece[place : place + self._data]
                self._data -= len(taken)
                place += len(taken)
                yield bytes(taken)
                continue
            if self._padding:
                skipped = min(self._padding, len(piece) - place)
                self._padding -= skipped
                place += skipped
                continue
            if self._gathered is not None and self._gathered.left:
                taken = piece[place : place + self._gathered.left]
                self._gathered.text += taken
                self._gathered.left -= len(taken)
                place += len(taken)
                self._gathered_all()
                continue
            wanted = BLOCK - len(self._buffer)
            self._buffer += piece[place : place + wanted]
            place += wanted
            if len(self._buffer) == BLOCK:
                entry = self._header(bytes(self._buffer))
                self._buffer.clear()
                if entry is not None:
                    yield entry

    def end(self) -> None:
        """Says that nothing follows.

        Raises:
            ArchiveInvalid: something is missing.
        """
        if not self._ended:
            raise ArchiveInvalid(
                "The archive breaks off; send all of it, with the empty blocks at its end."
                if self._entries or self._buffer
                else "There is no archive; send one as `tar c` makes it."
            )

    def _header(self, block: bytes) -> tarfile.TarInfo | None:
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the stubs lack it
            self._ended = True
            return None
        except tarfile.HeaderError as error:
            raise ArchiveInvalid(
                f"It is no tar archive, or a broken one, after {self._entries} entries; send one "
                "as `tar c` makes it, plain or gzip."
            ) from error
        if entry.type in _EXTENDED or entry.type in _LONG:
            if not 0 <= entry.size <= _MOST_HEADER_BYTES:
                raise ArchiveInvalid("A header in the archive is longer than 1 MiB.")
            self._gathered = _Gathered(entry.type, entry.size, bytearray())
            self._padding = 0
            self._gathered_all()
            return None
        return self._entry(entry)

    def _gathered_all(self) -> None:
        gathered = self._gathered
        if gathered is None or gathered.left:
            return
        self._gathered = None
        self._padding = -len(gathered.text) % BLOCK
        if gathered.kind in _LONG:
            text = bytes(gathered.text).partition(b"\0")[0]
            self._next[_LONG[gathered.kind]] = text.decode("utf-8", "surrogateescape")
        else:
            said = _records(bytes(gathered.text))
            (self._common if gathered.kind == tarfile.XGLTYPE else self._next).update(said)

    def _entry(self, entry: tarfile.TarInfo) -> tarfile.TarInfo:
        said = {**self._common, **self._next}
        self._next = {}
        if entry.type == tarfile.GNUTYPE_SPARSE or any(k.startswith("GNU.sparse.") for k in said):
            raise ArchiveInvalid(
                f"{entry.name!r} is written as a sparse file; make the archive without --sparse."
            )
        entry.name = said.get("path", entry.name)
        entry.linkname = said.get("linkpath", entry.linkname)
        for key in _NUMBERS:
            if key in said:
                setattr(entry, key, _number(said[key]))
        if entry.size < 0:
            raise ArchiveInvalid(f"The length of {entry.name!r} is negative.")
        if entry.type in _FILES:
            entry.type = tarfile.REGTYPE
            self._data = entry.size
            self._padding = -entry.size % BLOCK
        else:
            entry.size = 0
        entry.pax_headers = {}
        self._entries += 1
        return entry


def _records(text: bytes) -> dict[str, str]:
    """The records of a pax header: `30 mtime=1321711775.972059463` and a line feed each."""
    said: dict[str, str] = {}
    place = 0
    while place < len(text) and text[place] != 0:
        space = text.find(b" ", place, place + 20)
        digits = text[place:space] if space > 0 else b""
        length = int(digits) if digits.isdigit() else 0
        record = text[space + 1 : place + length - 1]
        key, equals, value = record.partition(b"=")
        if not equals or place + length > len(text) or text[place + length - 1] != 0x0A:
            raise ArchiveInvalid("A pax header in the archive cannot be read.")
        name = key.decode("utf-8", "replace")
        said[name] = value.decode("utf-8", "surrogateescape")
        place += length
    return said


def _number(text: str) -> int:
    try:
        return int(float(text)) if "." in text else int(text)
    except (ValueError, OverflowError) as error:
        raise ArchiveInvalid("A number in a header of the archive cannot be read.") from error


class TarPacking:
    """Writes parts as an archive in pax form."""

    def __init__(self) -> None:
        """Begins before the first entry."""
        self._left = 0
        self._padding = 0

    def pack(self, part: TarPart) -> bytes:
        """The bytes of the next part."""
        if isinstance(part, bytes):
            self._left -= len(part)
            if self._left < 0:
                raise AssertionError("more bytes than the entry has")
            if self._left == 0 and self._padding:
                padding, self._padding = self._padding, 0
                return part + bytes(padding)
            return part
        if self._left:
            raise AssertionError("an entry before the end of the one before")
        if part.isreg():
            self._left, self._padding = part.size, -part.size % BLOCK
        return part.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")

    def end(self) -> bytes:
        """The bytes after the last part."""
        return bytes(2 * BLOCK)
