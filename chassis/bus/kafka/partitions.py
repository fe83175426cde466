"""One partition that a member of a group has been given."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from chassis.bus.port import Effect, Record

_MANY = 1000
_FEW = 200
_MANY_BYTES = 4 * 2**20
_TURN = 0.01
_CANCEL_SECONDS = 10.0

_log = structlog.get_logger("chassis.bus")


class Released(BaseException):
    """The partition goes to another member; what is in hand is given up and comes again there.

    Not an `Exception`: nothing that tries again may catch it.
    """


class Requests:
    """What the loop asks of the client.

    Only the thread that polls may touch it: every other one can wait for the client's lock for minutes
    (confluent-kafka 2.16), the event loop with it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Message | tuple[bool, TopicPartition]] = deque()

    def store(self, message: Message) -> None:
        """Has it kept that a message, and all before it in its partition, are consumed."""
        self._waiting.append(message)

    def pause(self, place: tuple[str, int]) -> None:
        """Has nothing more of a partition fetched."""
        self._waiting.append((True, TopicPartition(*place)))

    def resume(self, place: tuple[str, int]) -> None:
        """Has a partition fetched again."""
        self._waiting.append((False, TopicPartition(*place)))

    def serve(self, consumer: Consumer) -> None:
        """Does what is asked for; in the thread that polls."""
        newest: dict[tuple[str | None, int | None], Message] = {}
        while self._waiting:
            asked = self._waiting.popleft()
            if isinstance(asked, Message):
                newest[asked.topic(), asked.partition()] = asked
                continue
            is_pause, place = asked
            # Of a partition that has gone meanwhile, nothing is left to do.
            with suppress(KafkaException):
                (consumer.pause if is_pause else consumer.resume)([place])
        for message in newest.values():
            with suppress(KafkaException):
                consumer.store_offsets(message=message)


class Assigned:
    """Consumes the messages of one partition, one after the other, in a task of its own.

    What waits is bounded: a partition that has too much is paused, so that the others go on and the
    consumer is polled all the same.

    Args:
        requests: what is asked of the client.
        place: its topic, as on the cluster, and its number.
        each: what to do with a message; it may use `guard`.
        broken: is told what `each` raised; nothing more of the partition is consumed then.

    Attributes:
        done: the offset up to which everything is consumed; -1 before the first has come.
        paused: whether nothing is fetched at present, since too much waits.
    """

    def __init__(
        self,
        requests: Requests,
        place: tuple[str, int],
        each: Callable[[Assigned, Message], Awaitable[None]],
        broken: Callable[[Exception], None],
    ) -> None:
        self.done = -1
        self._requests = requests
        self._place = place
        self._each = each
        self._broken = broken
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._next = 0
        self.paused = False
        self._more = asyncio.Event()
        self._stopping = False
        self._in_effect = False
        self._task = asyncio.create_task(self._run(), name=f"bus partition {place[0]} {place[1]}")

    def add(self, message: Message) -> None:
        """Takes a message."""
        offset = message.offset() or 0
        if self._stopping or offset < self._next:
            return  # left over from before the partition was given away and back
        if self.done < 0:
            self.done = offset
        self._next = offset + 1
        self._waiting.append(message)
        self._bytes += len(message)
        self._more.set()
        if not self.paused and (len(self._waiting) > _MANY or self._bytes > _MANY_BYTES):
            self._pause()

    def guard(self, effect: Effect) -> Effect:
        """The effect, which is not tried again once the partition goes.

        Args:
            effect: of the group.
        """

        async def guarded(record: Record) -> None:
            self._in_effect = True
            try:
                await effect(record)
            except Exception:
                if self._stopping:
                    raise Released from None
                raise
            finally:
                self._in_effect = False

        return guarded

    async def release(self, grace: float) -> None:
        """Ends it: an effect that has begun may finish, and what waits is left to the next member.

        Args:
            grace: how long the effect may take, in seconds.
        """
        self._stopping = True
        self._waiting.clear()
        if self._in_effect and grace > 0:
            await asyncio.wait([self._task], timeout=grace)
        self._task.cancel()
        await asyncio.wait([self._task], timeout=_CANCEL_SECONDS)
        if self.paused:
            self._resume()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        try:
            while not self._stopping:
                while not self._waiting:
                    self._more.clear()
                    await self._more.wait()
                    since = loop.time()
                message = self._waiting.popleft()
                self._bytes -= len(message)
                if self.paused and len(self._waiting) <= _FEW:
                    self._resume()
                await self._each(self, message)
                self._store(message)
                if loop.time() - since > _TURN:
                    # Effects that never wait must not stop everything else.
                    await asyncio.sleep(0)
                    since = loop.time()
        except Released:
            return
        except Exception as error:  # noqa: BLE001 - whoever made it must hear of it
            self._broken(error)

    def _store(self, message: Message) -> None:
        self.done = (message.offset() or 0) + 1
        self._requests.store(message)

    def _pause(self) -> None:
        self.paused = True
        self._requests.pause(self._place)

    def _resume(self) -> None:
        self.paused = False
        self._requests.resume(self._place)
