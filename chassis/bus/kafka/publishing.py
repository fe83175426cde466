"""Publishing on Kafka."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from chassis.bus.kafka.address import DELIVERY_SECONDS, Address
from chassis.bus.kafka.faults import error_of, overloaded, unavailable
from chassis.bus.kafka.messages import Outgoing
from chassis.bus.kafka.threads import ClientThread
from chassis.faults import Unavailable

_POLL = 0.1
_FEW = 64
_GRACE = 5.0
_FLUSH = 5.0
_TELL_EVERY = 30.0

_log = structlog.get_logger("chassis.bus")


class Publisher:
    """One idempotent producer, with a thread that takes in what Kafka acknowledges.

    Args:
        address: where Kafka is.

    Raises:
        ValueError: a setting in the address is not one of the driver's.
    """

    def __init__(self, address: Address) -> None:
        self._config = {**address.for_producer(), "error_cb": self._on_error}
        self._producer = self._made()
        self._broken = False
        self._last_error, self._told = "", 0.0
        self._enqueuing = threading.Lock()
        self._thread = ClientThread("bus publisher", self._poll)
        self._thread.start()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publishes messages; returns when all of them are acknowledged.

        It never returns, nor fails, while one of them is still on its way: whoever publishes the
        same ones again publishes them after these, so that the newest of a key stays the last. When
        it is cancelled, what was not sent is thrown away, also of others, who hear of it.

        Raises:
            Unavailable: at least one was not acknowledged in time.
        """
        if self._broken or self._thread.stopping.is_set():
            raise unavailable(None)
        batch = _Batch(self._thread.loop, len(messages))
        try:
            async with asyncio.timeout(DELIVERY_SECONDS + _GRACE):
                if len(messages) <= _FEW:
                    self._enqueue(batch, messages)
                else:
                    # Thousands at once would stop the loop for tens of milliseconds.
                    await asyncio.to_thread(self._enqueue, batch, messages)
                await batch.done
        except TimeoutError:
            self._broken = True
            raise unavailable(None) from None
        except asyncio.CancelledError:
            # Whoever gave up may not lead any more: what has not left must not leave later, after
            # what another process publishes meanwhile.
            self._broken = True
            raise
        if batch.refused is not None:
            raise batch.refused
        if batch.error is not None:
            raise unavailable(batch.error)

    async def close(self) -> None:
        """Waits a little for what is on its way, and closes. May be called twice."""
        if not self._thread.stopping.is_set():
            await self._thread.stop()

    def _enqueue(self, batch: _Batch, messages: Sequence[Outgoing]) -> None:
        with self._enqueuing:
            produce, report = self._producer.produce, batch.report
            for place, message in enumerate(messages):
                try:
                    produce(
                        message.topic,
                        message.value,
                        message.key,
                        headers=message.headers,
                        on_delivery=report,
                    )
                except (BufferError, KafkaException) as exception:
                    batch.refuse(self._refusal(exception), len(messages) - place)
                    return

    def _refusal(self, exception: BufferError | KafkaException) -> Unavailable:
        if isinstance(exception, BufferError):
            return overloaded()
        error = error_of(exception)
        self._broken = self._broken or error.fatal()
        return unavailable(error)

    def _poll(self) -> None:
        while not self._thread.stopping.is_set():
            self._producer.poll(_POLL)
            if self._broken:
                self._renew()
        # All reports come in this thread.
        self._producer.flush(_FLUSH)
        self._producer.purge()
        self._producer.flush(0)

    def _renew(self) -> None:
        """Makes a new producer; the old one throws away what was on its way, and says so."""
        _log.warning("the producer is made anew")
        with self._enqueuing:
            old, self._producer = self._producer, self._made()
            self._broken = False
        old.purge()
        old.flush(_FLUSH)

    def _made(self) -> Producer:
        try:
            return Producer(self._config)
        except KafkaException as exception:
            raise ValueError(f"the bus cannot be opened: {error_of(exception).str()}") from None

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._broken = True
        now = time.monotonic()
        if error.name() != self._last_error or now - self._told > _TELL_EVERY:
            self._last_error, self._told = error.name(), now
            _log.warning("the bus reports an error", error=error.name())


class _Batch:
    """What of a batch is still on its way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self.error: KafkaError | None = None
        self.refused: Unavailable | None = None
        self._loop = loop
        self._reported = 0
        self._expected = count

    def report(self, error: KafkaError | None, _message: Message) -> None:
        """Takes in what became of one; called by the polling thread alone."""
        if error is not None and self.error is None:
            self.error = error
        self._reported += 1
        self._tell_if_done()

    def refuse(self, fault: Unavailable, count: int) -> None:
        """Says that so many were not taken; called by the enqueuing thread alone, once."""
        self.refused = fault
        self._expected -= count
        self._tell_if_done()

    def _tell_if_done(self) -> None:
        # Each count has one writer. Whoever writes last sees both, so that one of the two tells; that
        # both tell does no harm.
        if self._reported >= self._expected:
            # The loop is closed where the process ended without closing the bus.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(partial(_settle, self.done))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
