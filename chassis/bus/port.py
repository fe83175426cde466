"""The bus as a port, and the promises that every adapter keeps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from chassis.faults import Fault, FieldViolation, Invalid

MAX_VALUE = 1_000_000
"""The largest value of a record, in bytes."""

MAX_KEY = 250
"""The longest key of a record, in characters."""

MAX_GROUP = 200
"""The longest name of a group, in characters."""

DEAD_LETTERS = "allocator.dead-letters.v1"
"""The topic of dead letters, where they are kept on a topic."""

_MAX_HEADERS = 16_384
_TOPIC = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)
_COMPACTED = re.compile(r".*\.state\.v[0-9]+", re.ASCII)

_log = structlog.get_logger("chassis.bus")


@dataclass(frozen=True, slots=True)
class Record:
    """What is published.

    Attributes:
        topic: `allocator.<noun>.facts.v1`, kept for a time, or `allocator.<noun>.state.v1`, of which
            the newest record of each key is kept.
        key: the resource name; records of one key stay in order. At most 250 characters.
        value: a protobuf message, at most 1,000,000 bytes; empty on a state topic where the resource
            is gone (a tombstone).
        headers: the CloudEvents attributes `ce-id`, `ce-type`, `ce-source`, `ce-time`, `ce-subject`,
            and `version`, `actor`, `actor-role`, `method` and `traceparent`; see `chassis.bus.facts`.
    """

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_tombstone(self) -> bool:
        """Whether it says that the resource is gone."""
        return not self.value and is_compacted(self.topic)


Effect = Callable[[Record], Awaitable[None]]
"""What a consumer does with a record. It may be called again with a record that it has had: idempotent
by `ce-id` or `version`."""

EffectOfMany = Callable[[Sequence[Record]], Awaitable[None]]
"""What a consumer does with many records at once; idempotent as an `Effect`, of each and of some."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a group could not consume.

    Attributes:
        id: of the dead letter; increases.
        group: whose effect failed.
        record: as it was published.
        reason: of the fault, from the closed list; INTERNAL_ERROR for a bug.
        message: what the fault, or the error, says.
        attempts: how often the effect was tried since it was published or replayed.
        time: when it was given up.
        replaying: whether it waits to be consumed again.
    """

    id: int
    group: str
    record: Record
    reason: str
    message: str
    attempts: int
    time: datetime
    replaying: bool = False


class Bus(Protocol):
    """Carries records from those who publish to every group that consumes."""

    async def publish(self, records: Sequence[Record]) -> None:
        """Publishes records; when it returns, they survive the end of the process.

        Records of one topic and key are consumed in the order in which they were published.

        After Unavailable, whoever publishes them again publishes all of them, in the same order, and
        nothing else of their keys before: then some come twice, and the newest comes last.

        Raises:
            Invalid: a topic, key, header or value is not as `Record` says; nothing was published.
            Unavailable: the bus is away; perhaps some of the records were published, and those in
                any order.
        """
        ...

    async def consume(self, group: str, topics: Sequence[str], effect: Effect) -> None:
        """Calls the effect with every record of the topics; runs until it is cancelled.

        Each group gets every record at least once, the first time from the oldest that is kept; what
        it had is remembered after the effect, for at least a week after the last consumer has gone.
        The records of one topic and key come one after the other, in order; others may come at the
        same time and in any order, and topics do not wait for each other. Of a state topic, a record
        that a newer one of its key has replaced may be left out.

        When the effect raises Unavailable, the record waits and is tried again for as long as it
        takes. When it raises anything else five times, the record becomes a dead letter of the group
        and the next one follows.

        Of several consumers of a group, in any processes, one at a time gets the records of a topic
        and key. When one comes or goes, others may get a few records again that it has had. All
        consumers of a group name the same topics and have effects that do the same.

        Args:
            group: `broker.timeline`: who consumes, and for what.
            topics: which topics; they need not exist yet.
            effect: what to do with each record.

        Raises:
            Invalid: the group has no name, or too long a one.
        """
        ...

    async def consume_many(self, group: str, topics: Sequence[str], effect: EffectOfMany) -> None:
        """Calls the effect with as many records of a topic at once as there are, 500 at most; or fewer.

        As `consume` in everything else. What it is called with is in order. Where it raises anything
        but Unavailable for more than one, each is tried by itself, and becomes a dead letter by itself.
        Facts that it publishes have no cause.

        Args:
            group: `broker.timeline`: who consumes, and for what.
            topics: which topics; they need not exist yet.
            effect: what to do with records.

        Raises:
            Invalid: the group has no name, or too long a one.
        """
        ...

    async def tail(
        self, topics: Sequence[str], effect: Effect, started: asyncio.Event | None = None
    ) -> None:
        """Calls the effect with every record that is published from now on; runs until it is cancelled.

        Whoever tails gets every record: there is no group, and nothing is remembered. An effect that
        raises is logged and passed over. The records of one topic and key come one after the other, in
        order, perhaps some of them twice; of a state topic, one that is replaced may be left out.
        While the bus is away it waits, and then goes on from where it was, with what the bus still has.

        Args:
            topics: which topics; they need not exist yet.
            effect: what to do with each record; the next ones wait for it.
            started: set once a record that is published afterwards cannot be missed.
        """
        ...

    async def dead_letters(self, limit: int, after: int = 0) -> list[DeadLetter]:
        """A page of the dead letters, the oldest first.

        Args:
            limit: how many at most.
            after: the id after which they begin.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    async def replay(self, dead_letter: int) -> bool:
        """Has a dead letter consumed again, by its own group only, as soon as that group consumes.

        It comes out of its turn: newer records of its key have been consumed, and one of them may be
        consumed at the same time. If it fails again it is a dead letter again, under the same id.

        Returns:
            Whether there is such a dead letter.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    async def count_dead_letters(self) -> int:
        """How many dead letters there are, those that wait for their replay too.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    async def discard(self, dead_letter: int) -> bool:
        """Removes a dead letter: its group never gets the record.

        A replay that has begun goes on; if that fails, the letter may be there again.

        Returns:
            Whether there was such a dead letter.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    async def erase(self, key: str, but: str = "") -> int:
        """Removes what is kept of a key for good, as far as the bus can: facts and dead letters.

        A log in a file removes the facts at once. Kafka cannot remove single messages: there they end
        with their retention. Dead letters are removed from both. Topics of states are left alone: a
        tombstone removes what they keep.

        Args:
            key: of the records, `users/…`.
            but: the `ce-id` of the record that stays, as the one that says what this is done for.

        Returns:
            How many records were removed.

        Raises:
            Unavailable: the bus is away; some may have been removed.
        """
        ...

    async def close(self) -> None:
        """Closes it. Whoever consumes must have been cancelled before. May be called twice."""
        ...


def facts_topic(noun: str) -> str:
    """The topic of the facts about a noun: `machines` → `allocator.machines.facts.v1`."""
    return f"allocator.{noun}.facts.v1"


def state_topic(noun: str) -> str:
    """The topic of the present state of each resource of a noun."""
    return f"allocator.{noun}.state.v1"


def is_compacted(topic: str) -> bool:
    """Whether only the newest record of each key is kept."""
    return _COMPACTED.fullmatch(topic) is not None


def check_group(group: str) -> None:
    """Checks the name of a group.

    Raises:
        Invalid: there is none, or it is too long.
    """
    if not 0 < len(group) <= MAX_GROUP:
        raise Invalid(f"The name of a group has 1 to {MAX_GROUP} characters.")


async def tell_of(record: Record, effect: Effect) -> None:
    """Calls an effect that tails; what it raises is logged and passed over."""
    try:
        await effect(record)
    except Exception as error:  # noqa: BLE001 - one reader's trouble must not keep news from it
        _log.warning(
            "news could not be taken in",
            topic=record.topic,
            key=record.key,
            type=record.headers.get("ce-type", ""),
            reason=error.reason if isinstance(error, Fault) else "INTERNAL_ERROR",
            exc_info=not isinstance(error, Fault),
        )


def check_records(records: Sequence[Record]) -> None:
    """Checks what every adapter can carry.

    Raises:
        Invalid: a topic, key, header or value is not as `Record` says.
    """
    for record in records:
        problem = _problem(record)
        if problem:
            message = f"A record for {record.topic!r} with key {record.key[:80]!r} {problem}."
            raise Invalid(message, fields=[FieldViolation("record", message)])


def _problem(record: Record) -> str:
    if not _TOPIC.fullmatch(record.topic):
        return "has a topic that is not lower-case words joined by dots"
    if not 0 < len(record.key) <= MAX_KEY:
        return f"must have a key of 1 to {MAX_KEY} characters"
    if len(record.value) > MAX_VALUE:
        return f"has a value of {len(record.value)} bytes; {MAX_VALUE} are the most"
    if sum(len(name) + len(value) for name, value in record.headers.items()) > _MAX_HEADERS:
        return f"has headers of more than {_MAX_HEADERS} characters"
    try:
        record.key.encode()
        "".join(record.headers.values()).encode()
    except UnicodeEncodeError:
        return "has text that is not Unicode"
    return ""
