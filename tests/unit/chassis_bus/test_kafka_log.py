"""What the bus over Kafka does beyond what every bus promises."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from kafka_topics import admin, own_kafka
from prometheus_client import REGISTRY
from servers import kafka_bootstrap

from chassis.bus import Bus, Record, ensure_topics, open_bus
from chassis.bus.kafka import letters as letters_module
from chassis.clock import SystemClock
from chassis.faults import Invalid, Unavailable

pytestmark = pytest.mark.real_kafka

FACTS = "allocator.books.facts.v1"
STATE = "allocator.books.state.v1"
LETTERS = "allocator.dead-letters.v1"
PATIENCE = 40.0


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Bus]:
    bus = await open_bus(url, SystemClock())
    yield bus
    await bus.close()


@asynccontextmanager
async def meanwhile(coroutine: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(coroutine)
    yield
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Reader:
    """An effect that keeps what it had, and can be waited for."""

    def __init__(self) -> None:
        self.had: list[Record] = []
        self._more = asyncio.Condition()

    async def __call__(self, record: Record) -> None:
        async with self._more:
            self.had.append(record)
            self._more.notify_all()

    async def until(self, count: int) -> list[Record]:
        async with asyncio.timeout(PATIENCE), self._more:
            await self._more.wait_for(lambda: len(self.had) >= count)
            return self.had


def fact(number: int, key: str = "books/a") -> Record:
    return Record(FACTS, key, str(number).encode(), {"version": str(number)})


def name(url: str, topic: str) -> str:
    return f"{url.rsplit('/', 1)[1].partition('?')[0]}.{topic}"


async def until(settled: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await settled():  # noqa: ASYNC110 - asks a server
            await asyncio.sleep(0.05)


def settings_of(topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    client = admin()
    entries = client.describe_configs([resource])[resource].result(PATIENCE)
    return {key: entry.value for key, entry in entries.items()}


def partitions_of(topic: str) -> int:
    return len(admin().list_topics(timeout=PATIENCE).topics[topic].partitions)


async def test_topics_are_made_once_by_many_and_kept_as_they_should_be() -> None:
    async with own_kafka() as url:
        week = timedelta(days=7)
        made = [ensure_topics(url, ["books"], partitions=2, retention=week) for _ in range(5)]
        await asyncio.gather(*made)
        facts, state = settings_of(name(url, FACTS)), settings_of(name(url, STATE))
        assert (facts["cleanup.policy"], facts["retention.ms"]) == ("delete", "604800000")
        assert state["cleanup.policy"] == "compact"
        assert settings_of(name(url, LETTERS))["cleanup.policy"] == "compact"
        assert int(facts["max.message.bytes"]) > 1_100_000
        assert [partitions_of(name(url, one)) for one in (FACTS, STATE, LETTERS)] == [2, 2, 1]


async def test_partitions_of_facts_are_raised_and_never_lowered() -> None:
    async with own_kafka() as url:
        await ensure_topics(url, ["books"], partitions=2)
        raised = [
            ensure_topics(url, ["books"], partitions=4, retention=timedelta(days=1))
            for _ in range(3)
        ]
        await asyncio.gather(*raised)
        # A key would leave its last state behind in a partition that is not its own any more.
        assert [partitions_of(name(url, one)) for one in (FACTS, STATE, LETTERS)] == [4, 2, 1]

        async def is_kept_for_a_day() -> bool:
            # The controller has it; the broker that is asked here hears of it a moment later.
            return settings_of(name(url, FACTS))["retention.ms"] == "86400000"

        await until(is_kept_for_a_day)
        await ensure_topics(url, ["books"], partitions=1)
        assert [partitions_of(name(url, one)) for one in (FACTS, STATE, LETTERS)] == [4, 2, 1]


async def test_more_copies_than_brokers_are_refused_with_a_word_of_what_to_do() -> None:
    async with own_kafka() as url:
        with pytest.raises(Invalid, match="ALLOCATOR_BUS_REPLICATION"):
            await ensure_topics(url, ["books"], replication=3)


async def test_a_log_in_a_file_needs_no_topics(tmp_path: Any) -> None:
    await ensure_topics(f"sqlite:///{tmp_path}/bus.sqlite3", ["books"])
    assert list(tmp_path.iterdir()) == []


async def test_publishing_on_a_topic_that_is_not_there_says_what_to_do() -> None:
    async with own_kafka() as url, opened(url) as bus:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="allocctl migrate"):
            await bus.publish([fact(1)])
        assert time.monotonic() - began < 20
        with pytest.raises(Unavailable, match="allocctl migrate"):
            await bus.dead_letters(10)


async def test_topics_that_come_later_are_consumed_and_tailed() -> None:
    consumer, news, started = Reader(), Reader(), asyncio.Event()
    async with (
        own_kafka() as url,
        opened(url) as bus,
        meanwhile(bus.consume("readers", [FACTS], consumer)),
        meanwhile(bus.tail([FACTS], news, started)),
    ):
        await asyncio.wait_for(started.wait(), PATIENCE)
        await ensure_topics(url, ["books"], partitions=2)
        await bus.publish([fact(1), fact(2)])
        assert await consumer.until(2) == await news.until(2) == [fact(1), fact(2)]


async def test_partitions_that_come_later_are_consumed_and_tailed() -> None:
    consumer, news, started = Reader(), Reader(), asyncio.Event()
    records = [fact(1, f"books/{number}") for number in range(50)]
    async with (
        own_kafka("books", partitions=1) as url,
        opened(url) as bus,
        meanwhile(bus.consume("readers", [FACTS], consumer)),
        meanwhile(bus.tail([FACTS], news, started)),
    ):
        await asyncio.wait_for(started.wait(), PATIENCE)
        await bus.publish([fact(0)])
        await consumer.until(1)
        await ensure_topics(url, ["books"], partitions=4)
        async with opened(url) as other:
            await other.publish(records)
        for reader in (consumer, news):
            assert sorted((await reader.until(51))[1:], key=str) == sorted(records, key=str)


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("max.poll.interval.ms=2000", 7),
        ("group.protocol=classic&session.timeout.ms=6000&max.poll.interval.ms=6000", 9),
    ],
    ids=["consumer", "classic"],
)
async def test_a_record_that_waits_stops_neither_other_partitions_nor_its_place_in_the_group(
    query: str, seconds: float
) -> None:
    tries, away = 0, True
    had: defaultdict[str, list[int]] = defaultdict(list)
    everything = asyncio.Event()

    async def effect(record: Record) -> None:
        nonlocal tries
        if record.key == "books/a" and record.value == b"0":
            tries += 1
            if away:
                raise Unavailable("The store is away; try again.")
        had[record.key].append(int(record.value))
        if sum(map(len, had.values())) == 4000:
            everything.set()

    async def tells_its_lag() -> bool:
        labels = {"group": "patient", "topic": FACTS}
        return REGISTRY.get_sample_value("allocator_bus_lag_records", labels) == 2000

    async with (
        own_kafka("books", query=query) as url,
        opened(url) as bus,
        meanwhile(bus.consume("patient", [FACTS], effect)),
    ):
        for number in range(0, 2000, 500):
            for key in ("books/a", "books/b"):
                await bus.publish([fact(one, key) for one in range(number, number + 500)])
        # Longer than a member that does not poll is borne.
        await asyncio.sleep(seconds)
        await until(tells_its_lag)
        away = False
        await asyncio.wait_for(everything.wait(), PATIENCE)
    # Each came once, so the member was never thought to be gone.
    assert had == {"books/a": list(range(2000)), "books/b": list(range(2000))}
    assert tries > 5


async def test_a_backlog_waits_on_the_bus_and_comes_whole_and_in_order() -> None:
    go = asyncio.Event()
    had: list[int] = []
    everything = asyncio.Event()

    async def effect(record: Record) -> None:
        await go.wait()
        had.append(int(record.value[:8]))
        if len(had) == 6000:
            everything.set()

    async with own_kafka("books", partitions=1) as url, opened(url) as bus:
        async with meanwhile(bus.consume("readers", [FACTS], effect)):
            for start in range(0, 6000, 500):
                await bus.publish(
                    [
                        Record(FACTS, "books/a", f"{number:08}".encode() + bytes(2000))
                        for number in range(start, start + 500)
                    ]
                )
            go.set()
            await asyncio.wait_for(everything.wait(), PATIENCE)
        assert had == list(range(6000))


async def test_what_others_write_on_the_topics_stops_nothing() -> None:
    async with own_kafka("books", partitions=1) as url, opened(url) as bus:
        producer = Producer({"bootstrap.servers": kafka_bootstrap()})
        rubbish = {"key": b"\xff\xfe", "headers": [("ce-type", b"\xff"), ("none", None)]}
        producer.produce(name(url, FACTS), b"\xff", **rubbish)
        producer.produce(name(url, FACTS), None)
        producer.produce(name(url, LETTERS), b"\xff", **rubbish)
        broken = [("dead-letter-group", b"readers"), ("dead-letter-attempts", b"many")]
        producer.produce(name(url, LETTERS), b"x", b"y", headers=broken)
        producer.flush(PATIENCE)
        reader = Reader()
        async with meanwhile(bus.consume("readers", [FACTS], reader)):
            await bus.publish([fact(1)])
            had = await reader.until(3)
        assert [record.value for record in had] == [b"\xff", b"", b"1"]
        assert had[0].headers == {"ce-type": "\ufffd", "none": ""}
        assert await bus.dead_letters(10) == []


async def test_dead_letters_outlive_compaction_under_their_ids() -> None:
    async def effect(record: Record) -> None:
        raise Invalid(f"Not {record.value.decode()}.")

    async with own_kafka("books", partitions=1) as url, opened(url) as bus:
        topic = name(url, LETTERS)
        quick = {
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "0",
        }
        change = ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in quick.items()
            ],
        )
        client = admin()
        client.incremental_alter_configs([change])[change].result(PATIENCE)

        async def there() -> bool:
            return len(await bus.dead_letters(10)) == 3

        async with meanwhile(bus.consume("readers", [FACTS], effect)):
            await bus.publish([fact(number) for number in range(3)])
            await until(there)
            letters = await bus.dead_letters(10)

            async def failed_again() -> bool:
                [first] = await bus.dead_letters(1)
                return not first.replaying and first.time > letters[0].time

            for _ in range(3):
                assert await bus.replay(letters[0].id)
                await until(failed_again)
                letters = await bus.dead_letters(10)

        async def compacted() -> bool:
            # Each message that comes starts a new segment, since the former one is old enough.
            await bus.replay(letters[2].id)
            return await asyncio.to_thread(first_offset_read, topic) > 0

        await until(compacted)
        async with opened(url) as other:
            found = await other.dead_letters(10)
        assert [one.id for one in found] == [one.id for one in letters]
        assert [one.record for one in found] == [fact(number) for number in range(3)]


def first_offset_read(topic: str) -> int:
    """The offset of the first message that is still there."""
    config = {"bootstrap.servers": kafka_bootstrap(), "group.id": topic}
    consumer = Consumer(config)
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(PATIENCE)
    consumer.close()
    assert message is not None
    return message.offset() or 0


async def test_letters_that_are_too_large_to_hold_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(letters_module, "_HELD_BYTES", 10)
    monkeypatch.setattr(letters_module, "_NEAR", 2)

    async def effect(_record: Record) -> None:
        raise ValueError

    async with own_kafka("books", partitions=1) as url, opened(url) as bus:
        records = [fact(number, f"books/{number % 5}") for number in range(12)]

        async def there() -> bool:
            return len(await bus.dead_letters(100)) == 12

        async with meanwhile(bus.consume("readers", [FACTS], effect)):
            await bus.publish(records)
            await until(there)
        ids = [letter.id for letter in await bus.dead_letters(100)]
        assert ids == sorted(set(ids))
        for number in (1, 5, 6, 9):
            [letter] = await bus.dead_letters(1, after=ids[number] - 1)
            assert letter.record == records[number]
        assert await bus.replay(ids[8])
        found = await bus.dead_letters(100)
        assert [letter.record for letter in found] == records
        assert [letter.id for letter in found if letter.replaying] == [ids[8]]


async def test_a_letter_of_a_topic_that_a_member_does_not_know_is_left_alone() -> None:
    reader = Reader()

    async def effect(_record: Record) -> None:
        raise ValueError

    async with own_kafka("books", "shops") as url, opened(url) as bus:

        async def there() -> bool:
            return bool(await bus.dead_letters(10))

        async def put_back() -> bool:
            return not (await bus.dead_letters(10))[0].replaying

        async with meanwhile(bus.consume("readers", [FACTS], effect)):
            await bus.publish([fact(1)])
            await until(there)
        [letter] = await bus.dead_letters(10)
        assert await bus.replay(letter.id)
        async with meanwhile(bus.consume("readers", ["allocator.shops.facts.v1"], reader)):
            await until(put_back)
        assert reader.had == []
        assert await bus.dead_letters(10) == [letter]


async def test_what_is_published_consumed_and_given_up_is_counted() -> None:
    def value(metric: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"allocator_bus_{metric}", labels) or 0.0

    async def effect(record: Record) -> None:
        if record.value == b"2":
            raise ValueError

    async with own_kafka("books", partitions=1) as url, opened(url) as bus:
        before = value("published_total"), value("consumed_total", group="counters")

        async def counted() -> bool:
            return value("consumed_total", group="counters") == before[1] + 3

        async with meanwhile(bus.consume("counters", [FACTS], effect)):
            await bus.publish([fact(1), fact(2), fact(3)])
            await until(counted)
        assert value("published_total") == before[0] + 3
        assert value("dead_letters_total", group="counters") == 1
        assert value("lag_records", group="counters", topic=FACTS) == 0


async def test_an_unknown_setting_is_refused_without_the_others() -> None:
    with pytest.raises(ValueError, match="bus") as refused:
        await open_bus("kafka://127.0.0.1:9?no.such=1&sasl.password=horse", SystemClock())
    assert "horse" not in str(refused.value)
