"""Lists of accounts in SQL: conditions, orders and pages."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, func, or_, select, type_coerce

from chassis.faults import Invalid
from chassis.listing import Condition
from user_svc.domain.contact import email_key
from user_svc.schema.tables import USERS

_ORDERS: Mapping[str, ColumnElement[Any]] = {
    "create_time": USERS.c.create_time,
    "update_time": USERS.c.update_time,
    "email": USERS.c.email_folded,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def listed(
    conditions: Sequence[Condition],
    order: Sequence[tuple[str, bool]],
    after: tuple[datetime | str, ...] | None,
) -> Select[Any]:
    """The accounts that meet the conditions, in an order, from after a key; see AccountStore.find.

    Raises:
        Invalid: FILTER_INVALID, accounts have no such field.
    """
    # The identifier makes the order one of single rows, and an index serves where it descends alike.
    columns = [(_ORDERS[field], descends) for field, descends in order]
    columns.append((USERS.c.id, order[0][1]))
    statement = (
        select(USERS)
        .where(*[_clause(one) for one in conditions])
        .order_by(*(column.desc() if descends else column.asc() for column, descends in columns))
    )
    return statement if after is None else statement.where(_beyond(columns, after))


def _beyond(
    columns: Sequence[tuple[ColumnElement[Any], bool]], after: tuple[Any, ...]
) -> ColumnElement[bool]:
    """Rows that come after a key, in an order whose parts ascend or descend each for itself."""
    alternatives: list[ColumnElement[bool]] = []
    for place, (column, descends) in enumerate(columns):
        same = [c == value for (c, _), value in zip(columns[:place], after, strict=False)]
        further = column < after[place] if descends else column > after[place]
        alternatives.append(and_(*same, further))
    return or_(*alternatives)


def _clause(condition: Condition) -> ColumnElement[bool]:
    clause: ColumnElement[bool]
    match condition.field:
        case "state":
            clause = USERS.c.state == str(condition.value)
        case "verified":
            clause = USERS.c.verified.is_(bool(condition.value))
        case "role":
            # A JSON list of names, none of which is a part of another.
            roles = type_coerce(USERS.c.roles, Text)
            clause = func.instr(roles, f'"{condition.value}"') > 0
        case "email" if condition.op == ":":
            # instr, and not LIKE, in which % and _ mean something.
            clause = func.instr(USERS.c.email_folded, email_key(str(condition.value))) > 0
        case "email":
            clause = USERS.c.email_folded == email_key(str(condition.value))
        case "phone_number":
            number = func.coalesce(USERS.c.phone_number, USERS.c.unclaimed_phone_number)
            value = str(condition.value)
            clause = func.instr(number, value) > 0 if condition.op == ":" else number == value
        case "create_time":
            compared: ColumnElement[bool] = _COMPARISONS[condition.op](
                USERS.c.create_time, condition.value
            )
            return compared
        case _:
            raise Invalid(
                f"Accounts cannot be filtered by {condition.field!r}.", reason="FILTER_INVALID"
            )
    return ~clause if condition.op == "!=" else clause
