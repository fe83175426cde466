"""The nodes that instances run on: watched, shown, drained and activated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from allocation_svc.domain.allocation import State
from allocation_svc.domain.faults import NodeNotFound
from allocation_svc.domain.node import (
    Node,
    NodeFact,
    NodeRules,
    NodeSeen,
    NodeState,
    drained,
    failing,
    node_name,
    told,
)
from allocation_svc.ports.allocation_store import AllocationStore, Selection
from allocation_svc.ports.engine import Engine
from allocation_svc.ports.node_store import NodeStore
from allocation_svc.ports.step_observer import StepObserver
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.clock import Clock
from chassis.faults import Fault, Unavailable

_PAGE = 500
_MOST_OWNERS = 1000
_ATTEMPTS = 5


@dataclass(slots=True)
class Tenants:
    """What is on a node: how many allocations, and whose they are."""

    count: int = 0
    owners: dict[str, None] = field(default_factory=dict)


class Nodes:
    """Keeps what is known of nodes; one replica at a time watches them."""

    def __init__(
        self,
        store: NodeStore,
        allocations: AllocationStore,
        engine: Engine,
        watch: EngineWatch,
        *,
        clock: Clock,
        observer: StepObserver,
        rules: NodeRules,
        seconds: float,
    ) -> None:
        """Works with these.

        Args:
            store: keeps what is known.
            allocations: tell what is where.
            engine: says what is so.
            watch: whether it answers.
            clock: the time.
            observer: is told what fails.
            rules: when a node is taken out.
            seconds: how often nodes are looked at.
        """
        self._store = store
        self._allocations = allocations
        self._engine = engine
        self._watch = watch
        self._clock = clock
        self._observer = observer
        self._rules = rules
        self._seconds = seconds

    async def all(self) -> Sequence[tuple[Node, int]]:
        """Every node as it is known, by name, and how many allocations are there.

        Raises:
            Unavailable: none is known yet, and the engine does not answer.
        """
        if not await self._store.all():
            await self.look()
        tenants = await self._tenants()
        return [(self._shown(n), _of(tenants, n).count) for n in await self._store.all()]

    async def get(self, name: str) -> tuple[Node, int]:
        """One node, and how many allocations are there.

        Raises:
            NodeNotFound: there is none.
            Unavailable: it is not known, and the engine does not answer.
        """
        node = await self._required(name)
        return self._shown(node), _of(await self._tenants(), node).count

    async def drain(self, name: str, words: str) -> tuple[Node, int]:
        """Has a node take no more instances, and tells the owners of what is there.

        Raises:
            NodeNotFound: there is none.
            Unavailable: the engine does not answer; nothing was changed.
        """
        node = await self._required(name)
        tenants = _of(await self._tenants(), node)
        await self._engine.drain_node(node.display_name, words)
        self._watch.node_changed()
        for _ in range(_ATTEMPTS):
            facts = [] if node.drained else [NodeFact.DRAINING]
            if kept := await self._store.put(
                drained(node, words), facts, list(tenants.owners)[:_MOST_OWNERS], tenants.count
            ):
                return kept, tenants.count
            node = await self._required(name)
        raise Unavailable("The node changes all the time; read it again.")

    async def activate(self, name: str) -> tuple[Node, int]:
        """Has a node take instances again.

        Raises:
            NodeNotFound: there is none.
            Unavailable: the engine does not answer; nothing was changed.
        """
        node = await self._required(name)
        await self._engine.activate_node(node.display_name)
        self._watch.node_changed()
        for _ in range(_ATTEMPTS):
            facts = [NodeFact.ACTIVATED] if node.drained else []
            after = replace(node, drained=False, reason=None, failures=())
            if kept := await self._store.put(after, facts):
                return kept, _of(await self._tenants(), kept).count
            node = await self._required(name)
        raise Unavailable("The node changes all the time; read it again.")

    async def run(self) -> None:
        """Looks at the nodes again and again, until it is cancelled."""
        while True:
            if self._watch.answers:
                try:
                    await self.look()
                except Fault as fault:
                    self._observer.failed("nodes", fault)
            await self._clock.sleep(self._seconds)

    async def look(self) -> None:
        """Compares what is known with what is so, once.

        Raises:
            Fault: the engine or the store does not answer.
        """
        runtime = (await self._watch.node()).runtime
        kept = {node.name: node for node in await self._store.all()}
        seen = {node_name(each.name): each for each in await self._engine.nodes()}
        for name, each in seen.items():
            await self._one(kept.get(name), each, runtime)
        for name in kept.keys() - seen.keys():
            await self._store.remove(name)

    async def _one(self, node: Node | None, seen: NodeSeen, runtime: str) -> None:
        after, facts, is_failing = told(node, seen, runtime, self._clock.now(), self._rules)
        if node is not None and not facts and not _differs(node, after):
            return
        if is_failing and await self._may_be_taken_out(after):
            await self._engine.drain_node(after.display_name, "lost again and again")
            self._watch.node_changed()
            after = failing(after, self._rules)
            facts = [*facts, NodeFact.DRAINING]
        tenants = _of(await self._tenants(), after) if facts else Tenants()
        await self._store.put(after, facts, list(tenants.owners)[:_MOST_OWNERS], tenants.count)

    async def _may_be_taken_out(self, node: Node) -> bool:
        """Whether another node takes what this one would: the only one is better than none."""
        return any(
            other.name != node.name and other.state is NodeState.READY and not other.drained
            for other in await self._store.all()
        )

    def _shown(self, node: Node) -> Node:
        return node if self._watch.answers else replace(node, state=NodeState.UNKNOWN)

    async def _required(self, name: str) -> Node:
        node = await self._store.find(name)
        if node is None:
            # It may have joined since the last look, or there has been none yet.
            await self.look()
            node = await self._store.find(name)
        if node is None:
            raise NodeNotFound(f"There is no node {name!r}; list the nodes.", node=name)
        return node

    async def _tenants(self) -> Mapping[str, Tenants]:
        """What is on each node, by its name."""
        found: dict[str, Tenants] = {}
        after: tuple[datetime, str] | None = None
        while page := await self._allocations.page(Selection(), _PAGE, after):
            for allocation in page:
                if allocation.placed_on and allocation.state is not State.PENDING:
                    tenants = found.setdefault(node_name(allocation.placed_on), Tenants())
                    tenants.count += 1
                    tenants.owners[allocation.owner] = None
            after = (page[-1].create_time, page[-1].name)
        return found


def _of(tenants: Mapping[str, Tenants], node: Node) -> Tenants:
    return tenants.get(node.name) or Tenants()


def _differs(node: Node, after: Node) -> bool:
    """Whether more has changed than when it was last heard of; that alone is kept once in a while."""
    if replace(after, observed_time=node.observed_time) != node:
        return True
    if node.observed_time is None or after.observed_time is None:
        return node.observed_time is not after.observed_time
    return (after.observed_time - node.observed_time).total_seconds() >= 30
