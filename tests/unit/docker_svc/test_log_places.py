"""Places in an engine's log, and lines on their way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_svc.adapters.log_source.columns import Columns
from docker_svc.adapters.log_source.place import Place, unpack_place
from docker_svc.ports.logs import CUT, STDERR, STDOUT

MS = 1_000_000


@given(
    steps=st.lists(st.integers(min_value=-5 * MS, max_value=300 * MS), min_size=2, max_size=200),
    cuts=st.lists(st.integers(min_value=1, max_value=199), max_size=8),
)
def test_a_read_from_a_place_gives_what_is_new_behind_what_is_known(
    steps: list[int], cuts: list[int]
) -> None:
    time, times = 1_000_000 * MS, []
    newest = time
    for step in steps:
        time = max(time + step, newest - 5 * MS)  # no further back than two threads can go
        newest = max(newest, time)
        times.append(time)
    place, read = Place(), 0
    for cut in sorted({*cuts, len(times)}):
        cut = min(cut, len(times))  # noqa: PLW2901
        if cut > read:
            place.account(times[read:cut])
            read = cut
        again = unpack_place(place.pack("one", Columns(100)), "one", Columns(100))
        engine_gives = [each for each in times if each >= again.anchor]
        if read:
            assert engine_gives[again.known :] == times[read:]
            assert engine_gives[0] == again.opening
        place = again


def test_a_place_in_another_instance_is_none() -> None:
    place = Place()
    place.account([5, 6])
    assert unpack_place(place.pack("one", Columns(9)), "two", Columns(9)).anchor == 0
    assert unpack_place(b"", "one", Columns(9)).anchor == 0
    assert unpack_place(b"F" + bytes(200), "one", Columns(9)).anchor == 0


def test_what_has_begun_of_a_line_is_kept_with_the_place() -> None:
    columns = Columns(10)
    columns.piece(1, b"begun", STDOUT)
    columns.piece(2, b"far too long for it", STDERR)
    columns.take()
    other = Columns(10)
    unpack_place(Place().pack("one", columns), "one", other)
    assert other.parts == columns.parts == {STDOUT: b"begun"}
    kept = Columns(10)
    kept.unpack(columns.pack())
    kept.piece(3, b" rest\n", STDERR)
    kept.piece(4, b", over\n", STDOUT)
    assert kept.take() == ([4], b"begun, over"[:10], bytes([STDOUT | CUT]))


@pytest.mark.parametrize(
    ("text", "length", "wanted"),
    [("aéb", 2, "a"), ("aéb", 3, "aé"), ("a🙂b", 4, "a"), ("a🙂b", 5, "a🙂"), ("abc", 2, "ab")],
)
def test_a_line_is_not_cut_within_a_character(text: str, length: int, wanted: str) -> None:
    columns = Columns(length)
    columns.piece(1, text.encode() + b"\n", STDOUT)
    lines = columns.take()
    assert lines.text.decode() == wanted
    assert lines.streams == bytes([STDOUT | CUT])
