"""Dead letters on Kafka: a compacted topic with one partition.

A letter has a key made of where its record is and which group could not consume it, so that a record
that is given up twice, by a process that ends in between, is one letter. Its messages are, one after
the other: kept, replaying, kept again or gone (a tombstone). Its id is the place of the first one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from chassis.bus.delivery import Rejection, backoff
from chassis.bus.kafka.address import Address
from chassis.bus.kafka.faults import AT_END, TIMED_OUT, error_of, unavailable
from chassis.bus.kafka.messages import Headers, Outgoing, bytes_of, headers_of
from chassis.bus.kafka.publishing import Publisher
from chassis.bus.port import DEAD_LETTERS, DeadLetter, Record
from chassis.clock import Clock
from chassis.clock.instants import rfc3339
from chassis.faults import Unavailable

_MARK = "dead-letter-"
_ANSWER = 5.0
_ASKED_AGAIN = 0.25
_DEADLINE = 10.0
_HELD_BYTES = 16 * 2**20
_NEAR = 200
_PAGE = 500

_log = structlog.get_logger("chassis.bus")


class Kept(NamedTuple):
    """A letter as it is on its topic.

    Attributes:
        key: of its messages.
        letter: what it says.
    """

    key: bytes
    letter: DeadLetter


class Letters:
    """The dead letters of all groups.

    Args:
        address: where Kafka is.
        publisher: how they get there.
        clock: for their times and the delays of retries.

    Attributes:
        topic: as it is called on the cluster.
    """

    def __init__(self, address: Address, publisher: Publisher, clock: Clock) -> None:
        self.topic = address.name(DEAD_LETTERS)
        self._publisher = publisher
        self._clock = clock
        self._shelf = _Shelf(address, self.topic)
        self._one_at_a_time = asyncio.Lock()

    async def bury(self, group: str, record: Record, origin: str, rejection: Rejection) -> None:
        """Keeps a record that a group could not consume; waits for as long as that takes.

        Args:
            group: whose effect failed.
            record: which record.
            origin: where it is: topic, partition and offset, joined by slashes.
            rejection: why.
        """
        letter = DeadLetter(
            id=0,
            group=group,
            record=record,
            reason=rejection.reason,
            message=rejection.message,
            attempts=rejection.attempts,
            time=self._clock.now(),
        )
        await self._patiently(self._message(f"{origin}/{group}".encode(), letter))

    async def settle(self, kept: Kept, rejection: Rejection | None) -> None:
        """Removes a letter that was consumed, or keeps why it failed again; waits as `bury` does."""
        if rejection is None:
            await self._patiently(Outgoing(self.topic, kept.key, None, []))
            return
        letter = replace(
            kept.letter,
            reason=rejection.reason,
            message=rejection.message,
            attempts=rejection.attempts,
            time=self._clock.now(),
            replaying=False,
        )
        await self._patiently(self._message(kept.key, letter))

    async def put_back(self, kept: Kept) -> None:
        """Has a letter not wait for its replay any more; waits as `bury` does."""
        await self._patiently(self._message(kept.key, replace(kept.letter, replaying=False)))

    async def page(self, limit: int, after: int) -> list[DeadLetter]:
        """A page of the letters.

        Raises:
            Unavailable: Kafka does not answer.
        """
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._shelf.page, limit, after)
        return [kept.letter for kept in found]

    async def mark_for_replay(self, letter: int) -> bool:
        """Has a letter consumed again; says whether there is such a letter.

        Raises:
            Unavailable: Kafka does not answer.
        """
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._shelf.page, 1, letter - 1)
            if not found or found[0].letter.id != letter:
                return False
            kept = found[0]
            if not kept.letter.replaying:
                message = self._message(kept.key, replace(kept.letter, replaying=True))
                await self._publisher.publish([message])
            return True

    async def count(self) -> int:
        """How many letters there are.

        Raises:
            Unavailable: Kafka does not answer.
        """
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._shelf.count)

    async def discard(self, letter: int) -> bool:
        """Removes a letter; says whether it was there.

        Raises:
            Unavailable: Kafka does not answer.
        """
        async with self._one_at_a_time:
            found = await asyncio.to_thread(self._shelf.page, 1, letter - 1)
            if not found or found[0].letter.id != letter:
                return False
            await self._publisher.publish([Outgoing(self.topic, found[0].key, None, [])])
            return True

    async def erase(self, key: str) -> int:
        """Removes the letters about a key; says how many there were.

        Raises:
            Unavailable: Kafka does not answer.
        """
        erased = after = 0
        async with self._one_at_a_time:
            while found := await asyncio.to_thread(self._shelf.page, _PAGE, after):
                after = found[-1].letter.id
                gone = [one.key for one in found if one.letter.record.key == key]
                if gone:
                    await self._publisher.publish(
                        [Outgoing(self.topic, of_it, None, []) for of_it in gone]
                    )
                    erased += len(gone)
        return erased

    async def close(self) -> None:
        """Closes what it reads with."""
        async with self._one_at_a_time:
            await asyncio.to_thread(self._shelf.close)

    def _message(self, key: bytes, letter: DeadLetter) -> Outgoing:
        facts = {
            "id": str(letter.id) if letter.id else "",
            "group": letter.group,
            "topic": letter.record.topic,
            "key": letter.record.key,
            "reason": letter.reason,
            "message": letter.message,
            "attempts": str(letter.attempts),
            "time": rfc3339(letter.time),
            "replaying": "true" if letter.replaying else "",
        }
        headers: Headers = [(_MARK + name, value) for name, value in facts.items()]
        headers += letter.record.headers.items()
        # Empty, not None: the letter of a tombstone is no tombstone.
        return Outgoing(self.topic, key, letter.record.value, headers)

    async def _patiently(self, message: Outgoing) -> None:
        waits = 0
        while True:
            try:
                await self._publisher.publish([message])
            except Unavailable as fault:
                waits += 1
                _log.warning("a dead letter waits for the bus", reason=fault.reason)
                await self._clock.sleep(max(backoff(waits), fault.retry_after or 0.0))
            else:
                return


class _Shelf:
    """Where every letter is, and some of the letters; used by one thread at a time.

    It follows the topic from its beginning, without a group.
    """

    def __init__(self, address: Address, topic: str) -> None:
        self._config = address.for_reader("dead-letters") | {"enable.partition.eof": True}
        self._topic = topic
        self._consumer: Consumer | None = None
        self._next = 0
        self._reads_on = False
        self._places: dict[bytes, tuple[int, int]] = {}
        self._held: dict[int, Kept] = {}
        self._held_bytes = 0

    def page(self, limit: int, after: int) -> list[Kept]:
        """The first letters after an id, as they are now."""
        try:
            self._catch_up()
            later = sorted(place for place in self._places.values() if place[0] > after)
            offsets = [offset for _, offset in later[:limit]]
            missing = [offset for offset in offsets if offset not in self._held]
            found = self._held | self._fetched(missing)
        except KafkaException as exception:
            raise unavailable(error_of(exception)) from None
        return [found[offset] for offset in offsets if offset in found]

    def count(self) -> int:
        """How many letters there are."""
        try:
            self._catch_up()
        except KafkaException as exception:
            raise unavailable(error_of(exception)) from None
        return len(self._places)

    def close(self) -> None:
        """Closes the client."""
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _client(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(self._config)
        return self._consumer

    def _catch_up(self) -> None:
        consumer = self._client()
        end = self._end(consumer)
        if self._next >= end:
            return
        if not self._reads_on:
            consumer.assign([TopicPartition(self._topic, 0, self._next)])
            self._reads_on = True
        for message in self._messages(consumer, end):
            self._note(message)

    def _end(self, consumer: Consumer) -> int:
        # Soon after a topic was made, or has gone over to another server, nobody knows who has it.
        partition, until = TopicPartition(self._topic, 0), time.monotonic() + _ANSWER
        while True:
            try:
                return int(consumer.get_watermark_offsets(partition, timeout=_ANSWER)[1])
            except KafkaException:
                if time.monotonic() >= until:
                    raise
                time.sleep(_ASKED_AGAIN)

    def _messages(self, consumer: Consumer, end: int) -> Iterator[Message]:
        waits = 0.0
        while self._next < end:
            message = consumer.poll(0.5)
            if message is None:
                waits += 0.5
                if waits > _DEADLINE:
                    raise KafkaException(KafkaError(TIMED_OUT))
                continue
            error = message.error()
            if error is None:
                self._next = (message.offset() or 0) + 1
                yield message
            elif error.code() == AT_END:
                # Compaction may have left nothing before the end.
                self._next = max(self._next, message.offset() or 0)
            else:
                raise KafkaException(error)

    def _note(self, message: Message) -> None:
        key, offset = bytes_of(message.key()), message.offset() or 0
        known = self._places.pop(key, None)
        if known is not None and (former := self._held.pop(known[1], None)) is not None:
            self._held_bytes -= len(former.letter.record.value)
        kept = letter_of(message, 0 if known is None else known[0])
        if kept is None:
            return
        self._places[key] = (kept.letter.id, offset)
        if self._held_bytes + len(kept.letter.record.value) <= _HELD_BYTES:
            self._held[offset] = kept
            self._held_bytes += len(kept.letter.record.value)

    def _fetched(self, offsets: Sequence[int]) -> dict[int, Kept]:
        """The letters at these offsets; those that compaction has removed meanwhile are left out."""
        found: dict[int, Kept] = {}
        consumer, position = self._client(), -1
        ids = {offset: number for number, offset in self._places.values()}
        for offset in sorted(offsets):
            if not 0 <= offset - position <= _NEAR or position < 0:
                consumer.assign([TopicPartition(self._topic, 0, offset)])
                self._reads_on = False
                position = offset
            while position <= offset:
                message = consumer.poll(_ANSWER)
                if message is None:
                    raise KafkaException(KafkaError(TIMED_OUT))
                if (error := message.error()) is not None:
                    if error.code() != AT_END:
                        raise KafkaException(error)
                    break
                position = (message.offset() or 0) + 1
                if position == offset + 1 and (kept := letter_of(message, ids[offset])):
                    found[offset] = kept
        return found


def letter_of(message: Message, known_id: int = 0) -> Kept | None:
    """The letter in a message of the topic; None for a tombstone and for what is no letter.

    Args:
        message: of the topic.
        known_id: of the letter, where it is known from an earlier message.
    """
    headers = headers_of(message)
    if message.value() is None or _MARK + "group" not in headers:
        return None
    facts = {name.removeprefix(_MARK): v for name, v in headers.items() if name.startswith(_MARK)}
    try:
        letter = DeadLetter(
            id=int(facts["id"] or 0) or known_id or (message.offset() or 0) + 1,
            group=facts["group"],
            record=Record(
                facts["topic"],
                facts["key"],
                bytes_of(message.value()),
                {name: value for name, value in headers.items() if not name.startswith(_MARK)},
            ),
            reason=facts["reason"],
            message=facts["message"],
            attempts=int(facts["attempts"]),
            time=datetime.fromisoformat(facts["time"]),
            replaying=facts["replaying"] == "true",
        )
    except (KeyError, ValueError):
        return None
    return Kept(bytes_of(message.key()), letter)
