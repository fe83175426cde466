"""Reading what is published from now on, without a group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from chassis.bus.delivery import backoff
from chassis.bus.kafka.address import Address
from chassis.bus.kafka.faults import error_of
from chassis.bus.kafka.messages import record_of
from chassis.bus.kafka.threads import ClientThread
from chassis.bus.port import Effect, tell_of
from chassis.clock import Clock

_WAIT = 0.1
_BATCH = 500
_ANSWER = 5.0
_LOOK_EVERY = 5.0
_LOOK_OFTEN = 0.5

_log = structlog.get_logger("chassis.bus")


class Tail:
    """Gives every record that is published from its start on to an effect.

    Args:
        address: where Kafka is.
        topics: which ones.
        effect: what to do with each record.
        started: set once nothing that is published can be missed.
        clock: for the delays of retries.
    """

    def __init__(
        self,
        address: Address,
        topics: Sequence[str],
        effect: Effect,
        started: asyncio.Event | None,
        clock: Clock,
    ) -> None:
        self._address = address
        self._names = [address.name(topic) for topic in dict.fromkeys(topics)]
        self._effect = effect
        self._started = started
        self._clock = clock
        # Where each partition is read next; kept when the client is made anew.
        self._next: dict[tuple[str, int], int] = {}
        self._begun = False

    async def run(self) -> None:
        """Reads until it is cancelled; when the client breaks, a new one goes on where it was."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._session()
            except KafkaException as exception:
                failures = 1 if self._clock.monotonic() - began > _LOOK_EVERY * 2 else failures + 1
                _log.warning("news wait for the bus", error=error_of(exception).name())
                await self._clock.sleep(backoff(failures))

    async def _session(self) -> None:
        thread = ClientThread("bus tail", lambda: self._poll(thread))
        thread.start()
        try:
            await thread.ended()
        finally:
            await thread.stop()

    def _poll(self, thread: ClientThread) -> None:
        consumer = Consumer(self._address.for_reader("tail"))
        try:
            everything_there = self._look(consumer)
            if not self._begun:
                self._begun = True
                if self._started is not None:
                    thread.tell(self._started.set)
            self._assign(consumer)
            looked = time.monotonic()
            while not thread.stopping.is_set():
                pause = _LOOK_EVERY if everything_there else _LOOK_OFTEN
                if time.monotonic() - looked > pause:
                    known = len(self._next)
                    everything_there = self._look_patiently(consumer, everything_there)
                    if len(self._next) > known:
                        self._assign(consumer)
                    looked = time.monotonic()
                first = consumer.poll(_WAIT)
                if first is not None:
                    messages = [first, *consumer.consume(_BATCH, timeout=0)]
                    # The next ones are asked for when these are done: so nothing piles up.
                    thread.ask(self._take(self._good(messages)))
        finally:
            consumer.close()

    def _look_patiently(self, consumer: Consumer, before: bool) -> bool:
        try:
            return self._look(consumer)
        except KafkaException:
            return before

    def _look(self, consumer: Consumer) -> bool:
        """Finds partitions that are not read yet; says whether every topic exists."""
        everything_there = True
        for name in self._names:
            there = consumer.list_topics(name, timeout=_ANSWER).topics.get(name)
            if there is None or there.error is not None or not there.partitions:
                everything_there = False
                continue
            for number in there.partitions:
                place = (name, number)
                if place in self._next:
                    continue
                if self._begun:
                    # It was made since; everything in it is new.
                    self._next[place] = 0
                else:
                    _, end = consumer.get_watermark_offsets(
                        TopicPartition(name, number), timeout=_ANSWER
                    )
                    self._next[place] = end
        return everything_there

    def _assign(self, consumer: Consumer) -> None:
        places = self._next.items()
        consumer.assign([TopicPartition(topic, number, at) for (topic, number), at in places])

    def _good(self, messages: list[Message]) -> list[Message]:
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            elif error.fatal():
                raise KafkaException(error)
        return good

    async def _take(self, messages: list[Message]) -> None:
        for message in messages:
            place = (message.topic() or "", message.partition() or 0)
            await tell_of(record_of(message, self._address), self._effect)
            self._next[place] = (message.offset() or 0) + 1
