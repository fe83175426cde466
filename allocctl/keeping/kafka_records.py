"""The records that Kafka keeps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from chassis.bus import Record
from chassis.bus.kafka.address import parse_address
from chassis.bus.kafka.faults import error_of, unavailable
from chassis.bus.kafka.messages import record_of

_ANSWER = 10.0
_SILENCE = 30.0
_AT_ONCE = 500


class KafkaRecords:
    """Reads partitions from their beginning to where they end now; joins no group."""

    def __init__(self, url: str, topics: Sequence[str]) -> None:
        """Reads some topics.

        Args:
            url: of the bus.
            topics: those that may be there.
        """
        self._address = parse_address(url)
        self._topics = topics
        self._consumer = Consumer(
            self._address.for_reader("allocctl.keeping") | {"enable.partition.eof": True}
        )

    def topics(self) -> list[str]:
        """See `KeptRecords`."""
        return sorted(topic for topic in self._topics if self._extents(topic))

    def records(self, topic: str) -> Iterator[Record]:
        """See `KeptRecords`."""
        for partition, (first, end) in self._extents(topic).items():
            place = TopicPartition(self._address.name(topic), partition, first)
            self._consumer.assign([place])
            yield from self._until(end)
            self._consumer.unassign()

    def close(self) -> None:
        """See `KeptRecords`."""
        self._consumer.close()

    def _until(self, end: int) -> Iterator[Record]:
        """What is assigned, up to an offset; compacted away, there may be nothing just before it."""
        heard = time.monotonic()
        while True:
            messages = self._consumer.consume(_AT_ONCE, timeout=1.0)
            if not messages and time.monotonic() - heard > _SILENCE:
                raise unavailable(None)
            for message in messages:
                heard = time.monotonic()
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                    return
                if error is not None:
                    raise unavailable(error)
                if (message.offset() or 0) >= end:
                    return
                yield record_of(message, self._address)
                if (message.offset() or 0) == end - 1:
                    return

    def _extents(self, topic: str) -> dict[int, tuple[int, int]]:
        """Where the partitions of a topic begin and end, of those that hold something."""
        name = self._address.name(topic)
        try:
            found = self._consumer.list_topics(name, timeout=_ANSWER).topics.get(name)
            if found is None or found.error is not None:
                return {}
            extents = {}
            for partition in sorted(found.partitions):
                place = TopicPartition(name, partition)
                first, end = self._consumer.get_watermark_offsets(place, timeout=_ANSWER)
                if first < end:
                    extents[partition] = (first, end)
            return extents
        except KafkaException as exception:
            raise unavailable(error_of(exception)) from None
