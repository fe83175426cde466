"""What an allocation was, and for how long.

The intervals of an allocation begin with its life and follow each other without a gap: each change of an
allocation is followed by `followed`, in the transaction that keeps the change. Where the clock was set back,
an interval has no length rather than a negative one, so that they add up in any case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.instance import Instance, InstanceState


class Kind(Enum):
    """What an allocation was; the values are the names in the contract."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    READY = "READY"
    UNHEALTHY = "UNHEALTHY"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    DELETING = "DELETING"


_KIND_OF = {"PROVISIONING": Kind.STARTING, "DELETED": None}


def kind_of(state: State) -> Kind | None:
    """What an allocation in a state counts as; None for one that does not live any more."""
    name = state.value
    return _KIND_OF[name] if name in _KIND_OF else Kind[name]


@dataclass(frozen=True, slots=True)
class Interval:
    """A time in which an allocation was the same all along.

    Attributes:
        number: counts the intervals of an allocation, from 1.
        kind: what it was.
        asked_to_run: whether its owner had asked it to run.
        start: from when on.
        end: until when, without this instant; None while it goes on.
    """

    number: int
    kind: Kind
    asked_to_run: bool
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What was so, as it turned out, while nobody knew.

    Attributes:
        first: what it went on to be when the engine went away.
        until: for how long; None to the end.
        then: what it was afterwards.
    """

    first: Kind
    until: datetime | None = None
    then: Kind | None = None


def truth_about(before: Allocation, after: Allocation, instance: Instance | None) -> Truth | None:
    """What was so while the engine was away, where it tells that now.

    Args:
        before: UNKNOWN, or there is nothing to tell.
        after: as it is found to be.
        instance: as the engine tells it; None where it was not asked.
    """
    known = before.last_known
    first = kind_of(known.state) if known else None
    if before.state is not State.UNKNOWN or known is None or first is None:
        return None
    if after.state is known.state and after.state_time == known.state_time:
        return Truth(first)
    if instance is None or instance.generation != before.generation:
        return None
    ended = instance.finish_time
    if (
        instance.state is not InstanceState.EXITED
        or instance.incarnation != before.incarnation
        or ended is None
    ):
        # What is there now was started meanwhile, or is gone: when, nobody has told.
        return None
    return Truth(first, ended, Kind.FAILED if after.state is State.FAILED else Kind.STOPPED)


def first_of(allocation: Allocation) -> Interval:
    """The interval that a new allocation begins with."""
    kind = kind_of(allocation.state)
    assert kind is not None
    return Interval(1, kind, _asked_to_run(allocation), allocation.create_time)


def followed(
    tail: Sequence[Interval], after: Allocation, truth: Truth | None = None
) -> tuple[Interval, ...]:
    """The last intervals of an allocation as they are after a change.

    Args:
        tail: the last ones, oldest first, the last one of them open; as many as are UNKNOWN at the end
            and one more where there is a truth, otherwise two, or all.
        after: the changed allocation.
        truth: what was so in those that are UNKNOWN.

    Returns:
        What stands in their place, numbered from the same number on.
    """
    last = tail[-1]
    if last.end is not None:
        # Its life has ended.
        return tuple(tail)
    kind, asked = kind_of(after.state), _asked_to_run(after)
    if truth is None and kind is last.kind and asked is last.asked_to_run:
        return tuple(tail)
    changed = after.update_time if truth or kind is last.kind else after.state_time
    at = max(changed, last.start)
    past = [*tail[:-1], replace(last, end=at)]
    if truth is not None:
        past = _in_truth(past, truth)
    now = [] if kind is None else [Interval(last.number + 1, kind, asked, at)]
    joined = _joined([*past, *now]) or [replace(last, end=at)]
    return tuple(
        replace(one, number=number) for number, one in enumerate(joined, start=tail[0].number)
    )


def _asked_to_run(allocation: Allocation) -> bool:
    return allocation.desired is Desired.RUNNING


def _in_truth(intervals: Sequence[Interval], truth: Truth) -> list[Interval]:
    """The intervals, with those that are UNKNOWN at the end as what they turned out to be."""
    known = len(intervals)
    while known and intervals[known - 1].kind is Kind.UNKNOWN:
        known -= 1
    turned = list(intervals[:known])
    for one in intervals[known:]:
        assert one.end is not None
        if truth.until is None or truth.then is None:
            turned.append(replace(one, kind=truth.first))
            continue
        turn = min(max(truth.until, one.start), one.end)
        turned.append(replace(one, kind=truth.first, end=turn))
        turned.append(replace(one, kind=truth.then, start=turn))
    return turned


def _joined(intervals: Sequence[Interval]) -> list[Interval]:
    """The intervals without those that have no length, and each as long as it can be."""
    joined: list[Interval] = []
    for one in intervals:
        if one.start == one.end:
            continue
        before = joined[-1] if joined else None
        if before and (before.kind, before.asked_to_run) == (one.kind, one.asked_to_run):
            joined[-1] = replace(before, end=one.end)
        else:
            joined.append(one)
    return joined


@dataclass(frozen=True, slots=True)
class Window:
    """Of which time usage is told: from `start` until before `end`."""

    start: datetime
    end: datetime

    def cut(self, interval: Interval) -> Interval | None:
        """The part of an interval that lies in it; None if there is none. What goes on stays open."""
        start = max(interval.start, self.start)
        end = self.end if interval.end is None else min(interval.end, self.end)
        if start >= end:
            return None
        goes_on = interval.end is None
        return replace(interval, start=start, end=None if goes_on else end)


@dataclass(frozen=True, slots=True)
class Usage:
    """How long an allocation, or several of them, were what; times are in milliseconds.

    Attributes:
        start: from when on there was any; None where there was none.
        end: until when.
        parts: how long, by what it was and whether its owner had asked it to run.
        failures: how many intervals of FAILED began.
    """

    start: datetime | None = None
    end: datetime | None = None
    parts: Mapping[tuple[Kind, bool], int] = field(default_factory=dict)
    failures: int = 0

    @property
    def life(self) -> int:
        """How long it is told of: `up`, `down`, `unknown` and `off` together."""
        return sum(self.parts.values())

    @property
    def up(self) -> int:
        """How long it was to run, and was READY."""
        return self.parts.get((Kind.READY, True), 0)

    @property
    def unknown(self) -> int:
        """How long it was to run, and nobody knows whether it did."""
        return self.parts.get((Kind.UNKNOWN, True), 0)

    @property
    def off(self) -> int:
        """How long it was not to run, or waited for capacity."""
        return sum(
            millis
            for (kind, asked), millis in self.parts.items()
            if not asked or kind is Kind.PENDING
        )

    @property
    def down(self) -> int:
        """How long it was to run, and was not READY."""
        return self.life - self.up - self.unknown - self.off

    @property
    def availability(self) -> float | None:
        """Its uptime as a share of up and down, from 0 to 1; None where it was neither."""
        expected = self.up + self.down
        return self.up / expected if expected else None

    def of_kind(self, kind: Kind) -> int:
        """How long it was of a kind."""
        return self.parts.get((kind, True), 0) + self.parts.get((kind, False), 0)

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        parts = dict(self.parts)
        for key, millis in other.parts.items():
            parts[key] = parts.get(key, 0) + millis
        starts = [one.start for one in (self, other) if one.start is not None]
        ends = [one.end for one in (self, other) if one.end is not None]
        return Usage(
            min(starts, default=None),
            max(ends, default=None),
            parts,
            self.failures + other.failures,
        )


_MILLISECOND = timedelta(milliseconds=1)


def usage_of(intervals: Iterable[Interval], window: Window) -> Usage:
    """What intervals come to within a window."""
    total = Usage()
    for whole in intervals:
        one = window.cut(whole)
        if one is None:
            continue
        end = one.end or window.end
        began = one.kind is Kind.FAILED and whole.start >= window.start
        part = {(one.kind, one.asked_to_run): (end - one.start) // _MILLISECOND}
        total += Usage(one.start, end, part, int(began))
    return total
