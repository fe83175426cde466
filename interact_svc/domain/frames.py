"""What a console says, before it takes the form of a wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chassis.faults import Fault


@dataclass(slots=True)
class Chunk:
    """Consecutive pieces of a log: lines in columns, or a gap.

    Many watchers send the same chunk, so whoever renders it keeps the result in `rendered`.

    Attributes:
        first: the number of the first line, or the first missing one.
        last: of the last.
        times: when each line was written, in milliseconds since 1970 UTC; empty for a gap.
        texts: the lines.
        streams: a letter a line: `o` or `e`.
        truncated: which lines were cut: their places, from 0.
        generation: of the instance that wrote them.
        incarnation: of the run within it.
        gap: why lines are missing, by the contract's name (`ROTATED`); empty for lines.
        size: bytes of text, for bounds.
        rendered: the forms in which it was sent, by the name of the wire.
    """

    first: int
    last: int
    times: Sequence[float] = ()
    texts: Sequence[str] = ()
    streams: str = ""
    truncated: Sequence[int] = ()
    generation: int = 0
    incarnation: int = 0
    gap: str = ""
    size: int = 0
    rendered: dict[str, object] = field(default_factory=dict, repr=False)

    def since(self, seq: int) -> Chunk:
        """The part from a number on; itself where that is all of it."""
        skipped = seq - self.first
        if skipped <= 0:
            return self
        if self.gap:
            return Chunk(first=seq, last=self.last, gap=self.gap)
        return Chunk(
            first=seq,
            last=self.last,
            times=self.times[skipped:],
            texts=self.texts[skipped:],
            streams=self.streams[skipped:],
            truncated=[place - skipped for place in self.truncated if place >= skipped],
            generation=self.generation,
            incarnation=self.incarnation,
            size=self.size,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The lines of a chunk that a filter lets through.

    Attributes:
        chunk: where they are from.
        places: which of its lines, from 0.
    """

    chunk: Chunk
    places: Sequence[int]


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines a watcher wants.

    Attributes:
        contains: a text that lines must contain, whatever their case; empty for all.
        stream: `o` or `e`; empty for both.
    """

    contains: str = ""
    stream: str = ""

    @property
    def lets_all_through(self) -> bool:
        """Whether it is no filter at all."""
        return not self.contains and not self.stream

    def select(self, chunk: Chunk) -> Selection:
        """The lines of the chunk that are wanted."""
        wanted = self.contains.casefold()
        return Selection(
            chunk,
            [
                place
                for place, text in enumerate(chunk.texts)
                if (not self.stream or chunk.streams[place] == self.stream)
                and (not wanted or wanted in text.casefold())
            ],
        )


@dataclass(slots=True)
class AllocationSnapshot:
    """An allocation as its owner's service says it now.

    Attributes:
        name: `allocations/…`.
        wire: the resource in the contract's binary form: nobody here looks into it.
        rendered: as in Chunk.
    """

    name: str
    wire: bytes
    rendered: dict[str, object] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Measure:
    """What an instance uses, in the contract's binary form; `rendered` as in Chunk."""

    wire: bytes
    rendered: dict[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame: the allocation and how far its log goes."""

    allocation: str
    first_cursor: int
    last_cursor: int


@dataclass(frozen=True, slots=True)
class AuthExpiring:
    """The token ends soon."""

    expires: datetime


@dataclass(frozen=True, slots=True)
class Bye:
    """The last frame: why."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life."""


Frame = Hello | Chunk | Selection | AllocationSnapshot | Measure | AuthExpiring | Bye | Heartbeat
