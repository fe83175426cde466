"""Dead letters, as the bus has them."""

from __future__ import annotations

from datetime import datetime

from broker.domain.letter import Letter
from chassis.bus import Bus, DeadLetter
from chassis.bus.causes import cause_of
from chassis.clock import truncated
from chassis.telemetry import trace_id


class BusDeadLetters:
    """The dead letters of a bus."""

    def __init__(self, bus: Bus) -> None:
        """Asks a bus.

        Args:
            bus: where they are.
        """
        self._bus = bus

    async def page(self, limit: int, after: int) -> list[Letter]:
        """A page of them, the oldest first."""
        return [letter_of(one) for one in await self._bus.dead_letters(limit, after)]

    async def count(self) -> int:
        """How many there are."""
        return await self._bus.count_dead_letters()

    async def replay(self, letter: int) -> bool:
        """Has one taken in again; whether there is such a one."""
        return await self._bus.replay(letter)

    async def discard(self, letter: int) -> bool:
        """Removes one; whether there was such a one."""
        return await self._bus.discard(letter)


def letter_of(dead: DeadLetter) -> Letter:
    """A dead letter of the bus."""
    record, cause = dead.record, cause_of(dead.record)
    return Letter(
        id=dead.id,
        group=dead.group,
        topic=record.topic,
        key=record.key,
        type=record.headers.get("ce-type", ""),
        fact=record.headers.get("ce-id", ""),
        reason=dead.reason,
        message=dead.message,
        attempts=dead.attempts,
        fail_time=truncated(dead.time),
        fact_time=_time_of(record.headers.get("ce-time", "")),
        actor=cause.actor,
        method=cause.method,
        trace=trace_id(cause.trace),
        replaying=dead.replaying,
        value=record.value,
    )


def _time_of(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return truncated(time) if time.tzinfo else None
