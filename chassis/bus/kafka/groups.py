"""A member of a consumer group."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from functools import partial

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from chassis.bus.delivery import backoff, deliver
from chassis.bus.kafka.address import Address
from chassis.bus.kafka.letters import Letters, letter_of
from chassis.bus.kafka.messages import record_of
from chassis.bus.kafka.partitions import Assigned, Requests
from chassis.bus.kafka.threads import ClientThread, Stopping
from chassis.bus.kafka.topics import hasten_group
from chassis.bus.metrics import GroupMetrics
from chassis.bus.port import Effect
from chassis.clock import Clock

_WAIT = 0.05
_BATCH = 500
_BATCHES_ON_THEIR_WAY = 4
_GRACE = 5.0
_RELEASE_SECONDS = 20.0
_LAG_EVERY = 5.0
_END_SECONDS = 1.0
_LONG = 60.0

_log = structlog.get_logger("chassis.bus")


class Member:
    """Consumes some partitions of topics, as one of a group.

    A thread polls the client, whatever the effects do; each partition that the group gives to this
    member has a task in the loop. The topic of dead letters is consumed beside the others: it has one
    partition, so one member of the group has the letters that wait for their replay.

    Args:
        address: where Kafka is.
        group: its name.
        topics: which ones.
        effect: what to do with each record.
        letters: where records go that cannot be consumed.
        clock: for the delays of retries.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        address: Address,
        group: str,
        topics: Sequence[str],
        effect: Effect,
        letters: Letters,
        clock: Clock,
    ) -> None:
        self._address = address
        self._group = group
        self._topics = tuple(dict.fromkeys(topics))
        self._effect = effect
        self._letters = letters
        self._clock = clock
        self._metrics = GroupMetrics(group, self._topics)
        self._assigned: dict[tuple[str, int], Assigned] = {}
        self._requests = Requests()
        self._hastened = address.settings.get("group.protocol") == "classic"
        self._ending = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._room = threading.Semaphore(_BATCHES_ON_THEIR_WAY)
        self._last_error = 0

    async def run(self) -> None:
        """Consumes until it is cancelled; when the client breaks, a new one is made."""
        failures = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._session()
            except Exception as error:  # noqa: BLE001 - nothing may be lost, so nothing gives up
                if self._clock.monotonic() - began > _LONG:
                    failures = 0
                failures += 1
                _log.error(
                    "a consumer is made anew",
                    group=self._group,
                    error=str(error),
                    exc_info=not isinstance(error, KafkaException),
                )
                await self._clock.sleep(backoff(failures))

    async def _session(self) -> None:
        self._room = threading.Semaphore(_BATCHES_ON_THEIR_WAY)
        self._requests = Requests()
        self._ending = False
        thread = ClientThread(f"bus {self._group}", lambda: self._poll(thread))
        self._broken = thread.loop.create_future()
        thread.start()
        ended = asyncio.ensure_future(thread.ended())
        try:
            await asyncio.wait({ended, self._broken}, return_when=asyncio.FIRST_COMPLETED)
            (ended if ended.done() else self._broken).result()
        finally:
            ended.cancel()
            # Cancelled, or broken: what has begun is given up before the partitions are.
            self._ending = True
            await self._release(list(self._assigned), 0.0)
            await thread.stop()
            self._metrics.forget()

    def _poll(self, thread: ClientThread) -> None:
        """What the thread does: everything that is done with the client."""
        if not self._hastened:
            self._hastened = True
            hasten_group(self._address, self._group)
        consumer = Consumer(self._address.for_group(self._group))
        try:
            consumer.subscribe(
                [*map(self._address.name, self._topics), self._letters.topic],
                on_assign=partial(self._on_assign, thread),
                on_revoke=partial(self._on_revoke, thread, _GRACE),
                on_lost=partial(self._on_revoke, thread, 0.0),
            )
            looked = time.monotonic()
            while not thread.stopping.is_set():
                if time.monotonic() - looked > _LAG_EVERY:
                    looked = time.monotonic()
                    self._look_at_lag(consumer, thread)
                self._requests.serve(consumer)
                first = consumer.poll(_WAIT)
                if first is not None:
                    # What else is there already, without waiting for more.
                    self._hand_over(thread, [first, *consumer.consume(_BATCH, timeout=0)])
            # Closing commits what is stored.
            self._requests.serve(consumer)
        finally:
            consumer.close()

    def _hand_over(self, thread: ClientThread, messages: list[Message]) -> None:
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                good.append(message)
            else:
                self._note_error(error)
        if not good:
            return
        while not self._room.acquire(timeout=_WAIT):
            if thread.stopping.is_set():
                return
        thread.tell(self._take, good)

    def _note_error(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaException(error)
        if error.code() != self._last_error:
            self._last_error = error.code()
            _log.warning(
                "a consumer meets an error", group=self._group, error=error.name(), why=error.str()
            )

    def _on_assign(
        self, thread: ClientThread, _consumer: Consumer, given: list[TopicPartition]
    ) -> None:
        thread.tell(self._assign, [(one.topic, one.partition) for one in given])

    def _on_revoke(
        self, thread: ClientThread, grace: float, consumer: Consumer, taken: list[TopicPartition]
    ) -> None:
        # The client gives the partitions away, with what is stored, once this returns.
        if thread.stopping.is_set():
            return
        places = [(one.topic, one.partition) for one in taken]
        try:
            thread.ask(self._release(places, grace), _RELEASE_SECONDS)
        except Stopping:
            return
        except TimeoutError:
            _log.error("a partition was taken from an effect that does not end", group=self._group)
        self._requests.serve(consumer)

    def _assign(self, places: list[tuple[str, int]]) -> None:
        for place in places:
            if place not in self._assigned and not self._ending:
                self._assigned[place] = Assigned(self._requests, place, self._consume, self._break)

    def _break(self, error: Exception) -> None:
        if not self._broken.done():
            self._broken.set_exception(error)

    async def _release(self, places: list[tuple[str, int]], grace: float) -> None:
        going = [one for place in places if (one := self._assigned.pop(place, None)) is not None]
        await asyncio.gather(*(one.release(grace) for one in going))

    def _take(self, messages: list[Message]) -> None:
        self._room.release()
        for message in messages:
            assigned = self._assigned.get((message.topic() or "", message.partition() or 0))
            if assigned is not None:
                assigned.add(message)

    async def _consume(self, assigned: Assigned, message: Message) -> None:
        if message.topic() == self._letters.topic:
            await self._consume_letter(assigned, message)
            return
        record = record_of(message, self._address)
        rejection = await deliver(self._group, record, assigned.guard(self._effect), self._clock)
        if rejection is not None:
            origin = f"{record.topic}/{message.partition()}/{message.offset()}"
            await self._letters.bury(self._group, record, origin, rejection)
            self._metrics.buried()
        self._metrics.consumed()

    async def _consume_letter(self, assigned: Assigned, message: Message) -> None:
        kept = letter_of(message)
        if kept is None or kept.letter.group != self._group or not kept.letter.replaying:
            return
        record = kept.letter.record
        if record.topic not in self._topics:
            # A member of an older version does not know it: its effect would pass it over.
            await self._letters.put_back(kept)
            return
        rejection = await deliver(self._group, record, assigned.guard(self._effect), self._clock)
        await self._letters.settle(kept, rejection)

    def _look_at_lag(self, consumer: Consumer, thread: ClientThread) -> None:
        """Asks the client how far the partitions reach; the cluster for those that it does not fetch."""
        behind = dict.fromkeys(self._topics, 0)
        answers = True
        for one in consumer.assignment():
            topic = self._address.own(one.topic)
            assigned = self._assigned.get((one.topic, one.partition))
            if topic not in behind or assigned is None or assigned.done < 0:
                continue
            _, end = consumer.get_watermark_offsets(one, cached=True)
            if assigned.paused and answers:
                try:
                    _, end = consumer.get_watermark_offsets(one, timeout=_END_SECONDS)
                except KafkaException:
                    # It is not asked for the others as well: each would wait as long.
                    answers = False
            behind[topic] += max(0, end - assigned.done)
        thread.tell(self._metrics.lags, behind)
