"""Instants in whole milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def instant_of(millis: int) -> datetime:
    """The instant that many milliseconds after the start of 1970, in UTC.

    Raises:
        OverflowError: it is outside the years 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=millis)


def millis_of(instant: datetime) -> int:
    """The whole milliseconds from the start of 1970 to an aware instant; what is below is cut off.

    Raises:
        ValueError: the instant does not say its time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    return (instant - _EPOCH) // _MILLISECOND


def truncated(instant: datetime) -> datetime:
    """An aware instant in UTC and in whole milliseconds.

    Raises:
        ValueError: the instant does not say its time zone.
    """
    return instant_of(millis_of(instant))


def rfc3339(instant: datetime) -> str:
    """An aware instant as text: `2026-03-01T12:30:00.250Z`.

    Raises:
        ValueError: the instant does not say its time zone.
    """
    return truncated(instant).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
