"""Nodes, as the port promises to keep them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from allocator.allocations.v1 import node_facts_pb2
from sqlalchemy import select

from allocation_svc.adapters.node_store.sql import SqlNodeStore
from allocation_svc.domain.allocation import StateReason
from allocation_svc.domain.node import Node, NodeFact, NodeState
from allocation_svc.ports.node_store import NodeStore
from allocation_svc.schema.tables import OUTBOX
from allocation_svc.transport.node_servicer import node_records
from chassis.clock import ManualClock
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_node(name: str = "nodes/node2", **fields: object) -> Node:
    """A node that is lost."""
    made = Node(
        name,
        "node2",
        "swarm",
        "10.0.0.2",
        NodeState.DOWN,
        NOW,
        reason=StateReason("NODE_AWAY", "It does not answer."),
        cpu_millis=2000,
        memory_bytes=1 << 40,
        failures=(NOW - timedelta(hours=1), NOW),
        observed_time=NOW,
    )
    return replace(made, **fields)  # type: ignore[arg-type]


@dataclass
class Opened:
    """A store, and its database."""

    store: NodeStore
    database: Database

    async def waiting(self) -> Sequence[tuple[str, str, bytes]]:
        """What waits to be published."""
        columns = OUTBOX.c
        found = select(columns.topic, columns.key, columns.value).order_by(columns.id)
        return [tuple(row) for row in await self.database.read(lambda c: c.execute(found).all())]  # type: ignore[misc]


@pytest.fixture(params=SQL_ENGINES)
async def opened(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Opened]:
    schema = "allocation_svc.schema"
    clock = ManualClock(NOW)
    database = await open_database(sql_place(request.param, schema), schema, clock)
    yield Opened(SqlNodeStore(database, clock, node_records), database)
    await database.close()


async def test_a_node_reads_back_as_it_was_kept(opened: Opened) -> None:
    kept = await opened.store.put(a_node())
    assert kept == a_node(version=1)
    assert await opened.store.find("nodes/node2") == kept
    assert await opened.store.find("nodes/node3") is None
    plain = a_node("nodes/node1", reason=None, failures=(), observed_time=None, drained=True)
    assert await opened.store.put(plain) is not None
    assert [node.name for node in await opened.store.all()] == ["nodes/node1", "nodes/node2"]


async def test_of_two_changes_of_one_version_one_is_kept(opened: Opened) -> None:
    kept = await opened.store.put(a_node())
    assert kept is not None
    changes = [opened.store.put(replace(kept, host=f"h{n}")) for n in range(5)]
    done = [node for node in await asyncio.gather(*changes) if node is not None]
    assert len(done) == 1
    assert await opened.store.find(kept.name) == done[0]
    assert await opened.store.put(a_node()) is None, "it is there already"


async def test_facts_are_kept_with_the_change_and_never_without(opened: Opened) -> None:
    kept = await opened.store.put(a_node(), [NodeFact.LOST, NodeFact.DRAINING], ["users/ada"], 3)
    assert kept is not None
    assert await opened.store.put(a_node(), [NodeFact.LOST]) is None
    rows = await opened.waiting()
    facts = [(key, value) for topic, key, value in rows if topic == "allocator.nodes.facts.v1"]
    assert [key for key, _ in facts] == ["nodes/node2"] * 2
    draining = node_facts_pb2.NodeDraining.FromString(facts[1][1])
    assert (list(draining.owners), draining.node.allocations) == (["users/ada"], 3)


async def test_a_node_that_has_left_is_forgotten(opened: Opened) -> None:
    await opened.store.put(a_node())
    await opened.store.remove("nodes/node2")
    await opened.store.remove("nodes/node2")
    assert await opened.store.all() == []
