"""The archive: what went in comes out, and what was damaged is refused."""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocctl.keeping import archive
from allocctl.keeping.archive import ArchiveDamaged, ArchiveWriter, checked, members, writing
from allocctl.keeping.rows import Kind, line_of, row_of


def write(path: Path, about: dict[str, object] | None = None, **content: bytes) -> Path:
    with path.open("wb") as target, writing(target, path.parent) as made:
        for name, value in content.items():
            with made.member(f"stores/{name}.jsonl") as add:
                add(value)
        made.finish({"program": "1", **(about or {})})
    return path


def unpacked(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def packed(path: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, value in content.items():
            about = tarfile.TarInfo(name)
            about.size = len(value)
            tar.addfile(about, io.BytesIO(value))
    return path


MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
VALUES = {
    Kind.TEXT: st.text(),
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
    Kind.BYTES: st.binary(),
    Kind.INSTANT: MOMENTS,
    Kind.DOCUMENT: DOCUMENTS,
}


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_row_comes_back_as_it_was(data: st.DataObject) -> None:
    kinds = {kind.value: kind for kind in Kind}
    row = {name: data.draw(st.none() | VALUES[kind]) for name, kind in kinds.items()}
    line = line_of(row, kinds)
    assert line.count(b"\n") == 1
    assert row_of(orjson.loads(line), kinds) == row


def test_a_whole_archive_is_read_in_the_order_in_which_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tar.gz", b=b'{"x":1}\n{"x":2}\n', a=b"")
    assert checked(path)["format"] == archive.FORMAT
    read = [(one.name, list(one.lines())) for one in members(path) if "stores" in one.name]
    assert read == [("stores/b.jsonl", [{"x": 1}, {"x": 2}]), ("stores/a.jsonl", [])]


def test_one_that_was_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    rows = random.Random(1).randbytes(20_000)
    whole = write(tmp_path / "a.tar.gz", rows=rows).read_bytes()
    cut = tmp_path / "cut.tar.gz"
    # The very last bytes are what fills up a tar, and say nothing.
    for length in range(0, len(whole) - 200, 97):
        cut.write_bytes(whole[:length])
        with pytest.raises(ArchiveDamaged):
            checked(cut)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: {**content, "stores/rows.jsonl": b'{"x":2}\n'},
        lambda content: {k: v for k, v in content.items() if k != "stores/rows.jsonl"},
        lambda content: {"stores/more.jsonl": b"", **content},
        lambda content: {k: v for k, v in content.items() if k != archive.MANIFEST},
        lambda content: {**content, archive.MANIFEST: b"{"},
        lambda content: {**content, archive.MANIFEST: b"[]"},
        lambda content: {"../outside": b"", **content},
        lambda content: {"/outside": b"", **content},
    ],
    ids=["changed", "missing", "added", "no manifest", "bad JSON", "a list", "above", "absolute"],
)
def test_one_that_was_changed_is_refused(tmp_path: Path, damage) -> None:
    whole = write(tmp_path / "a.tar.gz", rows=b'{"x":1}\n')
    changed = packed(tmp_path / "changed.tar.gz", damage(unpacked(whole)))
    with pytest.raises(ArchiveDamaged):
        checked(changed)


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "link.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        about = tarfile.TarInfo("node/journal")
        about.type, about.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(about)
    with pytest.raises(ArchiveDamaged, match="may not have"):
        checked(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "no.tar.gz"
    for content in (b"", b"no archive", gzip.compress(b"no tar")):
        path.write_bytes(content)
        with pytest.raises(ArchiveDamaged):
            checked(path)


def test_one_of_a_newer_form_says_which_program_wrote_it(tmp_path: Path) -> None:
    content = unpacked(write(tmp_path / "a.tar.gz"))
    manifest = json.loads(content[archive.MANIFEST]) | {"format": 99, "program": "7.0"}
    newer = packed(tmp_path / "n.tar.gz", {archive.MANIFEST: json.dumps(manifest).encode()})
    with pytest.raises(ArchiveDamaged, match=r"allocator 7\.0"):
        checked(newer)


def test_an_archive_is_not_written_where_it_fails_half_way(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"

    def fail(made: ArchiveWriter) -> None:
        with made.member("stores/rows.jsonl") as add:
            add(b"{}")
            raise OSError("the disk is full")

    with (
        path.open("wb") as target,
        pytest.raises(OSError, match="full"),
        writing(target, tmp_path) as made,
    ):
        fail(made)
    with pytest.raises(ArchiveDamaged):
        checked(path)


def test_memory_does_not_grow_with_what_is_kept(tmp_path: Path) -> None:
    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    path = tmp_path / "large.tar.gz"
    before = peak()
    with path.open("wb") as target, writing(target, tmp_path) as made:
        with made.member("stores/rows.jsonl") as add:
            for _ in range(96):
                add(b" " * (1 << 20))
        made.finish({"program": "1"})
    assert checked(path)["members"]["stores/rows.jsonl"]["bytes"] == 96 << 20
    assert peak() - before < 48 << 10, "KiB"
