"""Pages of machines as documents: which ones, in which order, and which words they have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from chassis.documents.documents import Document
from chassis.listing import Condition
from machines_svc.adapters.machine_store.row import TAGGED, standing_word
from machines_svc.domain.searching import Place, Query
from machines_svc.schema.documents import LIVING

_ORDERS = {
    "title": "title_folded",
    "create_time": "create_time",
    "update_time": "update_time",
    "price": "price",
    "rating": "rating",
    "rents": "rents",
}
_COMPARED = {"=": "$eq", "!=": "$ne", "<": "$lt", ">": "$gt", "<=": "$lte", ">=": "$gte"}


def page_steps(
    conditions: Sequence[Condition],
    order: Sequence[tuple[str, bool]],
    after: tuple[Any, ...] | None,
    query: Query | None,
) -> Iterator[tuple[Document, list[tuple[str, int]]]]:
    """What reads a page, step by step until there are enough: a filter and an order each.

    The most relevant machines are one step, the less relevant ones the next: so the server need not
    reckon, and an index of words is enough.
    """
    wanted: list[Document] = [dict(LIVING), *(_where(condition) for condition in conditions)]
    if query is None or order[0][0] != "relevance":
        if query is not None:
            wanted.append(_standing(query, Place.DESCRIPTION))
        fields = _fields(order)
        beyond = [] if after is None else [_beyond(fields, after)]
        yield {"$and": [*wanted, *beyond]}, _sorted(fields)
        return
    fields = _fields(order[1:])
    for place in sorted(Place, reverse=True):
        if after is not None and place > after[0]:
            continue
        these = [*wanted, _standing(query, place)]
        if place < max(Place):
            these.append({"$nor": [_standing(query, Place(place + 1))]})
        if after is not None and place == after[0]:
            these.append(_beyond(fields, after[1:]))
        yield {"$and": these}, _sorted(fields)


def _fields(order: Sequence[tuple[str, bool]]) -> list[tuple[str, bool]]:
    return [*((_ORDERS[field], descends) for field, descends in order), ("name", False)]


def _sorted(fields: Sequence[tuple[str, bool]]) -> list[tuple[str, int]]:
    return [(field, -1 if descends else 1) for field, descends in fields]


def _standing(query: Query, place: Place) -> Document:
    """Machines in which every word stands at a place or a better one."""
    begun = standing_word(place, query.beginning)
    return {
        "$and": [
            *({"words": standing_word(place, word)} for word in query.words),
            # Words have letters and digits alone: nothing in them means anything to a pattern.
            {"words": {"$regex": f"^{begun}"}},
        ]
    }


def _where(condition: Condition) -> Document:
    field, value = condition.field, condition.value
    if field == "tags":
        return {"words": f"{TAGGED}{value}"}
    if condition.op == ":":
        # A pattern cannot hold the character zero itself.
        wanted = re.escape(str(value).casefold()).replace("\0", "\\x00")
        return {f"{field}_folded": {"$regex": wanted}}
    if field == "title":
        field, value = "title_folded", str(value).casefold()
    elif field == "submitted":
        field, value = "waiting", int(bool(value))
    return {field: {_COMPARED[condition.op]: value}}


def _beyond(fields: Sequence[tuple[str, bool]], after: tuple[Any, ...]) -> Document:
    """Documents that come after a key, in an order whose parts ascend or descend each for itself."""
    alternatives: list[Document] = []
    for place, (field, descends) in enumerate(fields):
        same: Document = {f: after[i] for i, (f, _) in enumerate(fields[:place])}
        alternatives.append({**same, field: {"$lt" if descends else "$gt": after[place]}})
    return {"$or": alternatives}
