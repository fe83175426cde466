"""The bus, as its port promises it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from kafka_topics import own_kafka

from chassis.bus import MAX_VALUE, Bus, DeadLetter, Effect, EffectOfMany, Record, open_bus
from chassis.clock import SystemClock
from chassis.faults import Invalid, Unavailable

FACTS = "allocator.books.facts.v1"
STATE = "allocator.books.state.v1"
PATIENCE = 20.0

Opening = Callable[[], Awaitable[Bus]]


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.real_kafka)])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    """Opens the same bus each time that it is called."""
    if request.param == "sqlite":
        yield lambda: open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
        return
    async with own_kafka("books") as url:
        yield lambda: open_bus(url, SystemClock())


@pytest.fixture
async def bus(opening: Opening) -> AsyncIterator[Bus]:
    """A bus with nothing on it."""
    opened = await opening()
    yield opened
    await opened.close()


class Reader:
    """An effect that keeps what it had, and can be waited for."""

    def __init__(self, *failures: Exception) -> None:
        self.had: list[Record] = []
        self.tries = 0
        self._failures = list(failures)
        self._more = asyncio.Condition()

    async def __call__(self, record: Record) -> None:
        """Takes a record, or fails as often as it was told to."""
        self.tries += 1
        if self._failures:
            raise self._failures.pop(0)
        async with self._more:
            self.had.append(record)
            self._more.notify_all()

    async def until(self, count: int) -> list[Record]:
        """What it had, once it is that much."""
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: len(self.had) >= count)
            return self.had

    @property
    def values(self) -> list[bytes]:
        """The values that it had."""
        return [record.value for record in self.had]


@asynccontextmanager
async def consuming(
    bus: Bus, effect: Effect, group: str = "readers", topics: Iterable[str] = (FACTS,)
) -> AsyncIterator[asyncio.Task[None]]:
    """Consumes meanwhile."""
    task = asyncio.create_task(bus.consume(group, list(topics), effect))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def tailing(
    bus: Bus, effect: Effect, topics: Iterable[str] = (FACTS, STATE)
) -> AsyncIterator[None]:
    """Tails meanwhile, from the start on."""
    started = asyncio.Event()
    task = asyncio.create_task(bus.tail(list(topics), effect, started))
    try:
        await asyncio.wait_for(started.wait(), PATIENCE)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def of_either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Waits until the first of them ends."""
    tasks = [asyncio.ensure_future(one) for one in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until_letters(bus: Bus, settled: Callable[[list[DeadLetter]], bool]) -> list[DeadLetter]:
    """The dead letters, once they are as they should be."""
    async with asyncio.timeout(PATIENCE):
        while not settled(letters := await bus.dead_letters(100)):  # noqa: ASYNC110 - a port of pages
            await asyncio.sleep(0.01)
    return letters


async def buried(bus: Bus) -> int:
    """The id of the first dead letter, once there is one that does not wait for a replay."""
    letters = await until_letters(bus, lambda found: bool(found) and not found[0].replaying)
    return letters[0].id


def by_key(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each key, in their order."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.key, []).append(record)
    return found


def fact(number: int, key: str = "books/a", topic: str = FACTS) -> Record:
    """A record."""
    return Record(topic, key, str(number).encode(), {"ce-id": str(number), "version": str(number)})


def state(number: int, key: str) -> Record:
    """A record of a state topic."""
    return fact(number, key, STATE)


async def test_records_arrive_as_they_were_published(bus: Bus) -> None:
    records = [fact(n, f"books/{n % 3}") for n in range(10)]
    reader = Reader()
    async with consuming(bus, reader):
        await bus.publish(records[:4])
        await bus.publish(records[4:])
        assert by_key(await reader.until(10)) == by_key(records)


async def test_a_group_gets_what_was_published_before_it_came(bus: Bus) -> None:
    await bus.publish([fact(1), fact(2)])
    reader = Reader()
    async with consuming(bus, reader):
        await bus.publish([fact(3)])
        assert [r.value for r in await reader.until(3)] == [b"1", b"2", b"3"]


async def test_each_group_gets_everything(bus: Bus) -> None:
    one, two = Reader(), Reader()
    async with consuming(bus, one, "one"), consuming(bus, two, "two"):
        await bus.publish([fact(n) for n in range(5)])
        assert await one.until(5) == await two.until(5) == [fact(n) for n in range(5)]


async def test_nothing_published_is_nothing(bus: Bus) -> None:
    await bus.publish([])
    assert await bus.dead_letters(10) == []


async def test_a_group_goes_on_after_a_restart(opening: Opening) -> None:
    bus, reader = await opening(), Reader()
    async with consuming(bus, reader):
        await bus.publish([fact(n) for n in range(3)])
        await reader.until(3)
    await bus.publish([fact(3)])
    await bus.close()

    bus, reader = await opening(), Reader()
    async with consuming(bus, reader):
        await bus.publish([fact(4)])
        assert [r.value for r in await reader.until(2)] == [b"3", b"4"]
    await bus.close()


async def test_a_record_whose_effect_was_cut_off_comes_again(opening: Opening) -> None:
    bus, started = await opening(), asyncio.Event()
    had: list[bytes] = []

    async def stuck(record: Record) -> None:
        if record.value == b"1":
            started.set()
            await asyncio.Event().wait()
        had.append(record.value)

    async with consuming(bus, stuck):
        await bus.publish([fact(0), fact(1), fact(2)])
        await asyncio.wait_for(started.wait(), PATIENCE)
    await bus.close()
    assert had == [b"0"]

    bus, reader = await opening(), Reader()
    async with consuming(bus, reader):
        assert [r.value for r in await reader.until(2)] == [b"1", b"2"]
    await bus.close()


async def test_a_state_topic_keeps_the_newest_of_each_key(bus: Bus) -> None:
    await bus.publish([state(1, "books/a"), state(2, "books/b"), state(3, "books/a")])
    await bus.publish([state(4, "books/b"), state(5, "books/c")])
    await bus.publish([Record(STATE, "books/c", b"", {"version": "6"})])
    reader = Reader()
    async with consuming(bus, reader, topics=[STATE]):
        await bus.publish([state(7, "books/end")])
        # Keys come in any order among each other.
        newest = {"books/a": b"3", "books/b": b"4", "books/c": b"", "books/end": b"7"}
        while {record.key: record.value for record in reader.had} != newest:
            await reader.until(len(reader.had) + 1)
    assert all(record.is_tombstone for record in reader.had if not record.value)


async def test_topics_do_not_wait_for_each_other(bus: Bus) -> None:
    free = Reader()

    async def effect(record: Record) -> None:
        if record.topic == FACTS:
            await asyncio.Event().wait()
        await free(record)

    async with consuming(bus, effect, topics=[FACTS, STATE]):
        await bus.publish([fact(1), state(2, "books/a")])
        assert [r.value for r in await free.until(1)] == [b"2"]


async def test_groups_do_not_wait_for_each_other(bus: Bus) -> None:
    async def stuck(_record: Record) -> None:
        await asyncio.Event().wait()

    reader = Reader()
    async with consuming(bus, stuck, "stuck"), consuming(bus, reader, "free"):
        await bus.publish([fact(1), fact(2)])
        await reader.until(2)


@pytest.mark.parametrize(
    "record",
    [
        Record(FACTS, "books/empty", b"", {}),
        Record(FACTS, "books/large", bytes(range(256)) * (MAX_VALUE // 256), {}),
        Record(FACTS, "books/😀👩‍👩‍👧 \u202e\n", b"x", {"ce-subject": "é😀", "empty": ""}),
        Record(FACTS, "k" * 250, b"\0\xff", {}),
    ],
    ids=["empty", "large", "emoji", "long key"],
)
async def test_odd_records_arrive_unchanged(bus: Bus, record: Record) -> None:
    reader = Reader()
    async with consuming(bus, reader):
        await bus.publish([record])
        assert await reader.until(1) == [record]


@pytest.mark.parametrize(
    "record",
    [
        Record(FACTS, "books/a", bytes(MAX_VALUE + 1)),
        Record(FACTS, "", b"x"),
        Record(FACTS, "k" * 251, b"x"),
        Record(FACTS, "\ud800", b"x"),
        Record("Not A Topic", "books/a", b"x"),
        Record(FACTS, "books/a", b"x", {"ce-id": "x" * 20_000}),
    ],
    ids=["too large", "no key", "long key", "no text", "no topic", "large header"],
)
async def test_what_cannot_be_carried_is_refused_as_a_whole(bus: Bus, record: Record) -> None:
    with pytest.raises(Invalid):
        await bus.publish([fact(1), record])
    reader = Reader()
    async with consuming(bus, reader):
        await bus.publish([fact(2)])
        assert [r.value for r in await reader.until(1)] == [b"2"]


async def test_many_publishers_at_once_lose_nothing_and_keep_the_order_of_a_key(bus: Bus) -> None:
    reader = Reader()

    async def publisher(name: str) -> None:
        for number in range(0, 50, 2):
            await bus.publish([fact(number, name), fact(number + 1, name)])

    async with consuming(bus, reader), asyncio.TaskGroup() as publishers:
        for name in "abcd":
            publishers.create_task(publisher(f"books/{name}"))
        await reader.until(200)
    for name in "abcd":
        mine = [int(r.value) for r in reader.had if r.key == f"books/{name}"]
        assert mine == list(range(50))


async def test_of_two_consumers_of_a_group_one_takes_over_from_the_other(bus: Bus) -> None:
    first, second = Reader(), Reader()
    async with consuming(bus, first):
        await bus.publish([fact(1)])
        await first.until(1)
        async with consuming(bus, second):
            await bus.publish([fact(2)])
            async with asyncio.timeout(PATIENCE):
                await of_either(first.until(2), second.until(1))
    had = len(second.had)
    async with consuming(bus, second):
        await bus.publish([fact(3)])
        assert (await second.until(had + 1))[-1].value == b"3"
    assert sorted(first.values + second.values) == [b"1", b"2", b"3"]


async def test_consumers_of_a_group_come_and_go_and_every_record_comes_in_order(bus: Bus) -> None:
    keys = [f"books/{name}" for name in "abcdefgh"]
    had: defaultdict[str, list[int]] = defaultdict(list)
    busy: set[str] = set()
    news = asyncio.Condition()

    async def effect(record: Record) -> None:
        assert record.key not in busy
        busy.add(record.key)
        await asyncio.sleep(0.002)
        busy.remove(record.key)
        async with news:
            had[record.key].append(int(record.value))
            news.notify_all()

    async def until(count: int) -> None:
        async with asyncio.timeout(PATIENCE), news:
            await news.wait_for(lambda: all(had[key] and had[key][-1] >= count for key in keys))

    async def publish(start: int, end: int) -> None:
        for number in range(start, end):
            await bus.publish([fact(number, key) for key in keys])

    async with consuming(bus, effect):
        await publish(0, 20)
        async with consuming(bus, effect), consuming(bus, effect):
            await publish(20, 60)
            await until(40)
        await publish(60, 80)
        await until(79)
    for key in keys:
        # Some may come twice when a consumer comes or goes, and then from there on in order.
        assert sorted(set(had[key])) == list(range(80))
        assert all(after <= before + 1 for before, after in pairwise(had[key]))
    assert await bus.dead_letters(10) == []


async def test_who_tails_gets_what_is_published_from_then_on(bus: Bus) -> None:
    await bus.publish([fact(n, f"books/{n}") for n in range(10)])
    one, two = Reader(), Reader()
    async with tailing(bus, one), tailing(bus, two):
        await bus.publish([fact(10), state(11, "books/b"), fact(12)])
        for reader in (one, two):
            had = by_key(await reader.until(3))
            assert had == {"books/a": [fact(10), fact(12)], "books/b": [state(11, "books/b")]}
    async with tailing(bus, again := Reader()):
        await bus.publish([fact(13)])
        assert await again.until(1) == [fact(13)]


async def test_who_tails_is_started_at_a_moment_after_which_nothing_is_missed(bus: Bus) -> None:
    readers = [Reader() for _ in range(5)]
    published = 0
    ended = asyncio.Event()

    async def publish() -> None:
        nonlocal published
        while not ended.is_set():
            await bus.publish([fact(published)])
            published += 1

    publishing = asyncio.create_task(publish())
    async with AsyncExitStack() as tails:
        first: list[int] = []
        for reader in readers:
            await tails.enter_async_context(tailing(bus, reader))
            # The one that is on its way may have been taken before the start.
            first.append(published + 1)
        ended.set()
        await publishing
        for reader, start in zip(readers, first, strict=True):
            await bus.publish([fact(published)])
            published += 1
            while not reader.had or reader.had[-1] != fact(published - 1):
                await reader.until(len(reader.had) + 1)
            numbers = [int(value) for value in reader.values]
            assert numbers == list(range(numbers[0], published))
            assert numbers[0] <= start


async def test_an_effect_that_fails_keeps_no_news_from_who_tails(bus: Bus) -> None:
    reader = Reader(ValueError("no"), Unavailable("The store is away; try again."))
    async with tailing(bus, reader):
        await bus.publish([fact(1), fact(2), fact(3)])
        assert await reader.until(1) == [fact(3)]
    assert reader.tries == 3
    assert await bus.dead_letters(10) == []


async def test_tails_and_groups_do_not_wait_for_each_other(bus: Bus) -> None:
    async def stuck(_record: Record) -> None:
        await asyncio.Event().wait()

    reader = Reader()
    async with consuming(bus, reader), tailing(bus, stuck), tailing(bus, news := Reader()):
        await bus.publish([fact(1), fact(2)])
        assert await reader.until(2) == await news.until(2)


async def test_unavailable_is_waited_out_without_counting(bus: Bus) -> None:
    reader = Reader(*[Unavailable("The store is away; try again.") for _ in range(6)])
    async with consuming(bus, reader):
        await bus.publish([fact(1), fact(2)])
        assert [r.value for r in await reader.until(2)] == [b"1", b"2"]
    assert reader.tries == 8
    assert await bus.dead_letters(10) == []


async def test_waiting_for_what_is_unavailable_can_be_cancelled(bus: Bus) -> None:
    tried = asyncio.Event()

    async def away(_record: Record) -> None:
        tried.set()
        raise Unavailable("The store is away; try again.", retry_after=30)

    await bus.publish([fact(1)])
    async with asyncio.timeout(PATIENCE), consuming(bus, away):
        await tried.wait()


async def test_a_failure_that_passes_is_no_dead_letter(bus: Bus) -> None:
    reader = Reader(ValueError("once"), Invalid("Twice."))
    async with consuming(bus, reader):
        await bus.publish([fact(1)])
        await reader.until(1)
    assert reader.tries == 3
    assert await bus.dead_letters(10) == []


async def test_what_cannot_be_consumed_becomes_a_dead_letter_and_stops_nothing(bus: Bus) -> None:
    reader = Reader(*[Invalid("That is no book.", reason="FILTER_INVALID") for _ in range(5)])
    async with consuming(bus, reader):
        await bus.publish([fact(1), fact(2)])
        assert [r.value for r in await reader.until(1)] == [b"2"]
        await buried(bus)
    [letter] = await bus.dead_letters(10)
    assert letter.group == "readers"
    assert letter.record == fact(1)
    assert (letter.reason, letter.message) == ("FILTER_INVALID", "That is no book.")
    assert letter.attempts == 5
    assert letter.time.tzinfo is not None
    assert not letter.replaying


async def test_a_bug_in_an_effect_is_a_dead_letter_too(bus: Bus) -> None:
    reader = Reader(*[KeyError("nobody") for _ in range(5)])
    async with consuming(bus, reader):
        await bus.publish([fact(1), fact(2)])
        await reader.until(1)
    [letter] = await bus.dead_letters(10)
    assert letter.reason == "INTERNAL_ERROR"
    assert "KeyError" in letter.message


async def test_dead_letters_come_in_pages_and_survive_a_restart(opening: Opening) -> None:
    bus = await opening()
    reader = Reader(*[ValueError(str(n)) for n in range(10)])
    async with consuming(bus, reader):
        await bus.publish([fact(1), fact(2), fact(3)])
        await reader.until(1)
    await bus.close()

    bus = await opening()
    [first] = await bus.dead_letters(1)
    [second] = await bus.dead_letters(1, after=first.id)
    assert [first.record, second.record] == [fact(1), fact(2)]
    assert await bus.dead_letters(10, after=second.id) == []
    assert await bus.dead_letters(0) == []
    reader = Reader()
    async with consuming(bus, reader):
        await bus.publish([fact(4)])
        assert [r.value for r in await reader.until(1)] == [b"4"]
    await bus.close()


async def test_a_replayed_record_goes_to_its_own_group_only(bus: Bus) -> None:
    reader, other = Reader(*[ValueError("not yet") for _ in range(5)]), Reader()
    async with consuming(bus, reader), consuming(bus, other, "others"):
        await bus.publish([fact(1)])
        letter = await buried(bus)
        await other.until(1)
        assert await bus.replay(letter)
        assert await reader.until(1) == [fact(1)]
        await until_letters(bus, lambda found: not found)
        await bus.publish([fact(2)])
        assert await other.until(2) == [fact(1), fact(2)]


async def test_a_replay_that_fails_is_a_dead_letter_again(bus: Bus) -> None:
    reader = Reader(*[ValueError("not yet") for _ in range(5)], *[Invalid("Nor now.")] * 5)
    async with consuming(bus, reader):
        await bus.publish([fact(1)])
        letter = await buried(bus)
        assert await bus.replay(letter)
        await until_letters(bus, lambda found: found[0].message == "Nor now.")
    [again] = await bus.dead_letters(10)
    assert again.id == letter
    assert not again.replaying


async def test_a_replay_waits_for_its_group(opening: Opening) -> None:
    bus = await opening()
    async with consuming(bus, Reader(*[ValueError("not yet")] * 5)):
        await bus.publish([fact(1)])
        letter = await buried(bus)
    assert await bus.replay(letter)
    [waiting] = await bus.dead_letters(10)
    assert waiting.replaying
    await bus.close()

    bus, reader = await opening(), Reader()
    async with consuming(bus, reader):
        assert await reader.until(1) == [fact(1)]
    await bus.close()


async def test_there_is_nothing_to_replay_under_an_unknown_id(bus: Bus) -> None:
    assert not await bus.replay(12345)


@asynccontextmanager
async def consuming_many(
    bus: Bus, effect: EffectOfMany, topics: Iterable[str] = (FACTS,)
) -> AsyncIterator[None]:
    """Consumes many at once meanwhile."""
    task = asyncio.create_task(bus.consume_many("readers", list(topics), effect))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_many_at_once_come_in_order_and_once_where_nothing_fails(bus: Bus) -> None:
    reader = Reader()

    async def effect(records: Sequence[Record]) -> None:
        assert records
        for record in records:
            await reader(record)

    await bus.publish([fact(number) for number in range(700)])
    async with consuming_many(bus, effect):
        await reader.until(700)
        await bus.publish([fact(700)])
        had = await reader.until(701)
    assert [int(record.value) for record in had] == list(range(701))


async def test_of_many_at_once_only_the_bad_one_becomes_a_dead_letter(bus: Bus) -> None:
    had: set[bytes] = set()

    async def effect(records: Sequence[Record]) -> None:
        if any(record.value == b"5" for record in records):
            raise Invalid("That is no book.")
        had.update(record.value for record in records)

    await bus.publish([fact(number) for number in range(10)])
    async with consuming_many(bus, effect):
        [letter] = await until_letters(bus, bool)
        async with asyncio.timeout(PATIENCE):
            while len(had) < 9:  # noqa: ASYNC110 - an effect that tells nobody
                await asyncio.sleep(0.01)
    assert (letter.record.value, letter.attempts) == (b"5", 5)
    assert b"5" not in had


async def test_many_at_once_wait_for_what_is_unavailable(bus: Bus) -> None:
    reader, faults = Reader(), [Unavailable("Away.") for _ in range(3)]

    async def effect(records: Sequence[Record]) -> None:
        if faults:
            raise faults.pop()
        for record in records:
            await reader(record)

    await bus.publish([fact(1), fact(2)])
    async with consuming_many(bus, effect):
        await reader.until(2)
    assert await bus.dead_letters(10) == []


async def test_dead_letters_are_counted_and_discarded(bus: Bus) -> None:
    assert await bus.count_dead_letters() == 0
    reader = Reader(*[ValueError("no")] * 10)
    async with consuming(bus, reader):
        await bus.publish([fact(1), fact(2), fact(3)])
        await reader.until(1)
    first, second = await until_letters(bus, lambda found: len(found) == 2)
    assert await bus.count_dead_letters() == 2
    assert await bus.discard(first.id)
    await until_letters(bus, lambda found: len(found) == 1)
    assert not await bus.discard(first.id)
    assert not await bus.replay(first.id)
    assert [letter.id for letter in await bus.dead_letters(10)] == [second.id]
    assert await bus.count_dead_letters() == 1


async def test_the_dead_letters_of_a_key_are_erased(bus: Bus) -> None:
    async def effect(record: Record) -> None:
        raise ValueError(record.value)

    async with consuming(bus, effect):
        await bus.publish([fact(1), fact(2, "books/b"), fact(3)])
        await until_letters(bus, lambda found: len(found) == 3)
    assert await bus.erase("books/none") == 0
    # In a file, the facts too.
    assert await bus.erase("books/a") >= 2
    letters = await until_letters(bus, lambda found: len(found) == 1)
    assert [letter.record.key for letter in letters] == ["books/b"]


async def test_a_log_in_a_file_forgets_the_facts_of_a_key_but_one(tmp_path: Path) -> None:
    bus = await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock())
    await bus.publish([fact(1), fact(2, "books/b"), state(3, "books/a"), fact(4), fact(5)])
    assert await bus.erase("books/a", but="5") == 2
    reader = Reader()
    async with consuming(bus, reader, topics=(FACTS, STATE)):
        had = await reader.until(3)
    assert sorted(record.value for record in had) == [b"2", b"3", b"5"]
    await bus.close()


async def test_it_can_be_closed_twice(opening: Opening) -> None:
    bus = await opening()
    await bus.close()
    await bus.close()
