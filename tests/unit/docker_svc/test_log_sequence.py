"""The checker of sequence numbers."""

from __future__ import annotations

import pytest

from allocctl.sequence import SequenceBroken, SequenceChecker


def test_lines_and_gaps_together_are_contiguous() -> None:
    checker = SequenceChecker(1)
    checker.feed(1, 100)
    checker.feed(101, 120, "RETENTION")
    checker.feed(121, 121)
    assert (checker.lines, checker.missing, checker.next) == (101, 20, 122)
    assert checker.summary() == "101 lines, 20 missing in declared gaps (RETENTION 1)."


def test_it_may_begin_anywhere() -> None:
    checker = SequenceChecker()
    checker.feed(77, 80)
    assert checker.summary() == "4 lines, none missing."


@pytest.mark.parametrize(("first", "last"), [(12, 13), (9, 12), (10, 10), (1, 20), (0, 5), (11, 9)])
def test_what_does_not_follow_is_found(first: int, last: int) -> None:
    checker = SequenceChecker()
    checker.feed(1, 10)
    with pytest.raises(SequenceBroken):
        checker.feed(first, last)
