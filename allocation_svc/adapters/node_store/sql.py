"""Nodes in the SQL database of the allocations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from allocation_svc.domain.allocation import StateReason
from allocation_svc.domain.node import Node, NodeFact, NodeState
from allocation_svc.schema.tables import NODES, OUTBOX
from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.clock import Clock, instant_of, millis_of
from chassis.sql import Database

RecordsOf = Callable[[NodeFact, Node, Sequence[str], int], Sequence[Record]]

_COLUMNS = NODES.c


class SqlNodeStore:
    """Keeps nodes.

    Args:
        database: at the newest schema.
        clock: tells when.
        records_of: makes what goes onto the bus of a fact, the node after it, the owners of what is
            there, and how many allocations that are.
    """

    def __init__(self, database: Database, clock: Clock, records_of: RecordsOf) -> None:
        self._database = database
        self._clock = clock
        self._records_of = records_of

    async def all(self) -> Sequence[Node]:
        """Every node, by name."""

        def work(connection: Connection) -> list[Node]:
            rows = connection.execute(
                select(_COLUMNS.document, _COLUMNS.version).order_by(_COLUMNS.name)
            )
            return [_node(document, version) for document, version in rows]

        return await self._database.read(work)

    async def find(self, name: str) -> Node | None:
        """One node."""

        def work(connection: Connection) -> Node | None:
            row = connection.execute(
                select(_COLUMNS.document, _COLUMNS.version).where(_COLUMNS.name == name)
            ).first()
            return None if row is None else _node(row[0], row[1])

        return await self._database.read(work)

    async def put(
        self, node: Node, facts: Sequence[NodeFact] = (), owners: Sequence[str] = (), count: int = 0
    ) -> Node | None:
        """Keeps a node and its facts in one transaction."""
        now = self._clock.now()
        after = replace(node, version=node.version + 1)

        def work(connection: Connection) -> Node | None:
            values = {"document": _document(after), "version": after.version}
            if not node.version:
                try:
                    connection.execute(insert(NODES).values(name=node.name, **values))
                except IntegrityError:
                    return None
            else:
                where = (_COLUMNS.name == node.name) & (_COLUMNS.version == node.version)
                if not connection.execute(update(NODES).where(where).values(**values)).rowcount:
                    return None
            for fact in facts:
                append(connection, OUTBOX, self._records_of(fact, after, owners, count), now)
            return after

        return await self._database.write(work)

    async def remove(self, name: str) -> None:
        """Forgets a node."""
        await self._database.write(
            lambda connection: connection.execute(delete(NODES).where(_COLUMNS.name == name))
        )


def _document(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "display_name": node.display_name,
        "runtime": node.runtime,
        "host": node.host,
        "state": node.state.value,
        "state_time": millis_of(node.state_time),
        "drained": node.drained,
        "reason": [node.reason.reason, node.reason.message] if node.reason else None,
        "cpu_millis": node.cpu_millis,
        "memory_bytes": node.memory_bytes,
        "failures": [millis_of(time) for time in node.failures],
        "observed_time": millis_of(node.observed_time) if node.observed_time else None,
    }


def _node(document: Mapping[str, Any], version: int) -> Node:
    observed = document["observed_time"]
    return Node(
        name=document["name"],
        display_name=document["display_name"],
        runtime=document["runtime"],
        host=document["host"],
        state=NodeState(document["state"]),
        state_time=instant_of(document["state_time"]),
        drained=document["drained"],
        reason=StateReason(*document["reason"]) if document["reason"] else None,
        cpu_millis=document["cpu_millis"],
        memory_bytes=document["memory_bytes"],
        failures=tuple(instant_of(time) for time in document["failures"]),
        observed_time=None if observed is None else instant_of(observed),
        version=version,
    )
