"""Orders of a list (AIP-132): `create_time desc, title`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chassis.faults import FieldViolation, Invalid


def parse_order(
    text: str, allowed: Collection[str], default: str | Sequence[tuple[str, bool]]
) -> list[tuple[str, bool]]:
    """Reads an order.

    Args:
        text: fields with commas between them, each with ` desc` (or ` asc`) if wished; may be empty.
        allowed: the fields that the list can be ordered by.
        default: the order where the text is empty, in either form.

    Returns:
        Each field with whether it descends, the most important first.

    Raises:
        Invalid: ORDER_INVALID.
    """
    if not text.strip():
        if not isinstance(default, str):
            return list(default)
        text = default
    order: list[tuple[str, bool]] = []
    for part in text.split(","):
        words = part.split()
        if not words:
            raise _refused(f"Between two commas of {text!r} there is no field.")
        field, *rest = words
        if field not in allowed:
            raise _refused(f"The list cannot be ordered by {field!r}; use {_listed(allowed)}.")
        if len(rest) > 1 or (rest and rest[0].lower() not in ("asc", "desc")):
            raise _refused(f"After {field!r} only `desc` can stand, not {' '.join(rest)!r}.")
        if any(field == known for known, _ in order):
            raise _refused(f"{field!r} stands twice in the order.")
        order.append((field, bool(rest) and rest[0].lower() == "desc"))
    return order


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _refused(message: str) -> Invalid:
    return Invalid(message, reason="ORDER_INVALID", fields=[FieldViolation("order_by", message)])
