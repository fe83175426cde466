"""Delivering one record to one effect: what is tried again, how often, and when it is given up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from chassis.bus.causes import following
from chassis.bus.port import Effect, EffectOfMany, Record
from chassis.clock import Clock
from chassis.faults import Fault, Unavailable

TRIES = 5
"""How often an effect may fail with anything but Unavailable."""

_FIRST_DELAY = 0.05
_LONGEST_DELAY = 30.0
_LONGEST_MESSAGE = 2000

_log = structlog.get_logger("chassis.bus")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a record is given up.

    Attributes:
        reason: of the fault; INTERNAL_ERROR for a bug.
        message: what it says.
        attempts: how often it was tried.
    """

    reason: str
    message: str
    attempts: int


async def deliver(group: str, record: Record, effect: Effect, clock: Clock) -> Rejection | None:
    """Calls the effect until it succeeds or is given up.

    Unavailable is waited out, with growing delays of up to 30 s, for as long as it takes: something
    else is at fault, not the record. Anything else is tried five times within about a second.

    Returns:
        None if the effect has succeeded, or why the record becomes a dead letter.
    """
    failures = waits = 0
    while True:
        try:
            with following(record):
                await effect(record)
        except Unavailable as fault:
            waits += 1
            _log.warning(
                "a consumer waits for what it needs", **_about(group, record), reason=fault.reason
            )
            await clock.sleep(_delay_after(waits, fault))
        except Exception as error:  # noqa: BLE001 - whatever the effect raises must stop nothing else
            failures += 1
            if failures >= TRIES:
                rejection = _rejection(error, failures)
                _log.error(
                    "a record became a dead letter",
                    **_about(group, record),
                    reason=rejection.reason,
                    exc_info=not isinstance(error, Fault),
                )
                return rejection
            await clock.sleep(backoff(failures))
        else:
            return None


async def deliver_many(
    group: str, records: Sequence[Record], effect: EffectOfMany, clock: Clock
) -> bool:
    """Calls the effect with all records at once; Unavailable is waited out, as `deliver` does.

    Returns:
        Whether it has succeeded; where not, each is to be delivered by itself.
    """
    waits = 0
    while True:
        try:
            await effect(records)
        except Unavailable as fault:
            waits += 1
            _log.warning(
                "a consumer waits for what it needs",
                **_about(group, records[0]),
                reason=fault.reason,
            )
            await clock.sleep(_delay_after(waits, fault))
        except Exception:  # noqa: BLE001 - which of them it was is found out by delivering each
            return False
        else:
            return True


def of_one(effect: EffectOfMany) -> Effect:
    """An effect of many records, for one at a time."""

    async def of_it(record: Record) -> None:
        await effect([record])

    return of_it


def backoff(count: int) -> float:
    """The delay after that many failures, in seconds: 0.05, 0.1, 0.2 … 30, each less up to a tenth."""
    delay = min(_FIRST_DELAY * 2.0 ** min(count - 1, 20), _LONGEST_DELAY)
    return delay * random.uniform(0.9, 1.0)  # noqa: S311 - only spreads retries


def _delay_after(waits: int, fault: Unavailable) -> float:
    return max(backoff(waits), min(fault.retry_after or 0.0, _LONGEST_DELAY))


def _rejection(error: Exception, attempts: int) -> Rejection:
    if isinstance(error, Fault):
        return Rejection(error.reason, error.message[:_LONGEST_MESSAGE], attempts)
    return Rejection(
        "INTERNAL_ERROR", f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE], attempts
    )


def _about(group: str, record: Record) -> dict[str, str]:
    return {
        "group": group,
        "topic": record.topic,
        "key": record.key,
        "type": record.headers.get("ce-type", ""),
        "id": record.headers.get("ce-id", ""),
    }
