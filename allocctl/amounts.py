"""Amounts of what is limited, as people read and write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from allocctl.failures import Failure
from allocctl.spans import bytes_of, bytes_text

if TYPE_CHECKING:
    from allocator.allocations.v1 import quota_pb2

UNLIMITED = "unlimited"
"""How one says that there is no limit."""

DEFAULT = "default"
"""How one says that a limit is by role."""

Field = Literal["instances", "cpu_millis", "memory_bytes", "disk_bytes"]
FIELDS: Final[tuple[Field, ...]] = ("instances", "cpu_millis", "memory_bytes", "disk_bytes")
"""The fields of QuotaAmounts."""

NAMES: Final[dict[Field, str]] = {
    "instances": "instances",
    "cpu_millis": "cpu",
    "memory_bytes": "memory",
    "disk_bytes": "disk",
}
"""What each is called by people."""


def amount_text(field: Field, amount: int) -> str:
    """An amount for people: `2 cores`, `1.5 GB`; below nothing, there is no limit."""
    if amount < 0:
        return UNLIMITED
    if field == "cpu_millis":
        return f"{amount / 1000:g} {'core' if amount == 1000 else 'cores'}"
    return bytes_text(amount) if field.endswith("_bytes") else str(amount)


def amounts_text(amounts: quota_pb2.QuotaAmounts) -> str:
    """All that is said, in a line: `1 instances, 0.5 cores, 256 MB memory`."""
    said = []
    for field in FIELDS:
        if amounts.HasField(field):
            text = amount_text(field, getattr(amounts, field))
            said.append(
                text if field == "cpu_millis" and "core" in text else f"{text} {NAMES[field]}"
            )
    return ", ".join(said)


def amount_of(field: Field, text: str) -> int:
    """The amount that is meant: `5`, `2.5` cores, `8G`, `unlimited`.

    Raises:
        Failure: it is none.
    """
    if text == UNLIMITED:
        return -1
    if field.endswith("_bytes"):
        return bytes_of(text)
    try:
        amount = float(text) * (1000 if field == "cpu_millis" else 1)
    except ValueError:
        amount = -1.0
    if amount < 0 or (field == "instances" and not amount.is_integer()):
        raise Failure(f"{text!r} is no amount of {NAMES[field]}; write a number, or {UNLIMITED}.")
    return round(amount)
