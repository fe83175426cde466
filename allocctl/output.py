"""Tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from allocator.machines.v1.machine_pb2 import Money
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp


_WITHOUT_CENTS = frozenset({"JPY", "KRW", "CLP", "ISK", "VND"})


class Format(StrEnum):
    """How to print."""

    TABLE = "table"
    JSON = "json"


Output = Annotated[
    Format, typer.Option("--output", "-o", help="table for people, json for programs.")
]


def print_json(value: Message | Sequence[Message]) -> None:
    """Prints a message, or a list of them, as JSON: names and forms as in REST."""
    import orjson

    shown = [_as_dict(one) for one in value] if isinstance(value, Sequence) else _as_dict(value)
    sys.stdout.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode() + "\n")


def _as_dict(message: Message) -> dict[str, object]:
    return MessageToDict(message, always_print_fields_with_no_presence=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Prints a table without lines; the sentence where there is no row."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
        count += 1
    if count == 0:
        sys.stderr.write(f"{empty}\n")
        return
    # Where the output goes to a file or a program, lines are not folded to a screen's width.
    console = Console(width=None if sys.stdout.isatty() else 240, highlight=False)
    console.print(made)


def until(time: Timestamp) -> str:
    """How long it is until then, in the two largest units: `4m10s`; `now` where it is past."""
    from allocctl.spans import span_text

    seconds = (time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return span_text(seconds) if seconds >= 1 else "now"


def price_text(money: Money) -> str:
    """What an hour costs: `0.12 EUR an hour`; `free`."""
    if not money.minor_units:
        return "free"
    digits = 0 if money.currency_code in _WITHOUT_CENTS else 2
    return f"{money.minor_units / 10**digits:.{digits}f} {money.currency_code} an hour"


def age(time: Timestamp) -> str:
    """How long ago it was, in the largest unit: `3m`."""
    seconds = (datetime.now(UTC) - time.ToDatetime(tzinfo=UTC)).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"
