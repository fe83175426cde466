"""Tar archives in pieces: read as `tarfile` writes them, written as it reads them, and safe."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_svc.domain import ArchiveInvalid, ArchiveUnsafe
from docker_svc.domain.safe_entries import SafeEntries
from docker_svc.domain.tar_stream import TarPacking, TarPart, TarReading

NAMES = st.lists(st.sampled_from(["a", "b", "é", "x" * 90, "long " * 20]), min_size=1, max_size=4)
CONTENTS = st.one_of(st.binary(max_size=40), st.integers(0, 2000).map(bytes))
FILES = st.dictionaries(NAMES.map("/".join), CONTENTS, max_size=6)
FORMATS = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def written(files: dict[str, bytes], kind: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_600_000_000.25
            entry.uid = 3_000_000
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def read(data: bytes, sizes: list[int]) -> list[TarPart]:
    reading, parts, at = TarReading(), [], 0
    for size in [*sizes, len(data)]:
        parts += list(reading.feed(data[at : at + size]))
        at += size
    reading.end()
    return parts


def content_of(parts: list[TarPart]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    name = ""
    for part in parts:
        if isinstance(part, bytes):
            found[name] += part
        else:
            name = part.name
            found[name] = b""
            assert part.uid == 3_000_000
    return found


@given(FILES, FORMATS, st.lists(st.integers(0, 700), max_size=30))
def test_it_reads_what_tarfile_writes_however_it_comes(
    files: dict[str, bytes], kind: int, sizes: list[int]
) -> None:
    assert content_of(read(written(files, kind), sizes)) == files


@given(FILES, FORMATS)
def test_tarfile_reads_what_it_writes(files: dict[str, bytes], kind: int) -> None:
    packing = TarPacking()
    parts = read(written(files, kind), [])
    packed = b"".join([*map(packing.pack, parts), packing.end()])
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as archive:
        found = {one.name: archive.extractfile(one).read() for one in archive}  # type: ignore[union-attr]
    assert found == files


@given(FILES, FORMATS, st.data())
def test_whatever_is_broken_is_refused_or_read(
    files: dict[str, bytes], kind: int, data: st.DataObject
) -> None:
    """And never fails in another way, or takes what is not there for an end."""
    whole = bytearray(written(files, kind))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        parts = read(cut, [])
    except ArchiveInvalid:
        return
    assert sum(len(part) for part in parts if isinstance(part, bytes)) <= len(cut)


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_what_ends_before_its_end_is_refused_wherever_that_is(kind: int) -> None:
    """Also between two entries: a stream that was broken off may look like one that has ended."""
    whole = written({"a": b"x" * 700, "b": b"", "c" * 120: b"y" * 512}, kind).rstrip(b"\0")
    for cut in range(0, len(whole), 256):
        with pytest.raises(ArchiveInvalid):
            read(whole[:cut], [])


def test_what_is_longer_than_an_entry_may_be_is_refused() -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 2 << 20
    with pytest.raises(ArchiveInvalid, match="1 MiB"):
        list(TarReading().feed(entry.tobuf()))


def test_a_sparse_file_is_refused() -> None:
    entry = tarfile.TarInfo("x")
    entry.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(ArchiveInvalid, match="--sparse"):
        list(TarReading().feed(entry.tobuf()))


PLACES = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=4).map("/".join)
TARGETS = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=5).map(
    "/".join
)
ENTRIES = st.lists(
    st.tuples(PLACES, st.sampled_from(["file", "folder", "link", "same"]), TARGETS), max_size=12
)


@settings(max_examples=300)
@given(entries=ENTRIES)
def test_nothing_that_passes_leads_out(
    entries: list[tuple[str, str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever links there are, in whatever order: each of them ends inside, or nowhere."""
    top = tmp_path_factory.mktemp("outer") / "volume"
    top.mkdir()
    (top.parent / "a").write_text("not yours")
    safe = SafeEntries()
    for name, kind, target in entries:
        entry = tarfile.TarInfo(name)
        entry.linkname = target
        entry.type = {
            "file": tarfile.REGTYPE,
            "folder": tarfile.DIRTYPE,
            "link": tarfile.SYMTYPE,
            "same": tarfile.LNKTYPE,
        }[kind]
        try:
            found = safe.checked(entry)
        except ArchiveUnsafe:
            continue
        assert ".." not in PurePosixPath(found.name).parts
        put(top, found)
    for folder, folders, files in os.walk(top):
        for one in (*folders, *files):
            path = Path(folder, one)
            # A loop leads nowhere; this says where it begins.
            assert Path(os.path.realpath(path)).is_relative_to(top), path


def put(top: Path, entry: tarfile.TarInfo) -> None:
    """As a plain `tar` would do it, which follows links."""
    path = top / entry.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.isdir():
            path.mkdir(exist_ok=True)
        elif entry.issym():
            path.symlink_to(entry.linkname)
        elif entry.islnk():
            path.hardlink_to(top / entry.linkname)
        else:
            path.write_text("mine")
    except OSError:
        return
