"""Amounts as people say them, for messages."""

from __future__ import annotations

KINDS = {
    "instances": "allocations",
    "cpu_millis": "processor",
    "memory_bytes": "memory",
    "disk_bytes": "disk",
}
"""What people call the amounts of `capacity.AMOUNTS`."""


def of_bytes(count: int) -> str:
    """Bytes: `12.3 GiB`."""
    amount, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def quantity(amount: str, count: int) -> str:
    """So much of an amount, without saying of what: `2 GiB`, `0.5 cores`, `3`.

    Args:
        amount: of what, as in `capacity.AMOUNTS`.
        count: how much, in its unit.
    """
    match amount:
        case "cpu_millis":
            return f"{count / 1000:g} {'core' if count == 1000 else 'cores'}"
        case "memory_bytes" | "disk_bytes":
            return of_bytes(count)
        case _:
            return str(count)
