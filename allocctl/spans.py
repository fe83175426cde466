"""Spans, times and amounts as people write them: `90m`, `2026-12-24T18:00`, `512M`."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from allocctl.failures import Failure

NEVER = "never"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def span_of(text: str) -> timedelta:
    """The span that is meant: `90m`, `2h30m`, `7d`.

    Raises:
        Failure: it is none.
    """
    found = _SPAN.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise Failure(f"{text!r} is no span; write 45s, 90m, 2h30m, 7d or 2w.")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in found))


def span_text(seconds: float) -> str:
    """A span in its two largest units: `2h30m`."""
    rest = max(0, round(seconds))
    found: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or found:
            found.append(f"{count}{unit}" if count else "")
        if len(found) == 2:
            break
    return "".join(found) or "0s"


def time_of(text: str, now: datetime) -> datetime:
    """The time that is meant: a span from now on, or a time of the calendar.

    Args:
        text: `4h`, `2026-12-24`, `2026-12-24T18:00`, `2026-12-24T18:00+01:00`; without an offset in the
            zone of `now`.
        now: with its zone.

    Raises:
        Failure: it is none.
    """
    if _SPAN.match(text) and "-" not in text:
        return now + span_of(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(f"{text!r} is no time; write 4h, 7d or 2026-12-24T18:00.") from None
    return time if time.tzinfo else time.replace(tzinfo=now.tzinfo)


def bytes_of(text: str) -> int:
    """The bytes that are meant: `512M`, `1.5 GB`, `1048576`; units are powers of 1024.

    Raises:
        Failure: it cannot be told.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise Failure(f"{text!r} is no amount of bytes; write 512M, 1.5G or 1048576.")
    return round(float(found[1]) * (1 << 10 * _POWERS[found[2].lower()]))


def bytes_text(count: int) -> str:
    """An amount of bytes for people: `1.5 GB`."""
    value, unit = float(count), 0
    while value >= 1024 and unit < 4:
        value, unit = value / 1024, unit + 1
    shown = f"{value:.1f}" if unit and value < 10 else f"{value:.0f}"
    return f"{shown} {('B', 'KB', 'MB', 'GB', 'TB')[unit]}"


def own_zone() -> str:
    """The name of this machine's time zone; UTC where it cannot be told."""
    for name in (os.environ.get("TZ", "").lstrip(":"), _linked_zone()):
        if name:
            try:
                return ZoneInfo(name).key
            except (OSError, ValueError):
                continue
    return "UTC"


def _linked_zone() -> str:
    try:
        return str(Path("/etc/localtime").readlink()).partition("zoneinfo/")[2]
    except OSError:
        return ""
