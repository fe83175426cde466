"""Looking at allocations: whose a caller sees, one, a page, and all about one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.faults import AllocationNotFound
from allocation_svc.domain.instance import Instance, Limits, Node
from allocation_svc.ports.allocation_store import AllocationStore, Selection
from allocation_svc.ports.engine import Engine
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.watching import Shown
from chassis.faults import Forbidden
from chassis.identity.caller import Caller
from chassis.listing import FilterField, next_token, page_of, parse_filter

_FILTERS = {
    "state": FilterField.choice([state.value for state in State]),
    "desired_state": FilterField.choice([desired.value for desired in Desired]),
    "machine": FilterField.text("=", "!="),
}


def owner_seen(caller: Caller, parent: str) -> str:
    """Whose allocations a caller asks for: `users/…`; empty for everybody's.

    Args:
        caller: who asks.
        parent: empty or `users/me` for their own, `users/-` for everybody's, or `users/{user}`.
            A service that asks in its own name has none: empty means everybody's.

    Raises:
        Forbidden: PARENT_FOREIGN, somebody else's, asked by one who is no admin.
    """
    if parent in ("", "users/me"):
        return caller.user
    if parent == caller.user:
        return parent
    if not caller.sees_all:
        raise Forbidden(
            f"{parent!r} is not you; use users/me. Only admins list other people's.",
            reason="PARENT_FOREIGN",
            parent=parent,
        )
    return "" if parent == "users/-" else parent


class Reading:
    """Reads allocations."""

    def __init__(
        self, store: AllocationStore, engine: Engine, watch: EngineWatch, shown: Shown
    ) -> None:
        """Reads from the store, and asks the engine for inspections.

        Args:
            store: what there is.
            engine: what runs.
            watch: the node where it runs.
            shown: fills in the places of those who wait.
        """
        self._shown = shown
        self._store = store
        self._engine = engine
        self._watch = watch

    async def one(self, caller: Caller, name: str) -> Allocation:
        """One allocation.

        Raises:
            AllocationNotFound: there is none, or it is somebody else's.
        """
        allocation = await self._store.find(name, "" if caller.sees_all else caller.user)
        if allocation is None:
            raise AllocationNotFound(name)
        if allocation.state is State.PENDING:
            return (await self._shown([allocation]))[0]
        return allocation

    async def page(
        self, caller: Caller, parent: str, filter_text: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Allocation], str]:
        """A page of allocations, newest first, and the token of the next one.

        Raises:
            Invalid: FILTER_INVALID, PAGE_TOKEN_INVALID.
            Forbidden: PARENT_FOREIGN.
        """
        owner = owner_seen(caller, parent)
        conditions = tuple(parse_filter(filter_text, _FILTERS))
        asked = page_of(page_size, page_token, owner, filter_text, key=(datetime, str))
        found = await self._store.page(Selection(owner, conditions), asked.size + 1, asked.after)
        shown = await self._shown(found[: asked.size])
        if len(found) <= asked.size:
            return shown, ""
        last = shown[-1]
        return shown, next_token((last.create_time, last.name), owner, filter_text)

    async def inspection(
        self, caller: Caller, name: str
    ) -> tuple[Allocation, Instance, Node, Limits | None]:
        """All that is known about the instance behind an allocation, asked of the engine now.

        Raises:
            AllocationNotFound: there is none.
            Unavailable: ENGINE_UNAVAILABLE.
        """
        allocation = await self.one(caller, name)
        instance = await self._engine.look(name)
        kept = await self._store.plan(name)
        return allocation, instance, await self._watch.node(), kept[0].limits if kept else None
