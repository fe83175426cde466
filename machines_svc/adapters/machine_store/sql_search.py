"""Pages of machines in SQL: which ones, in which order, and which words they have."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from chassis.listing import Condition
from machines_svc.adapters.machine_store.row import TAGGED
from machines_svc.domain.searching import Place, Query
from machines_svc.schema.tables import MACHINES, WORDS

_COLUMNS = MACHINES.c
STANDING = (_COLUMNS.rating, _COLUMNS.reviews, _COLUMNS.rents)
"""What others make of a machine, in the order of `Standing`."""

_ORDERS: dict[str, ColumnElement[Any]] = {
    "title": _COLUMNS.title_folded,
    "create_time": _COLUMNS.create_time,
    "update_time": _COLUMNS.update_time,
    "price": _COLUMNS.price,
    "rating": _COLUMNS.rating,
    "rents": _COLUMNS.rents,
}
_COMPARED: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_LAST_SIGN = chr(0x10FFFF)


def page_statement(
    conditions: Sequence[Condition],
    order: Sequence[tuple[str, bool]],
    after: tuple[Any, ...] | None,
    size: int,
    query: Query | None,
    *,
    in_title: bool = False,
) -> Select[Any]:
    """What reads a page: the document, and what others make of it; see `MachineStore.list`.

    The page is found by its names first, so that no document is read or sorted that is not on it.

    Args:
        conditions: see `MachineStore.list`, as are the others.
        order: see there.
        after: see there.
        size: see there.
        query: see there.
        in_title: whether only machines are looked for that have every word of the query in the title.
    """
    found = None if query is None else _in_title(query) if in_title else _found(query)
    orders = dict(_ORDERS)
    if found is not None:
        orders["relevance"] = found.c.relevance
    columns = [*((orders[field], descends) for field, descends in order), (_COLUMNS.name, False)]
    names = select(_COLUMNS.name, *(c.label(f"key_{i}") for i, (c, _) in enumerate(columns[:-1])))
    if found is not None:
        names = names.join(found, found.c.name == _COLUMNS.name)
    names = names.where(*(_where(condition) for condition in conditions))
    if after is not None:
        names = names.where(_beyond(columns, after))
    names = names.order_by(*(c.desc() if descends else c for c, descends in columns)).limit(size)
    page = names.subquery("page")
    keys = [page.c[f"key_{i}"] for i in range(len(columns) - 1)]
    return (
        select(_COLUMNS.document, *STANDING)
        .join(page, page.c.name == _COLUMNS.name)
        .order_by(
            *(k.desc() if descends else k for k, (_, descends) in zip(keys, columns, strict=False)),
            page.c.name,
        )
    )


def titles_come_first(order: Sequence[tuple[str, bool]], after: tuple[Any, ...] | None) -> bool:
    """Whether a page begins with machines that have every word of the query in the title.

    There are far fewer of them: who looks for a word that every second machine has, gets a full page of
    them, and nothing has to be known of all the others.
    """
    return order[:1] == [("relevance", True)] and (after is None or after[0] == Place.TITLE)


def _in_title(query: Query) -> Subquery:
    """The names of the machines that have every word in the title."""
    every = [WORDS.c.word == word for word in query.words] + [_begun(WORDS, query)]
    # The last one is read as a whole, not looked for in each machine that has the others.
    first, *others = (
        select(WORDS.c.name).where(word, WORDS.c.place == int(Place.TITLE)) for word in every
    )
    for other in others:
        first = first.where(WORDS.c.name.in_(other.correlate(None)))
    found = (first if others else first.distinct()).subquery("in_title")
    return select(found.c.name, literal(int(Place.TITLE)).label("relevance")).subquery("found")


def _found(query: Query) -> Subquery:
    """The names of the machines that have every word, and how well they answer the query.

    Where there are whole words, only the words of the machines that have them are looked at for the last,
    begun one: of a single letter nearly every machine has some.
    """
    if not query.words:
        begun = _begun(WORDS, query)
        return (
            select(WORDS.c.name, func.max(WORDS.c.place).label("relevance"))
            .where(begun)
            .group_by(WORDS.c.name)
            .subquery("found")
        )
    whole = [WORDS.alias(f"word_{place}") for place in range(len(query.words))]
    first, last = whole[0], WORDS.alias("last_word")
    joined: FromClause = first
    for table, word in zip(whole[1:], query.words[1:], strict=True):
        joined = joined.join(table, and_(table.c.name == first.c.name, table.c.word == word))
    joined = joined.join(last, and_(last.c.name == first.c.name, _begun(last, query)))
    # In the order of the index by which the first word is found: nothing has to be sorted for it.
    places = [table.c.place for table in whole]
    having = (
        select(
            first.c.name,
            *(place.label(f"place_{at}") for at, place in enumerate(places)),
            func.max(last.c.place).label("place_of_last"),
        )
        .select_from(joined)
        .where(first.c.word == query.words[0])
        .group_by(first.c.place, first.c.name, *places[1:])
        .subquery("each_word")
    )
    least: ColumnElement[Any] = having.c.place_of_last
    for at in range(len(places)):
        place = having.c[f"place_{at}"]
        least = case((place < least, place), else_=least)
    return select(having.c.name, least.label("relevance")).subquery("found")


def _begun(words: FromClause, query: Query) -> ColumnElement[bool]:
    """Words that begin with the last one of a query."""
    return and_(words.c.word >= query.beginning, words.c.word < query.beginning + _LAST_SIGN)


def _where(condition: Condition) -> ColumnElement[bool]:
    field, value = condition.field, condition.value
    if field == "tags":
        tagged = and_(WORDS.c.name == _COLUMNS.name, WORDS.c.word == f"{TAGGED}{value}")
        return exists(select(literal(1)).where(tagged))
    folded = {"title": _COLUMNS.title_folded, "image": _COLUMNS.image_folded}
    if condition.op == ":":
        return func.instr(folded[field], str(value).casefold()) > 0
    column: ColumnElement[Any]
    if field == "title":
        column, value = _COLUMNS.title_folded, str(value).casefold()
    elif field == "submitted":
        column, value = _COLUMNS.waiting, int(bool(value))
    else:
        column = _COLUMNS[field]
    return _COMPARED[condition.op](column, value)


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
