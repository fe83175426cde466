"""Making the topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not marked as exported
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from chassis.bus.kafka.address import LARGEST_MESSAGE, Address, parse_address
from chassis.bus.kafka.faults import TIMED_OUT, error_of, unavailable
from chassis.bus.port import DEAD_LETTERS, facts_topic, is_compacted, state_topic
from chassis.faults import Invalid

_ANSWER = 10.0
_SOON = 2.0
_UNTIL_THERE = 20.0
_LOOK_EVERY = 0.05
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_ENOUGH_COPIES = 3

_log = structlog.get_logger("chassis.bus")


async def ensure_kafka_topics(
    url: str, nouns: Sequence[str], *, partitions: int, replication: int, retention: timedelta
) -> None:
    """See `chassis.bus.ensure_topics`."""
    address = parse_address(url)
    config = _config(nouns, replication, retention)
    wanted = {
        address.name(topic): NewTopic(
            address.name(topic),
            num_partitions=1 if topic == DEAD_LETTERS else partitions,
            replication_factor=replication,
            config=dict(settings),
        )
        for topic, settings in config.items()
    }
    await asyncio.to_thread(_ensure, address, wanted)


def hasten_group(address: Address, group: str) -> None:
    """Has a group's partitions given out at once, not a heartbeat later (Kafka 4.4).

    Kafka waits by default for more members to come, which helps groups of hundreds. Where it does not
    know the setting, or refuses it to this process, all stays as it is.
    """
    entry = ConfigEntry(
        "consumer.assignment.interval.ms", "0", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.GROUP, address.name(group), incremental_configs=[entry])
    with suppress(KafkaException, TimeoutError):
        admin = AdminClient(address.for_admin())
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(_SOON)


def _config(
    nouns: Sequence[str], replication: int, retention: timedelta
) -> dict[str, dict[str, str]]:
    every = {
        "max.message.bytes": str(LARGEST_MESSAGE),
        # With three copies one may be away, and each record is on two before it is acknowledged.
        "min.insync.replicas": "2" if replication >= _ENOUGH_COPIES else "1",
    }
    facts = every | {
        "cleanup.policy": "delete",
        "retention.ms": _millis(retention),
        # What is too old goes with its segment, so a segment spans a part of that time only.
        "segment.ms": _millis(max(min(_DAY, retention / 4), timedelta(seconds=1))),
    }
    compacted = every | {
        "cleanup.policy": "compact",
        # Quiet topics are compacted too, and what a tombstone erases is gone within a week.
        "segment.ms": _millis(_DAY),
        "segment.bytes": str(128 * 2**20),
        "min.cleanable.dirty.ratio": "0.2",
        "max.compaction.lag.ms": _millis(_WEEK),
        # How long a group may be away and still hear that a resource is gone.
        "delete.retention.ms": _millis(_WEEK),
    }
    found = {DEAD_LETTERS: compacted}
    for noun in dict.fromkeys(nouns):
        found[facts_topic(noun)] = facts
        found[state_topic(noun)] = compacted
    return found


def _ensure(address: Address, wanted: Mapping[str, NewTopic]) -> None:
    admin = AdminClient(address.for_admin())
    try:
        there = admin.list_topics(timeout=_ANSWER).topics
        missing = [topic for name, topic in wanted.items() if name not in there]
        if missing:
            # Somebody else may make them at the same time.
            _settle(
                admin.create_topics(missing, operation_timeout=_ANSWER),
                ignored=KafkaError.TOPIC_ALREADY_EXISTS,
            )
        _wait_until_there(admin, wanted)
        _raise_partitions(admin, address, wanted)
        _settle(admin.incremental_alter_configs([_altered(t) for t in wanted.values()]))
    except KafkaException as exception:
        error = error_of(exception)
        if error.code() in {KafkaError.INVALID_REPLICATION_FACTOR, KafkaError.INVALID_PARTITIONS}:
            raise Invalid(
                f"The bus cannot make its topics: {error.str()} Look at ALLOCATOR_BUS_REPLICATION "
                "and ALLOCATOR_BUS_PARTITIONS."
            ) from None
        raise unavailable(error) from None


def _raise_partitions(admin: AdminClient, address: Address, wanted: Mapping[str, NewTopic]) -> None:
    there = admin.list_topics(timeout=_ANSWER).topics
    more = []
    for name, topic in wanted.items():
        count = len(there[name].partitions)
        if count >= topic.num_partitions:
            continue
        if is_compacted(address.own(name)):
            # A key would move to another partition and leave its last state behind in the old one,
            # for ever: whoever reads the topic anew could take that for the present one.
            _log.warning("a topic of states keeps its partitions", topic=name, partitions=count)
            continue
        more.append(NewPartitions(name, topic.num_partitions))
    if more:
        # Another one may have raised them at the same time.
        _settle(
            admin.create_partitions(more, operation_timeout=_ANSWER),
            ignored=KafkaError.INVALID_PARTITIONS,
        )


def _wait_until_there(admin: AdminClient, wanted: Mapping[str, NewTopic]) -> None:
    deadline = time.monotonic() + _UNTIL_THERE
    while True:
        there = admin.list_topics(timeout=_ANSWER).topics
        if all(
            name in there
            and there[name].partitions
            and all(one.leader >= 0 for one in there[name].partitions.values())
            for name in wanted
        ):
            return
        if time.monotonic() > deadline:
            raise KafkaException(KafkaError(TIMED_OUT))
        time.sleep(_LOOK_EVERY)


def _settle(futures: Mapping[Any, Future[Any]], ignored: int | None = None) -> None:
    for future in futures.values():
        try:
            future.result(_ANSWER * 2)
        except KafkaException as exception:
            if error_of(exception).code() != ignored:
                raise


def _altered(topic: NewTopic) -> ConfigResource:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in (topic.config or {}).items()
    ]
    return ConfigResource(ResourceType.TOPIC, topic.topic, incremental_configs=entries)


def _millis(span: timedelta) -> str:
    return str(span // timedelta(milliseconds=1))
