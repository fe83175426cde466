"""The bus over Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chassis.bus.delivery import of_one
from chassis.bus.kafka.address import Address, parse_address
from chassis.bus.kafka.groups import Member
from chassis.bus.kafka.letters import Letters
from chassis.bus.kafka.messages import outgoing
from chassis.bus.kafka.publishing import Publisher
from chassis.bus.kafka.tailing import Tail
from chassis.bus.metrics import PUBLISHED
from chassis.bus.port import (
    DeadLetter,
    Effect,
    EffectOfMany,
    Record,
    check_group,
    check_records,
)
from chassis.clock import Clock

_MAX_PAGE = 1000


async def open_kafka_log(url: str, clock: Clock) -> KafkaLog:
    """Opens the bus. Kafka need not be there yet: what needs it waits, or says that it is away.

    Args:
        url: see `chassis.bus.kafka.address.parse_address`.
        clock: for the times of dead letters and the delays of retries.

    Raises:
        ValueError: the URL is wrong, or has a setting that the driver does not know.
    """
    return KafkaLog(parse_address(url), clock)


class KafkaLog:
    """The bus over Kafka.

    A record is a message; its key chooses the partition of its topic, within which order is kept. A
    group is a consumer group; what it has consumed is kept by Kafka.

    Args:
        address: where Kafka is.
        clock: for the times of dead letters and the delays of retries.
    """

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._publisher = Publisher(address)
        self._letters = Letters(address, self._publisher, clock)

    async def publish(self, records: Sequence[Record]) -> None:
        """See `chassis.bus.Bus`."""
        if not records:
            return
        check_records(records)
        await self._publisher.publish([outgoing(record, self._address) for record in records])
        PUBLISHED.inc(len(records))

    async def consume(self, group: str, topics: Sequence[str], effect: Effect) -> None:
        """See `chassis.bus.Bus`."""
        check_group(group)
        await Member(self._address, group, topics, effect, self._letters, self._clock).run()

    async def consume_many(self, group: str, topics: Sequence[str], effect: EffectOfMany) -> None:
        """See `chassis.bus.Bus`; here one record comes at a time, of each partition."""
        await self.consume(group, topics, of_one(effect))

    async def tail(
        self, topics: Sequence[str], effect: Effect, started: asyncio.Event | None = None
    ) -> None:
        """See `chassis.bus.Bus`."""
        await Tail(self._address, topics, effect, started, self._clock).run()

    async def dead_letters(self, limit: int, after: int = 0) -> list[DeadLetter]:
        """See `chassis.bus.Bus`."""
        if limit <= 0:
            return []
        return await self._letters.page(min(limit, _MAX_PAGE), after)

    async def replay(self, dead_letter: int) -> bool:
        """See `chassis.bus.Bus`."""
        return await self._letters.mark_for_replay(dead_letter)

    async def count_dead_letters(self) -> int:
        """See `chassis.bus.Bus`."""
        return await self._letters.count()

    async def discard(self, dead_letter: int) -> bool:
        """See `chassis.bus.Bus`."""
        return await self._letters.discard(dead_letter)

    async def erase(self, key: str, but: str = "") -> int:
        """See `chassis.bus.Bus`; facts are left to their retention."""
        del but
        return await self._letters.erase(key)

    async def close(self) -> None:
        """See `chassis.bus.Bus`."""
        await self._letters.close()
        await self._publisher.close()
