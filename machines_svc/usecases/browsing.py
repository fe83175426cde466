"""How people look through the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.faults import FieldViolation, Invalid
from chassis.identity.caller import Caller
from chassis.listing import (
    Condition,
    FilterField,
    next_token,
    page_of,
    parse_filter,
    parse_order,
)
from machines_svc.domain.availability import Availability, RuntimeAbilities, availability_of
from machines_svc.domain.faults import no_machine, no_version
from machines_svc.domain.machine import Machine, State
from machines_svc.domain.searching import query_of
from machines_svc.ports import MachineStore, RuntimeView, page_key
from machines_svc.usecases.changing import sees

MYSELF = "users/me"
"""Stands for the caller."""

_FILTERS = {
    "state": FilterField.choice([state.value for state in State]),
    "title": FilterField.text(),
    "image": FilterField.text(),
    "resource_class": FilterField.text("=", "!="),
    "publisher": FilterField.text("=", "!="),
    "category": FilterField.text("=", "!="),
    "tags": FilterField.text(":"),
    "price": FilterField.number(),
    "submitted": FilterField.flag(),
}
_ORDERS: dict[str, type] = {
    "title": str,
    "create_time": datetime,
    "update_time": datetime,
    "price": int,
    "rating": int,
    "rents": int,
}
_BY_RELEVANCE = [("relevance", True), ("title", False)]


@dataclass(frozen=True, slots=True)
class CataloguePage:
    """A page of the catalogue.

    Attributes:
        machines: the machines of this page.
        next_page_token: for the next one; empty at the end.
    """

    machines: list[Machine]
    next_page_token: str


class Browsing:
    """Reads machines, as far as the caller may see them."""

    def __init__(self, store: MachineStore, runtime: RuntimeView) -> None:
        """Works on a store.

        Args:
            store: where the machines are.
            runtime: knows what can be run.
        """
        self._store = store
        self._runtime = runtime

    async def get(self, name: str, caller: Caller, version: int = 0) -> Machine:
        """Reads one machine. Drafts are visible to their publisher, admins and peers only.

        Args:
            name: `machines/{machine}`.
            caller: who looks.
            version: which one; 0 for the present one.

        Raises:
            MachineNotFound: there is none, or the caller may not see it.
            MachineVersionNotFound: that version is not kept, or the caller may not see it.
        """
        machine = await self._store.get(name)
        if machine is None or not sees(caller, machine):
            raise no_machine(name)
        if version in (0, machine.version):
            return machine
        former = await self._store.version(machine.uid, version)
        if former is None or not sees(caller, former):
            raise no_version(name, version)
        return former

    async def list(
        self,
        page_size: int,
        page_token: str,
        filter_text: str,
        order_by: str,
        caller: Caller,
        *,
        query_text: str = "",
    ) -> CataloguePage:
        """Lists the catalogue: ACTIVE machines; for admins and peers every one.

        Whoever asks for what they have published themselves gets all of it.

        Args:
            page_size: how many at most; 0 for the default.
            page_token: of the page before; empty for the first.
            filter_text: conditions joined by AND.
            order_by: fields with commas between them.
            caller: who looks.
            query_text: words to look for; empty for everything.

        Raises:
            Invalid: FILTER_INVALID, ORDER_INVALID, PAGE_TOKEN_INVALID.
        """
        conditions = [_for_caller(one, caller) for one in parse_filter(filter_text, _FILTERS)]
        query = query_of(query_text)
        orders = _ORDERS if query is None else {**_ORDERS, "relevance": int}
        order = parse_order(order_by, orders, "title" if query is None else _BY_RELEVANCE)
        _check_relevance(order)
        own = Condition("publisher", "=", caller.user)
        is_own = bool(caller.user) and own in conditions
        whose = caller.user if is_own else ""
        bound = ("machines", filter_text, order_by, query_text, caller.sees_all, whose)
        if not (is_own or caller.sees_all):
            conditions.append(Condition("state", "=", State.ACTIVE.value))
        key = [*(orders[field] for field, _ in order), str]
        page = page_of(page_size, page_token, *bound, key=key)
        found = await self._store.list(conditions, order, page.after, page.size + 1, query)
        shown = found[: page.size]
        if len(found) <= page.size:
            return CataloguePage(shown, "")
        return CataloguePage(shown, next_token(page_key(shown[-1], order, query), *bound))

    def abilities(self) -> RuntimeAbilities | None:
        """What the runtime of this installation can run, as far as is known."""
        return self._runtime.abilities()

    def availability(self, machine: Machine) -> Availability:
        """Whether the runtime of this installation can run a machine, as far as is known."""
        return availability_of(machine.spec, self._runtime.abilities())


def _for_caller(condition: Condition, caller: Caller) -> Condition:
    if condition.field == "publisher" and condition.value == MYSELF and caller.user:
        return Condition("publisher", condition.op, caller.user)
    return condition


def _check_relevance(order: Sequence[tuple[str, bool]]) -> None:
    """Refuses an order in which the relevance is not the first, or rises.

    Raises:
        Invalid: ORDER_INVALID.
    """
    if any(field == "relevance" for field, _ in order) and order[0] != ("relevance", True):
        message = "The relevance stands first, and descends: `relevance desc, rents desc`."
        raise Invalid(message, reason="ORDER_INVALID", fields=[FieldViolation("order_by", message)])
