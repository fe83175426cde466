"""How people look through the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

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
from machines_svc.domain.faults import no_machine
from machines_svc.domain.machine import Machine, State
from machines_svc.ports import MachineStore, RuntimeView, page_key

_FILTERS = {
    "state": FilterField.choice([state.value for state in State]),
    "title": FilterField.text(),
    "image": FilterField.text(),
    "resource_class": FilterField.text("=", "!="),
    "publisher": FilterField.text("=", "!="),
}
_ORDERS: dict[str, type] = {"title": str, "create_time": datetime, "update_time": datetime}


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

    async def get(self, name: str, caller: Caller) -> Machine:
        """Reads one machine. Drafts are visible to admins and peers only.

        Raises:
            MachineNotFound: there is none, or the caller may not see it.
        """
        machine = await self._store.get(name)
        if machine is None or (machine.state is State.DRAFT and not caller.sees_all):
            raise no_machine(name)
        return machine

    async def list(
        self, page_size: int, page_token: str, filter_text: str, order_by: str, caller: Caller
    ) -> CataloguePage:
        """Lists the catalogue: ACTIVE machines; for admins and peers every one.

        Args:
            page_size: how many at most; 0 for the default.
            page_token: of the page before; empty for the first.
            filter_text: conditions joined by AND.
            order_by: fields with commas between them.
            caller: who looks.

        Raises:
            Invalid: FILTER_INVALID, ORDER_INVALID, PAGE_TOKEN_INVALID.
        """
        conditions = parse_filter(filter_text, _FILTERS)
        order = parse_order(order_by, _ORDERS, "title")
        bound = ("machines", filter_text, order_by, caller.sees_all)
        key = [*(_ORDERS[field] for field, _ in order), str]
        page = page_of(page_size, page_token, *bound, key=key)
        if not caller.sees_all:
            conditions.append(Condition("state", "=", State.ACTIVE.value))
        found = await self._store.list(conditions, order, page.after, page.size + 1)
        shown = found[: page.size]
        more = len(found) > page.size
        return CataloguePage(shown, next_token(page_key(shown[-1], order), *bound) if more else "")

    def abilities(self) -> RuntimeAbilities | None:
        """What the runtime of this installation can run, as far as is known."""
        return self._runtime.abilities()

    def availability(self, machine: Machine) -> Availability:
        """Whether the runtime of this installation can run a machine, as far as is known."""
        return availability_of(machine.spec, self._runtime.abilities())
