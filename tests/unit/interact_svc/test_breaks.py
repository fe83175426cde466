"""What clients are told when something breaks, and how long is waited in between."""

from __future__ import annotations

import itertools
from typing import Any, cast

import pytest

from chassis.faults import DeadlineExceeded, Fault, NotFound, Unavailable
from interact_svc.domain.frames import Bye
from interact_svc.transport.mapping import FrameMapping
from interact_svc.usecases.delays import FIRST_SECONDS, LONGEST_SECONDS, Delays


def test_waits_grow_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    delays = Delays()
    waits = [delays.take() for _ in range(20)]
    assert waits[0] == FIRST_SECONDS
    assert all(one <= other for one, other in itertools.pairwise(waits))
    assert waits[-1] == LONGEST_SECONDS
    # Half a second, the usual time of a take-over, has some tries in it.
    assert len([total for total in itertools.accumulate(waits) if total < 0.5]) >= 4
    delays.begin_anew()
    assert delays.take() == FIRST_SECONDS


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (Unavailable("away"), 1.0),
        (Unavailable("away", retry_after=5.0), 5.0),
        (DeadlineExceeded("late"), 1.0),
        (NotFound("gone"), None),
    ],
)
def test_a_console_that_ends_for_what_comes_back_says_when_to_open_it_again(
    fault: Fault, after: float | None
) -> None:
    bye = FrameMapping(cast("Any", None)).message(Bye(fault)).bye
    assert bye.HasField("retry_after") == (after is not None)
    assert bye.retry_after.ToNanoseconds() / 1e9 == (after or 0.0)
