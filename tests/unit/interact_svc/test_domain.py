"""The newest part of a log, chunks and filters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interact_svc.domain.frames import Chunk, LineFilter
from interact_svc.domain.recent_log import RecentLog


def chunk(first: int, count: int, size: int | None = None) -> Chunk:
    return Chunk(
        first=first,
        last=first + count - 1,
        times=[float(n) for n in range(first, first + count)],
        texts=[f"line {n}" for n in range(first, first + count)],
        streams="".join("oe"[n % 2] for n in range(first, first + count)),
        truncated=[n - first for n in range(first, first + count) if n % 3 == 0],
        size=count if size is None else size,
    )


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 200), st.data())
def test_every_number_between_start_and_end_is_found(counts, most, data) -> None:
    recent = RecentLog(1, most)
    following = 1
    for count in counts:
        recent.append(chunk(following, count))
        following += count
    assert recent.end == following
    assert recent.at(recent.start - 1) is None
    assert recent.at(recent.end) is None
    if recent.end > recent.start:
        seq = data.draw(st.integers(recent.start, recent.end - 1))
        found = recent.at(seq)
        assert found is not None
        assert found.first == seq
        assert found.texts[0] == f"line {seq}"
        assert found.streams[0] == "oe"[seq % 2]
        assert (0 in found.truncated) == (seq % 3 == 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200))
def test_memory_is_bounded_and_the_newest_is_kept(counts, most) -> None:
    recent = RecentLog(1, most)
    following = 1
    for count in counts:
        recent.append(chunk(following, count))
        following += count
    kept = recent.end - recent.start
    assert kept <= max(most, counts[-1])
    assert recent.at(recent.end - 1) is not None


def test_a_chunk_that_does_not_follow_is_refused() -> None:
    recent = RecentLog(5, 100)
    with pytest.raises(ValueError, match="does not follow"):
        recent.append(chunk(6, 1))


def test_a_gap_is_cut_like_lines() -> None:
    gap = Chunk(first=5, last=9, gap="ROTATED").since(7)
    assert (gap.first, gap.last, gap.gap) == (7, 9, "ROTATED")


def test_a_filter_selects_by_text_and_stream() -> None:
    lines = chunk(1, 12)
    assert LineFilter().lets_all_through
    assert LineFilter(contains="LINE 1").select(lines).places == [0, 9, 10, 11]
    assert LineFilter(stream="e").select(lines).places == [0, 2, 4, 6, 8, 10]
    assert LineFilter(contains="1", stream="o").select(lines).places == [9, 11]
