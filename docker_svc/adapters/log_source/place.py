"""Where a reader is in the log of a container engine."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from docker_svc.adapters.log_source.columns import Columns
from docker_svc.adapters.log_source.tail import INSTANCE_BYTES, instance_tag

_PLACE = struct.Struct(f"<c{INSTANCE_BYTES}sqQqqI")
SLACK_NS = 1_000_000_000
"""The engine stamps the two streams of a program apart from writing them, so that times are in
order but for what two threads can do to each other: by far less than this."""


class Place:
    """Counts what was read since a moment, so that a later read from that moment can leave it out.

    An engine can be asked for everything since a moment, and answers in the order of writing, which
    is not quite the order of times. What was read already is then the first so many pieces of the
    answer: exactly, provided that nothing older than the moment is still to come. So the moment
    (the *anchor*) is kept one to two seconds behind the newest time.

    Attributes:
        anchor: the moment, in nanoseconds since 1970 UTC; 0 before anything was read.
        known: how many pieces were read that are not older than the anchor.
        opening: the time of the first of those.
        newest: the newest time that was read.
        newest_count: how many pieces have that time.
    """

    __slots__ = ("_next_anchor", "_next_known", "anchor", "known", "newest", "newest_count",
                 "opening")  # fmt: skip

    def __init__(self) -> None:
        self.anchor = 0
        self.known = 0
        self.opening = 0
        self.newest = 0
        self.newest_count = 0
        self._next_anchor = 0
        self._next_known = 0

    def account(self, times: Sequence[int]) -> None:
        """Takes the times of pieces that were read, in the order of reading; at least one."""
        oldest, newest, count = min(times), max(times), len(times)
        if not self.anchor:
            self.anchor, self.opening = max(1, oldest - SLACK_NS), times[0]
            self.newest, self.newest_count = newest, times.count(newest)
            self._next_anchor, self._next_known = newest, self.newest_count
            self.known = count
            return
        if oldest >= self._next_anchor:
            self.known += count
            self._next_known += count
        else:
            self.known += _not_before(self.anchor, times)
            self._next_known += _not_before(self._next_anchor, times)
        if newest > self.newest:
            self.newest, self.newest_count = newest, times.count(newest)
        elif newest == self.newest:
            self.newest_count += times.count(newest)
        if self.newest - self._next_anchor >= SLACK_NS:
            self.anchor = self.opening = self._next_anchor
            self.known = self._next_known
            self._next_anchor, self._next_known = self.newest, self.newest_count

    def pack(self, instance: str, columns: Columns) -> bytes:
        """The place, and what of a line has begun there, as a position for the journal."""
        return (
            _PLACE.pack(
                b"D",
                instance_tag(instance),
                self.anchor,
                self.known,
                self.opening,
                self.newest,
                self.newest_count,
            )
            + columns.pack()
        )


def unpack_place(position: bytes, instance: str, columns: Columns) -> Place:
    """The place that a position tells; the beginning if it is one of another instance."""
    place = Place()
    columns.clear()
    if len(position) < _PLACE.size or position[:1] != b"D":
        return place
    _, tag, anchor, known, opening, newest, newest_count = _PLACE.unpack_from(position)
    if tag == instance_tag(instance):
        place.anchor, place.known, place.opening = anchor, known, opening
        place.newest, place.newest_count = newest, newest_count
        place._next_anchor, place._next_known = newest, newest_count  # noqa: SLF001 – its maker
        columns.unpack(position[_PLACE.size :])
    return place


def place_before(moment: int, gone: Place) -> Place:
    """The place before a piece with this time, the first one since a place that has gone."""
    place = Place()
    place.anchor = max(gone.anchor, moment - SLACK_NS)
    place.opening = moment
    place._next_anchor = moment  # noqa: SLF001 – its maker
    return place


def _not_before(moment: int, times: Sequence[int]) -> int:
    return sum(1 for time in times if time >= moment)
