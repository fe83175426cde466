"""The newest records in memory are those that a read of the log would give, or none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chassis.bus.port import Record
from chassis.bus.recent import Recent

TOPICS = ("allocator.books.facts.v1", "allocator.boxes.facts.v1")


def record(topic: str = TOPICS[0], size: int = 1) -> Record:
    """One that says nothing."""
    return Record(topic, "books/a", b"x" * size)


def test_before_anything_is_written_here_the_log_is_read() -> None:
    assert Recent().after(TOPICS[0], 0) is None


def test_who_has_come_as_far_is_handed_what_was_written_since() -> None:
    recent = Recent()
    assert recent.add(5, [record(), record(TOPICS[1])])
    assert recent.after(TOPICS[0], 3) is None
    assert recent.after(TOPICS[0], 4) == [(5, record())]
    assert recent.after(TOPICS[0], 5) == []
    assert not recent.add(7, [record()])
    assert [place for place, _ in recent.after(TOPICS[0], 4) or ()] == [5, 7]


def test_what_is_too_large_or_too_long_ago_is_read() -> None:
    recent = Recent()
    recent.add(1, [record(size=1_000_000)])
    assert recent.after(TOPICS[0], 0) is None
    assert recent.after(TOPICS[1], 0) == []
    for place in range(2, 102):
        recent.add(place, [record()])
    assert recent.after(TOPICS[0], 36) is None
    assert len(recent.after(TOPICS[0], 37) or ()) == 64


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["here", "late", "elsewhere", "looked", "forgotten"]),
        st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3),
    ),
    max_size=30,
)


@given(WRITES)
def test_nobody_misses_what_others_have_written(writes: list[tuple[str, list[str]]]) -> None:
    """Whoever is told of something, and looks, has then all that they knew to be there."""
    recent, log = Recent(), list[tuple[int, Record]]()
    late: list[tuple[int, list[Record]]] = []
    told = 0

    def look(topic: str) -> None:
        mine = [one for one in log if one[1].topic == topic]
        for position in (0, *(place for place, _ in mine)):
            found = recent.after(topic, position)
            if found is not None:
                wanted = [one for one in mine if position < one[0] <= told]
                assert [one for one in found if one[0] <= told] == wanted

    for where, topics in writes:
        records = [record(topic) for topic in topics]
        first = len(log) + 1
        if where in ("here", "late", "elsewhere"):
            log += enumerate(records, first)
        if where == "here":
            recent.add(first, records)
            told = len(log)
        elif where == "late":
            # Committed, but whoever did it has not come to say so.
            late.append((first, records))
        elif where == "looked":
            if len(log) > recent.end:
                recent.begin(len(log))
            told = len(log)
        elif where == "forgotten":
            recent.begin(recent.end)
        for topic in TOPICS:
            look(topic)
    for first, records in late:
        recent.add(first, records)
    told = len(log) if recent.end == len(log) else told
    for topic in TOPICS:
        look(topic)
