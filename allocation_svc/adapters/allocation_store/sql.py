"""Allocations in a SQL database, with their leases, tallies, facts and answered requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    bindparam,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from allocation_svc.adapters.allocation_store.admitting import Admitting
from allocation_svc.adapters.allocation_store.document import (
    allocation_of,
    allocation_of_text,
    document_of,
    plan_document,
    plan_of,
)
from allocation_svc.adapters.allocation_store.leases import PortLeases
from allocation_svc.adapters.allocation_store.queue_rows import place_of
from allocation_svc.adapters.usage_store.sql import begin_usage, follow_usage
from allocation_svc.adapters.volume_store.rows import VolumeRows
from allocation_svc.domain.allocation import Allocation, State
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.machine import Plan
from allocation_svc.domain.room import Room
from allocation_svc.domain.usage import Truth
from allocation_svc.ports.allocation_store import Claim, Existing, Remaking, Selection
from allocation_svc.schema.tables import ALLOCATIONS, ONCE, OUTBOX
from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.clock import Clock
from chassis.listing import Condition, Once
from chassis.sql import Database, Prepared
from chassis.sql.once import answer_of, recall, remember

_COLUMNS = ALLOCATIONS.c
_TEXT = select(type_coerce(_COLUMNS.document, Text)).where(_COLUMNS.name == bindparam("of_name"))
_BY_NAME = Prepared(_TEXT)
_BY_OWNER_AND_NAME = Prepared(_TEXT.where(_COLUMNS.owner == bindparam("of_owner")))
_PLAN = select(_COLUMNS.plan, _COLUMNS.sealed_secrets).where(_COLUMNS.name == bindparam("of_name"))
_EXISTING = (
    select(_COLUMNS.name, _COLUMNS.version, _COLUMNS.state)
    .where(_COLUMNS.live == 1, _COLUMNS.name > bindparam("after"))
    .order_by(_COLUMNS.name)
    .limit(bindparam("size"))
)
_SEVERAL = select(_COLUMNS.document).where(_COLUMNS.name.in_(bindparam("of_names", expanding=True)))
_STATES = {state.value: state for state in State}
_NEW = insert(ALLOCATIONS)
# A deleted allocation is history: nothing changes it any more.
_CHANGED = update(ALLOCATIONS).where(
    _COLUMNS.name == bindparam("of_name"),
    _COLUMNS.version == bindparam("of_version"),
    _COLUMNS.live == 1,
)
_REMADE = update(ALLOCATIONS).where(_COLUMNS.name == bindparam("of_name"))
_SEARCHED = {
    "state": _COLUMNS.state,
    "desired_state": _COLUMNS.desired_state,
    "machine": _COLUMNS.machine,
}


class _WaitsNoMore(Exception):
    """Undoes the admission of one that is not in the queue."""


class SqlAllocationStore:
    """Keeps allocations in a SQL database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        leases: PortLeases,
        port_rest_seconds: float,
        records_of: Callable[[Fact | None, Allocation], Sequence[Record]],
        committed: Callable[[Allocation], None],
        volumes: VolumeRows | None = None,
    ) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            clock: tells when.
            leases: leases ports.
            port_rest_seconds: how long a released port rests.
            records_of: makes what goes onto the bus of a fact (None where there is only a new state)
                and the allocation after it.
            committed: called after each change, with the allocation as it is now.
            volumes: gives allocations their volumes; None where they have none.
        """
        self._database = database
        self._clock = clock
        self._leases = leases
        self._admitting = Admitting(leases)
        self._port_rest = timedelta(seconds=port_rest_seconds)
        self._records_of = records_of
        self._committed = committed
        self._volumes = volumes

    async def admit(self, claim: Claim) -> Allocation:
        """Keeps a new allocation with a leased port for each port of its machine: all or none."""
        now = self._clock.now()

        def work(connection: Connection) -> tuple[Allocation, bool]:
            answered = recall(connection, ONCE, claim.once, now)
            if answered is not None:
                return allocation_of(answered), False
            allocation = self._admitting.admit(connection, claim, now)
            if allocation.state is State.PENDING:
                # Two things have happened, and each has a version of its own.
                self._tell(connection, Fact.CREATED, allocation, None, now)
                allocation = replace(allocation, version=allocation.version + 1)
            self._insert(connection, allocation, claim)
            begin_usage(connection, allocation)
            if self._volumes is not None:
                self._volumes.begin(connection, allocation, claim.plan.volumes, now)
            fact = Fact.QUEUED if allocation.state is State.PENDING else Fact.CREATED
            self._tell(connection, fact, allocation, claim.once, now)
            return allocation, True

        allocation, is_new = await self._database.write(work)
        if is_new:
            self._committed(allocation)
        return allocation

    def _insert(self, connection: Connection, allocation: Allocation, claim: Claim) -> None:
        connection.execute(
            _NEW,
            {
                **_row(allocation),
                "owner": allocation.owner,
                "machine": allocation.machine,
                "create_time": allocation.create_time,
                "plan": plan_document(claim.plan),
                "sealed_secrets": claim.sealed_secrets,
            },
        )

    async def answered(self, once: Once) -> Allocation | None:
        """What the same request was answered within 24 hours."""
        now = self._clock.now()
        answer = await self._database.get(lambda conn: answer_of(conn, ONCE, once, now))
        return None if answer is None else allocation_of(answer)

    async def find(self, name: str, owner: str = "") -> Allocation | None:
        """One allocation."""
        lookup = _BY_OWNER_AND_NAME if owner else _BY_NAME
        row = await self._database.first(lookup, {"of_name": name, "of_owner": owner})
        return None if row is None else allocation_of_text(row[0])

    async def page(
        self, selection: Selection, size: int, after: tuple[Any, ...] | None = None
    ) -> Sequence[Allocation]:
        """Allocations, newest first."""
        statement = _selected(selection).limit(size)
        if after is not None:
            time, name = after
            statement = statement.where(
                or_(
                    _COLUMNS.create_time < time,
                    and_(_COLUMNS.create_time == time, _COLUMNS.name < name),
                )
            )
        return await self._database.read(
            lambda connection: [
                allocation_of(document) for document in connection.execute(statement).scalars()
            ]
        )

    async def existing(self, size: int, after: str = "") -> Sequence[Existing]:
        """What there is of allocations that are not deleted, by name."""
        bounds = {"after": after, "size": size}
        return await self._database.read(
            lambda connection: [
                Existing(name, version, _STATES[state])
                for name, version, state in connection.execute(_EXISTING, bounds)
            ]
        )

    async def several(self, names: Sequence[str]) -> Sequence[Allocation]:
        """Allocations of these names."""
        key = {"of_names": list(names)}
        return await self._database.read(
            lambda connection: [
                allocation_of(document) for document in connection.execute(_SEVERAL, key).scalars()
            ]
        )

    async def plan(self, name: str) -> tuple[Plan, bytes] | None:
        """How instances of an allocation are made, and its sealed secrets."""
        row = await self._database.get(
            lambda connection: connection.execute(_PLAN, {"of_name": name}).first()
        )
        return None if row is None else (plan_of(row[0]), row[1])

    async def replace(
        self,
        after: Allocation,
        fact: Fact | None = None,
        *,
        once: Once | None = None,
        next_ports: bool = False,
        room: Room | None = None,
        truth: Truth | None = None,
        remaking: Remaking | None = None,
    ) -> Allocation | None:
        """Writes a changed allocation down, if the kept one has its version."""
        now = self._clock.now()

        def work(connection: Connection) -> tuple[Allocation | None, bool]:
            answered = recall(connection, ONCE, once, now)
            if answered is not None:
                return allocation_of(answered), False
            kept = replace(after, version=after.version + 1, queue=None)
            leaving = () if kept.has_former_instance else kept.leaving
            if leaving:
                kept = replace(kept, leaving=())
            # First the compare-and-set, which also locks the row on a server.
            if not changed(connection, replace(kept, held=kept.holds), after.version):
                return None, False
            kept = self._admitting.count(connection, kept, room, now)
            self._leases.release_some(connection, kept.name, leaving, now + self._port_rest)
            if remaking is not None:
                _remake(connection, kept.name, remaking)
                if self._volumes is not None:
                    self._volumes.complete(connection, kept, remaking.plan.volumes, now)
            kept = self._with_ports(connection, kept, now, others=next_ports)
            if kept.state is State.DELETED:
                self._leases.release(connection, kept.name, now + self._port_rest)
                if self._volumes is not None:
                    self._volumes.end(connection, kept, now)
            follow_usage(connection, kept, truth)
            if fact is Fact.QUEUED and kept.queue is None:
                kept = replace(kept, queue=place_of(connection, kept.name, now))
            self._tell(connection, fact, kept, once, now)
            return kept, True

        kept, is_new = await self._database.write(work)
        if kept is not None and is_new:
            self._committed(kept)
        return kept

    async def promote(self, begun: Allocation, room: Room) -> Allocation | None:
        """Admits one that has waited, if the kept one has its version and still waits."""
        now = self._clock.now()

        def work(connection: Connection) -> Allocation | None:
            kept = replace(begun, version=begun.version + 1, queue=None)
            if not changed(connection, kept, begun.version):
                return None
            entered = self._admitting.promote(connection, kept, room, now)
            if entered is None:
                raise _WaitsNoMore
            changed(connection, entered, entered.version)
            follow_usage(connection, entered)
            self._tell(connection, Fact.ADMITTED, entered, None, now)
            return entered

        try:
            kept = await self._database.write(work)
        except _WaitsNoMore:
            return None
        if kept is not None:
            self._committed(kept)
        return kept

    def _with_ports(
        self, connection: Connection, allocation: Allocation, now: datetime, *, others: bool
    ) -> Allocation:
        """The allocation with a leased port for each endpoint that has none, or with others for all."""
        if others:
            self._leases.release(connection, allocation.name, now + self._port_rest)
            unleased = tuple(replace(one, port=0) for one in allocation.endpoints)
            allocation = replace(allocation, endpoints=unleased, leaving=())
        wanting = [one.protocol for one in allocation.endpoints if not one.port]
        if not wanting:
            return allocation
        if not others:
            self._admitting.refuse_too_many_ports(allocation.endpoints)
        ports = iter(self._leases.lease(connection, allocation.node, wanting, allocation.name, now))
        endpoints = tuple(
            one if one.port else replace(one, port=next(ports)) for one in allocation.endpoints
        )
        allocation = replace(allocation, endpoints=endpoints)
        changed(connection, allocation, allocation.version)
        return allocation

    def _tell(
        self,
        connection: Connection,
        fact: Fact | None,
        allocation: Allocation,
        once: Once | None,
        now: datetime,
    ) -> None:
        append(connection, OUTBOX, self._records_of(fact, allocation), now)
        remember(connection, ONCE, once, document_of(allocation) if once else {}, now)


def _row(allocation: Allocation) -> dict[str, Any]:
    return {
        "name": allocation.name,
        "state": allocation.state.value,
        "desired_state": allocation.desired.value,
        "live": 0 if allocation.state is State.DELETED else 1,
        "version": allocation.version,
        "document": document_of(allocation),
    }


def _remake(connection: Connection, name: str, remaking: Remaking) -> None:
    values: dict[str, Any] = {"plan": plan_document(remaking.plan)}
    if remaking.sealed_secrets is not None:
        values["sealed_secrets"] = remaking.sealed_secrets
    connection.execute(_REMADE.values(**values), {"of_name": name})


def changed(connection: Connection, allocation: Allocation, version: int) -> bool:
    """Writes an allocation down, if the kept one has that version; says whether it had."""
    row = _row(allocation)
    del row["name"]
    key = {"of_name": allocation.name, "of_version": version}
    return connection.execute(_CHANGED, {**row, **key}).rowcount == 1


def _selected(selection: Selection) -> Select[Any]:
    conditions = [_where(condition) for condition in selection.conditions]
    if selection.owner:
        conditions.append(_COLUMNS.owner == selection.owner)
    if not any(condition.field == "state" for condition in selection.conditions):
        conditions.append(_COLUMNS.live == 1)
    return (
        select(_COLUMNS.document)
        .where(*conditions)
        .order_by(_COLUMNS.create_time.desc(), _COLUMNS.name.desc())
    )


def _where(condition: Condition) -> ColumnElement[bool]:
    column = _SEARCHED[condition.field]
    return column != condition.value if condition.op == "!=" else column == condition.value
