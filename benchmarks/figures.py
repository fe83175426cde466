"""Figures, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One measured value.

    Attributes:
        what: what was measured.
        yardstick: against what; empty for absolute figures.
        value: what came out.
        reach: the bound, with its direction: `≥ 0.35`, `< 200`.
        unit: of the value, `×` for ratios.
        detail: the absolute figures behind it.
    """

    what: str
    yardstick: str
    value: float
    reach: str
    unit: str
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the bound was reached."""
        sign, bound = self.reach.split()[:2]
        limit = float(bound)
        return {
            "≥": self.value >= limit,
            "≤": self.value <= limit,
            "<": self.value < limit,
        }[sign]


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| what | yardstick | measured | reach | | detail |", "| --- " * 6 + "|"]
    for one in figures:
        lines.append(
            f"| {one.what} | {one.yardstick or '–'} | {one.value:.3g} {one.unit} | "
            f"{one.reach} {one.unit} | {'reached' if one.met else 'MISSED'} | {one.detail} |"
        )
    return "\n".join(lines)


def alternating(
    ours: Callable[[], float], yardstick: Callable[[], float], pairs: int
) -> tuple[list[float], list[float], float]:
    """Measures both in turn; both series, and the median of the ratios pair by pair."""
    first, second = [], []
    for number in range(pairs):
        if number % 2:
            second.append(yardstick())
            first.append(ours())
        else:
            first.append(ours())
            second.append(yardstick())
    return first, second, median(a / b for a, b in zip(first, second, strict=True))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
