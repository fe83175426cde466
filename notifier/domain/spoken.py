"""Values that each language writes in its own way: amounts of money, spans and points of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_GERMAN = "de"
# Of ISO 4217, those whose smallest unit is not a hundredth.
_DIGITS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
}
_USUAL_DIGITS = 2
_MINUTE = 60  # seconds
_HOUR = 60  # minutes
_DAY = 24 * _HOUR
_UNITS = {
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes")),
    # In the dative, which is what "in" and "nach" take.
    "de": (("Tag", "Tagen"), ("Stunde", "Stunden"), ("Minute", "Minuten")),
}


class Spoken(Protocol):
    """A value that is written differently in each language."""

    def in_language(self, language: str) -> str:
        """How it is written.

        Args:
            language: one of `LANGUAGES`.
        """


Value = str | Spoken
"""A field of a template: words as they stand, or what each language writes in its own way."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money.

    Attributes:
        currency: three letters of ISO 4217.
        minor_units: how much, in the smallest unit of the currency.
    """

    currency: str
    minor_units: int

    def in_language(self, language: str) -> str:
        """`1,234.50 EUR`, or in German `1.234,50 EUR`."""
        digits = _DIGITS.get(self.currency, _USUAL_DIGITS)
        whole, part = divmod(abs(self.minor_units), 10**digits)
        text = f"{whole:,}" + (f".{part:0{digits}d}" if digits else "")
        if language == _GERMAN:
            text = text.translate(str.maketrans(",.", ".,"))
        return f"{'-' if self.minor_units < 0 else ''}{text} {self.currency}"


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time, in the greatest unit that it has two of; at least a minute."""

    span: timedelta

    def in_language(self, language: str) -> str:
        """`10 minutes`, `3 hours`; in German as it stands behind `in`: `10 Minuten`, `3 Tagen`."""
        minutes = max(1, round(self.span.total_seconds() / _MINUTE))
        number, unit = minutes, 2
        for place, length in enumerate((_DAY, _HOUR)):
            if minutes >= 2 * length:
                number, unit = round(minutes / length), place
                break
        return f"{number} {_UNITS[language][unit][number != 1]}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of time, told in UTC: nobody's time zone is known here."""

    time: datetime

    def in_language(self, language: str) -> str:
        """`2026-03-01 14:05 UTC`, or in German `01.03.2026, 14:05 UTC`."""
        form = "%d.%m.%Y, %H:%M UTC" if language == _GERMAN else "%Y-%m-%d %H:%M UTC"
        return self.time.astimezone(UTC).strftime(form)


@dataclass(frozen=True, slots=True)
class Day:
    """A day, as UTC counts them."""

    time: datetime

    def in_language(self, language: str) -> str:
        """`2026-03-01`, or in German `01.03.2026`."""
        form = "%d.%m.%Y" if language == _GERMAN else "%Y-%m-%d"
        return self.time.astimezone(UTC).strftime(form)


@dataclass(frozen=True, slots=True)
class Phrase:
    """One of the words that a template chooses among: in each language another."""

    words: Mapping[str, str]

    def in_language(self, language: str) -> str:
        """The words."""
        return self.words[language]


def written(value: Value, language: str) -> str:
    """A value as a language writes it."""
    return value if isinstance(value, str) else value.in_language(language)
