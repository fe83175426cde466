"""What is held of quotas, stock and nodes: one row to lock for each, within somebody else's transaction.

A row is changed by one statement that counts and compares at once, so that the last place is given
once, and a decision costs the same however many allocations there are. Rows are always taken in the
same order, owner, machine, node, so that no two transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from allocation_svc.domain.capacity import AMOUNTS, NO_LIMIT, Amounts, Bounds, Held
from allocation_svc.domain.faults import CapacityExhausted, QuotaExceeded, StockExhausted
from allocation_svc.schema.tables import TALLIES
from chassis.faults import Fault
from chassis.sql import Prepared, upsert

_UNBOUNDED = Bounds()
_COLUMN_OF = {name: TALLIES.c["used" if name == "instances" else name] for name in AMOUNTS}
_BEGUN = upsert(TALLIES, None, ["subject"], {"used": TALLIES.c.used})
_NO_ROW = {"used": 0, "cpu_millis": 0, "memory_bytes": 0, "disk_bytes": 0}
_SHIFTED = Prepared(
    update(TALLIES)
    .where(
        TALLIES.c.subject == bindparam("of_subject"),
        *(_COLUMN_OF[name] <= bindparam(f"most_{name}") for name in AMOUNTS),
    )
    .values({_COLUMN_OF[name]: _COLUMN_OF[name] + bindparam(f"by_{name}") for name in AMOUNTS})
)
_ONE = Prepared(select(*_COLUMN_OF.values()).where(TALLIES.c.subject == bindparam("of_subject")))


def node_subject(node: str) -> str:
    """Under which name a node is counted."""
    return f"nodes/{node}"[:120]


def used(connection: Connection, subject: str) -> Amounts:
    """What is held of a subject."""
    row = _ONE.first(connection, {"of_subject": subject})
    return Amounts() if row is None else Amounts(*row)


def move(
    connection: Connection,
    owner: str,
    machine: str,
    before: Held,
    after: Held,
    *,
    quota: Bounds = _UNBOUNDED,
    capacity: Bounds = _UNBOUNDED,
    stock: int = 0,
) -> None:
    """Counts what an allocation holds from now on instead of what it held.

    What it holds no more is never refused, nor what it held before.

    Args:
        connection: in the transaction that writes the allocation.
        owner: of the allocation.
        machine: of the allocation.
        before: what is counted.
        after: what is to be counted.
        quota: what the owner may have.
        capacity: what the node has to give.
        stock: how many of the machine there are; 0 for no limit.

    Raises:
        QuotaExceeded, StockExhausted, CapacityExhausted: there is no room; nothing has changed.
    """
    shifts: list[tuple[str, Amounts, Bounds, Callable[[str, Amounts], Fault]]] = [
        (
            owner,
            after.of_owner - before.of_owner,
            quota,
            lambda amount, has: QuotaExceeded(getattr(quota, amount), amount, getattr(has, amount)),
        ),
        (
            machine,
            after.of_machine - before.of_machine,
            Bounds(instances=stock or None),
            lambda _amount, _has: StockExhausted(machine, stock),
        ),
    ]
    there = Amounts() if after.node != before.node else before.of_node
    if after.node != before.node:
        shifts.append(_of_node(before.node, Amounts() - before.of_node, _UNBOUNDED))
    shifts.append(_of_node(after.node, after.of_node - there, capacity))
    done: list[tuple[str, Amounts]] = []
    for subject, delta, bounds, refusal in shifts:
        if delta == Amounts():
            continue
        amount = _shift(connection, subject, delta, bounds)
        if amount:
            has = used(connection, subject)
            for earlier, shifted in reversed(done):
                _shift(connection, earlier, Amounts() - shifted, _UNBOUNDED)
            raise refusal(amount, has)
        done.append((subject, delta))


def _of_node(
    node: str, delta: Amounts, capacity: Bounds
) -> tuple[str, Amounts, Bounds, Callable[[str, Amounts], Fault]]:
    return node_subject(node), delta, capacity, lambda amount, _has: CapacityExhausted(amount)


def _shift(connection: Connection, subject: str, delta: Amounts, bounds: Bounds) -> str:
    """Adds to what a subject has, where nothing that grows goes above its bound.

    Returns:
        The amount that says no; empty where it was added.
    """
    change: dict[str, Any] = {"of_subject": subject}
    for name in AMOUNTS:
        by, bound = getattr(delta, name), getattr(bounds, name)
        change[f"by_{name}"] = by
        change[f"most_{name}"] = bound - by if by > 0 and bound is not None else NO_LIMIT
    if _SHIFTED.change(connection, change) == 1:
        return ""
    connection.execute(_BEGUN, {"subject": subject, **_NO_ROW})
    if _SHIFTED.change(connection, change) == 1:
        return ""
    has = used(connection, subject)
    return next(name for name in AMOUNTS if getattr(has, name) > change[f"most_{name}"])
