"""The store of machines, as its port promises it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from chassis.bus import Bus, Record, open_bus
from chassis.bus.outbox import Publishing, Relay
from chassis.clock import ManualClock
from chassis.documents import open_documents
from chassis.documents.outbox import DocumentRelay
from chassis.faults import Conflict
from chassis.listing import Condition, Once
from chassis.sql import assert_schema_matches, open_database
from machines_svc.adapters.machine_store.mongo import MongoMachineStore
from machines_svc.adapters.machine_store.sql import SqlMachineStore
from machines_svc.domain.facts import (
    MachineCreated,
    MachineDeleted,
    MachinePublished,
    MachineUpdated,
)
from machines_svc.domain.faults import MachineChanged, MachineExists, MachineNotFound
from machines_svc.domain.health import (
    HttpProbe,
    Liveness,
    LogProbe,
    Probe,
    RestartPolicy,
    TcpProbe,
)
from machines_svc.domain.machine import (
    Machine,
    MachineSpec,
    Money,
    Port,
    Protocol,
    State,
    StopSignal,
    Variable,
    Volume,
)
from machines_svc.ports import FORMER_VERSIONS_KEPT, MachineStore, page_key
from machines_svc.schema.tables import METADATA, OUTBOX
from machines_svc.transport.facts import records_of
from tests.sql_places import SqlPlace
from tests.store_places import STORE_ENGINES

PATIENCE = 20.0
BY_TITLE = [("title", False)]


@dataclass
class Opened:
    """A store, and what it is opened with again."""

    url: str
    folder: Path
    clock: ManualClock
    exits: AsyncExitStack
    wakes: list[None] = field(default_factory=list)

    async def open(self) -> MachineStore:
        """Opens the same store each time."""
        return (await self.open_with_relay(None))[0]

    async def open_with_relay(self, bus: Bus | None) -> tuple[MachineStore, Publishing | None]:
        """Opens the same store, and what publishes from it onto a bus."""
        wake = partial(self.wakes.append, None)
        if self.url.startswith("mongodb"):
            documents = await open_documents(
                self.url, "machines_svc.schema", self.clock, migrate=True
            )
            self.exits.push_async_callback(documents.close)
            store = MongoMachineStore(documents, self.clock, records_of, wake)
            return store, bus and DocumentRelay(documents, "machines", bus, self.clock)
        database = await open_database(self.url, "machines_svc.schema", self.clock)
        self.exits.push_async_callback(database.close)
        return (
            SqlMachineStore(database, self.clock, records_of, wake),
            bus and Relay(database, OUTBOX, bus, self.clock),
        )

    async def published(self, count: int) -> list[Record]:
        """What reaches the bus, once it is that much."""
        bus = await open_bus(f"sqlite:///{self.folder}/bus.sqlite3", self.clock)
        _, relay = await self.open_with_relay(bus)
        assert relay is not None
        had: list[Record] = []
        enough = asyncio.Event()

        async def effect(record: Record) -> None:
            had.append(record)
            if len(had) >= count:
                enough.set()

        try:
            assert await relay.flush(PATIENCE)
            reading = asyncio.ensure_future(
                bus.consume("test", ["allocator.machines.facts.v1"], effect)
            )
            async with asyncio.timeout(PATIENCE):
                await enough.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        finally:
            await bus.close()
        return had


@pytest.fixture(params=STORE_ENGINES)
async def opened(
    request: pytest.FixtureRequest, tmp_path: Path, store_place: SqlPlace
) -> AsyncIterator[Opened]:
    """How to open a store with nothing in it."""
    url = store_place(request.param, "machines_svc.schema")
    async with AsyncExitStack() as exits:
        yield Opened(url, tmp_path, ManualClock(), exits)


@pytest.fixture
async def store(opened: Opened) -> MachineStore:
    return await opened.open()


def machine(name: str = "redis", clock: ManualClock | None = None, **spec: object) -> Machine:
    now = (clock or ManualClock()).now()
    made = MachineSpec(**{"title": name.title(), "image": f"{name}:1", **spec})  # type: ignore[arg-type]
    return Machine(f"machines/{name}", str(uuid4()), made, State.DRAFT, "users/admin", 1, now, now)


FULL = MachineSpec(
    title="Ünïcode 🦀 title",
    description='# Markdown\n\nwith "quotes" and \\ and \u0000? no: \u2028',
    image="registry.example:5000/a/b@sha256:00",
    command=("sh", "-c", "echo $PORT\nexec sleep 1", ""),
    needs_image=True,
    ports=(Port(80, Protocol.TCP, "web", "http"), Port(53, Protocol.UDP)),
    variables=(
        Variable("A", "title", "words", True, "x", False, ("x", "y"), "[xy]"),
        Variable("SECRET", secret=True),
    ),
    resource_class="large",
    probe=Probe(
        HttpProbe(80, "/healthz"),
        timedelta(seconds=1, microseconds=5),
        Liveness(restart=True, period=timedelta(milliseconds=1500), failures=100),
    ),
    price_per_hour=Money("EUR", 10**15),
    stock=7,
    labels={"team": "a b", "z": ""},
    run_as="1000:1000",
    stop_grace=timedelta(milliseconds=1500),
    stop_signal=StopSignal.SIGUSR2,
    restart_policy=RestartPolicy.ALWAYS,
    volumes=(Volume("/data", 1, "t"), Volume("/x", 10485760)),
)


def test_the_migrations_make_the_tables() -> None:
    assert_schema_matches(METADATA, "machines_svc.schema")


@pytest.mark.parametrize(
    "spec",
    [
        FULL,
        MachineSpec(title="t", command=("x",)),
        MachineSpec(title="t", image="i", probe=Probe()),
        MachineSpec(title="t", image="i", probe=Probe(TcpProbe())),
        MachineSpec(title="t", image="i", probe=Probe(LogProbe("begins"), timedelta(minutes=10))),
        MachineSpec(title="t", image="i", price_per_hour=Money("USD", 0)),
    ],
)
async def test_a_machine_comes_back_as_it_was_kept(
    store: MachineStore, opened: Opened, spec: MachineSpec
) -> None:
    kept = replace(machine(), spec=spec)
    assert await store.insert(kept, MachineCreated(kept)) == kept
    assert await store.get(kept.name) == kept
    assert await (await opened.open()).get(kept.name) == kept
    assert await store.get("machines/other") is None


async def test_a_name_is_taken_once(store: MachineStore) -> None:
    first, second = machine(), machine()
    await store.insert(first, MachineCreated(first))
    with pytest.raises(MachineExists):
        await store.insert(second, MachineCreated(second))
    assert await store.get(first.name) == first


async def test_of_many_who_want_a_name_one_gets_it(store: MachineStore, opened: Opened) -> None:
    stores = [store, await opened.open()]
    wishes = [machine() for _ in range(10)]
    outcomes = await asyncio.gather(
        *(stores[i % 2].insert(w, MachineCreated(w)) for i, w in enumerate(wishes)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Machine) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, MachineExists) for outcome in outcomes) == 9


async def test_a_request_sent_twice_has_one_effect_and_one_answer(
    store: MachineStore, opened: Opened
) -> None:
    first, second = machine(), machine()
    once = Once("users/a", "CreateMachine", "id", "same")
    assert await store.insert(first, MachineCreated(first), once) == first
    edited = replace(first, version=2)
    await store.replace(edited, 1, MachineUpdated(edited))
    assert await store.insert(second, MachineCreated(second), once) == first
    assert await store.get(first.name) == edited
    assert len(await opened.published(2)) == 2


async def test_a_request_id_is_not_used_for_another_request(store: MachineStore) -> None:
    first, second = machine("a"), machine("b")
    await store.insert(first, MachineCreated(first), Once("users/a", "CreateMachine", "id", "x"))
    with pytest.raises(Conflict) as caught:
        await store.insert(
            second, MachineCreated(second), Once("users/a", "CreateMachine", "id", "y")
        )
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert await store.get(second.name) is None


async def test_a_request_that_failed_may_be_sent_again(store: MachineStore) -> None:
    first, second = machine(), machine()
    once = Once("users/a", "CreateMachine", "id", "x")
    await store.insert(first, MachineCreated(first))
    with pytest.raises(MachineExists):
        await store.insert(second, MachineCreated(second), once)
    await store.delete(first, MachineDeleted(first, first.update_time))
    assert await store.insert(second, MachineCreated(second), once) == second


async def test_a_change_from_an_older_version_is_refused(store: MachineStore) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    edited = replace(kept, version=2, spec=replace(kept.spec, title="new"))
    await store.replace(edited, 1, MachineUpdated(edited))
    with pytest.raises(MachineChanged):
        await store.replace(replace(edited, version=2), 1, MachineUpdated(edited))
    assert await store.get(kept.name) == edited


async def test_a_change_of_what_is_not_there_is_refused(store: MachineStore) -> None:
    gone = machine()
    with pytest.raises(MachineNotFound):
        await store.replace(gone, 1, MachineUpdated(gone))
    with pytest.raises(MachineNotFound):
        await store.delete(gone, MachineDeleted(gone, gone.update_time))


async def test_a_change_does_not_reach_another_machine_of_the_same_name(
    store: MachineStore,
) -> None:
    former, present = machine(), machine()
    await store.insert(present, MachineCreated(present))
    with pytest.raises(MachineChanged):
        await store.replace(replace(former, version=2), 1, MachineUpdated(former))
    with pytest.raises(MachineChanged):
        await store.delete(former, MachineDeleted(former, former.update_time))
    assert await store.get(present.name) == present


async def test_of_many_changes_of_one_version_one_is_kept(
    store: MachineStore, opened: Opened
) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    stores = [store, await opened.open()]
    changes = [replace(kept, version=2, spec=replace(kept.spec, title=str(i))) for i in range(10)]
    outcomes = await asyncio.gather(
        *(stores[i % 2].replace(c, 1, MachineUpdated(c)) for i, c in enumerate(changes)),
        return_exceptions=True,
    )
    winners = [c for c, outcome in zip(changes, outcomes, strict=True) if outcome is None]
    assert len(winners) == 1
    assert sum(isinstance(outcome, MachineChanged) for outcome in outcomes) == 9
    assert await store.get(kept.name) == winners[0]


async def test_a_deleted_machine_is_gone_and_its_name_is_free(store: MachineStore) -> None:
    kept, next_one = machine(), machine()
    await store.insert(kept, MachineCreated(kept))
    with pytest.raises(MachineChanged):
        await store.delete(replace(kept, version=2), MachineDeleted(kept, kept.update_time))
    await store.delete(kept, MachineDeleted(kept, kept.update_time))
    assert await store.get(kept.name) is None
    assert await store.list([], BY_TITLE, None, 10) == []
    await store.insert(next_one, MachineCreated(next_one))
    assert await store.get(kept.name) == next_one


async def test_former_versions_stay_also_after_the_end(store: MachineStore) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    edited = replace(kept, version=2, spec=replace(kept.spec, title="new"))
    await store.replace(edited, 1, MachineUpdated(edited))
    await store.delete(edited, MachineDeleted(edited, edited.update_time))
    assert await store.version(kept.uid, 1) == kept
    assert await store.version(kept.uid, 2) == edited
    assert await store.version(kept.uid, 3) is None


async def test_only_the_last_versions_stay(store: MachineStore) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    for version in range(2, FORMER_VERSIONS_KEPT + 3):
        edited = replace(kept, version=version)
        await store.replace(edited, version - 1, MachineUpdated(edited))
    assert await store.version(kept.uid, 2) is None
    assert await store.version(kept.uid, 3) == replace(kept, version=3)


async def test_facts_are_published_in_order_and_only_of_what_was_kept(
    store: MachineStore, opened: Opened
) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    with pytest.raises(MachineExists):
        await store.insert(machine(), MachineCreated(kept))
    edited = replace(kept, version=2)
    await store.replace(edited, 1, MachineUpdated(edited))
    with pytest.raises(MachineChanged):
        await store.replace(edited, 1, MachineUpdated(edited))
    await store.delete(edited, MachineDeleted(edited, edited.update_time))
    records = await opened.published(3)
    assert [r.headers["ce-type"].rpartition(".")[2] for r in records] == [
        "MachineCreated",
        "MachineUpdated",
        "MachineDeleted",
    ]
    assert [r.headers["version"] for r in records] == ["1", "2", "3"]
    assert {r.key for r in records} == {kept.name}
    assert len(opened.wakes) == 3


async def names(
    store: MachineStore,
    conditions: Sequence[Condition] = (),
    order: Sequence[tuple[str, bool]] = BY_TITLE,
) -> list[str]:
    found = await store.list(conditions, order, None, 100)
    return [m.name.removeprefix("machines/") for m in found]


async def test_a_list_is_filtered(store: MachineStore) -> None:
    for m in (
        machine("a", title="Redis Eins", image="redis:7", resource_class="small"),
        machine("b", title="ÄRGER 100%_x", image="nginx:1", resource_class="large"),
        replace(machine("c", title="zwei redis", image=""), state=State.ACTIVE, publisher=""),
    ):
        await store.insert(m, MachineCreated(m))
    cases: list[tuple[str, str, str, list[str]]] = [
        ("title", ":", "REDIS", ["a", "c"]),
        ("title", ":", "ärger", ["b"]),
        ("title", ":", "%", ["b"]),
        ("title", ":", "_", ["b"]),
        ("title", "=", "redis eins", ["a"]),
        ("title", "!=", "redis eins", ["c", "b"]),
        ("image", "=", "redis:7", ["a"]),
        ("image", ":", "NGINX", ["b"]),
        ("resource_class", "=", "large", ["b"]),
        ("resource_class", "!=", "large", ["a", "c"]),
        ("state", "=", "ACTIVE", ["c"]),
        ("state", "!=", "ACTIVE", ["a", "b"]),
        ("publisher", "=", "users/admin", ["a", "b"]),
    ]
    for attribute, op, value, expected in cases:
        assert await names(store, [Condition(attribute, op, value)]) == expected, (attribute, op)
    both = [Condition("title", ":", "redis"), Condition("state", "=", "ACTIVE")]
    assert await names(store, both) == ["c"]
    assert await names(store, [Condition("title", ":", "'; DROP TABLE machines; --")]) == []


async def test_a_list_is_ordered(store: MachineStore) -> None:
    clock = ManualClock()
    for name, title in (("a", "beta"), ("b", "Alpha"), ("c", "beta"), ("d", "gamma")):
        m = machine(name, clock, title=title)
        clock.advance(1)
        await store.insert(m, MachineCreated(m))
    assert await names(store) == ["b", "a", "c", "d"]
    assert await names(store, order=[("title", True)]) == ["d", "a", "c", "b"]
    assert await names(store, order=[("create_time", True)]) == ["d", "c", "b", "a"]
    assert await names(store, order=[("title", False), ("create_time", True)]) == list("bcad")


@pytest.mark.parametrize(
    "order",
    [
        BY_TITLE,
        [("title", True)],
        [("update_time", False)],
        [("update_time", True), ("title", False)],
        [("title", True), ("create_time", False)],
    ],
)
async def test_pages_cover_a_list_without_gaps(
    store: MachineStore, order: list[tuple[str, bool]]
) -> None:
    clock = ManualClock()
    for i in range(13):
        m = machine(f"m{i}", clock, title=f"title {i % 4}")
        if i % 3 == 0:
            clock.advance(0.001)
        await store.insert(m, MachineCreated(m))
    whole = await store.list([], order, None, 100)
    pages: list[Machine] = []
    while page := await store.list([], order, page_key(pages[-1], order) if pages else None, 3):
        pages += page
    assert pages == whole
    assert len(whole) == 13


def sown() -> list[tuple[Machine, MachinePublished]]:
    made = [replace(machine(name), state=State.ACTIVE) for name in ("a", "b")]
    return [(m, MachinePublished(m)) for m in made]


async def test_a_new_store_is_sown_once(store: MachineStore, opened: Opened) -> None:
    assert await store.sow(sown())
    assert await names(store) == ["a", "b"]
    kept = await store.get("machines/a")
    assert kept is not None
    await store.delete(kept, MachineDeleted(kept, kept.update_time))
    assert not await store.sow(sown())
    assert not await (await opened.open()).sow(sown())
    assert await names(store) == ["b"]
    assert len(await opened.published(3)) == 3


async def test_a_store_with_machines_is_not_sown_now_or_later(store: MachineStore) -> None:
    own = machine("own")
    await store.insert(own, MachineCreated(own))
    assert not await store.sow(sown())
    await store.delete(own, MachineDeleted(own, own.update_time))
    assert not await store.sow(sown())
    assert await names(store) == []


async def test_of_many_starts_one_sows(opened: Opened) -> None:
    opening: list[Callable[[], Awaitable[MachineStore]]] = [opened.open] * 4
    stores = [await one() for one in opening]
    outcomes = await asyncio.gather(*(s.sow(sown()) for s in stores))
    assert sorted(outcomes) == [False, False, False, True]
    assert await names(stores[0]) == ["a", "b"]
