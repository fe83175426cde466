"""The outbox in documents, its relay, and rows that move between documents and tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo.errors import DuplicateKeyError
from sqlalchemy import insert

from chassis.bus import MAX_VALUE, Record, open_bus
from chassis.bus.outbox import Publishing, Relay
from chassis.clock import SystemClock
from chassis.documents import Documents, dump, load, open_documents
from chassis.documents.outbox import DocumentRelay, publishing
from chassis.faults import Invalid
from chassis.listing import Once
from chassis.sql import open_database
from machines_svc.adapters.machine_store.mongo import MongoMachineStore
from machines_svc.adapters.machine_store.sql import SqlMachineStore
from machines_svc.domain.facts import (
    MachineCreated,
    MachineDeleted,
    MachinePublished,
    MachineUpdated,
)
from machines_svc.domain.machine import Machine
from machines_svc.ports import MachineStore
from machines_svc.schema.documents import COLLECTIONS
from machines_svc.schema.tables import OUTBOX
from machines_svc.transport.facts import records_of
from tests.conformance.test_machine_store import FULL, machine
from tests.proxy import Proxy
from tests.servers import drop_mongodb, mongodb_url
from tests.store_places import LEFT_SOCKETS
from tests.unit.chassis_bus.test_outbox import StumblingBus, some

pytestmark = [
    pytest.mark.real_mongodb,
    LEFT_SOCKETS,
    pytest.mark.usefixtures("left_sockets_closed"),
]

TOPIC = "allocator.machines.facts.v1"
SCHEMA = "machines_svc.schema"
PATIENCE = 20.0


@pytest.fixture
def url() -> Iterator[str]:
    """A database with nothing in it."""
    made = mongodb_url()
    yield made
    drop_mongodb(made)


@pytest.fixture
async def exits() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def opened(url: str, exits: AsyncExitStack, **more: Any) -> Documents:
    documents = await open_documents(url, SCHEMA, SystemClock(), migrate=True, **more)
    exits.push_async_callback(documents.close)
    return documents


@pytest.fixture
async def documents(url: str, exits: AsyncExitStack) -> Documents:
    return await opened(url, exits)


@pytest.fixture
def store(documents: Documents) -> MongoMachineStore:
    return MongoMachineStore(documents, SystemClock(), records_of, lambda: None)


@pytest.fixture
async def bus(tmp_path: Path, exits: AsyncExitStack) -> StumblingBus:
    made = StumblingBus(await open_bus(f"sqlite:///{tmp_path}/bus.sqlite3", SystemClock()))
    exits.push_async_callback(made.close)
    return made


@asynccontextmanager
async def heard(bus: StumblingBus) -> AsyncIterator[asyncio.Queue[tuple[str, bytes]]]:
    """What arrives, in order: keys and values."""
    values: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    task = asyncio.create_task(bus.consume("test", [TOPIC], lambda r: values.put((r.key, r.value))))
    yield values
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def running(relay: Publishing) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def record(key: str, number: int, value: bytes = b"") -> Record:
    return Record(TOPIC, key, value or str(number).encode(), {"ce-id": f"{number}", "$a.b": "ü"})


async def say(documents: Documents, key: str, *records: Record) -> None:
    """Puts records into the outbox of a document."""
    async with documents.work() as database:
        await database["machines"].update_one(
            {"_id": key},
            {"$setOnInsert": {"gone": False}, **publishing(records, SystemClock().now())},
            upsert=True,
        )


async def waiting(documents: Documents) -> int:
    async with documents.work() as database:
        found = await database["machines"].find().to_list()
    assert all(("outbox_since" in one) == bool(one.get("outbox")) for one in found)
    return sum(len(one.get("outbox", ())) for one in found)


async def test_what_waits_is_published_in_the_order_of_each_key_and_removed(
    documents: Documents, bus: StumblingBus
) -> None:
    relay = DocumentRelay(documents, "machines", bus)
    async with heard(bus) as values, running(relay):
        for number in range(0, 120, 2):
            key = f"machines/{number % 7}"
            await say(documents, key, record(key, number), record(key, number + 1))
            relay.wake()
        found = await some(values, 120)
    assert await relay.flush()
    for key in {key for key, _ in found}:
        numbers = [int(value) for one, value in found if one == key]
        assert numbers == sorted(numbers)
    assert len(set(found)) == 120
    assert await waiting(documents) == 0


async def test_headers_come_back_as_they_were_given(
    documents: Documents, bus: StumblingBus
) -> None:
    await say(documents, "machines/a", record("machines/a", 1))
    assert await DocumentRelay(documents, "machines", bus).flush()
    had: asyncio.Queue[Record] = asyncio.Queue()
    task = asyncio.create_task(bus.consume("test", [TOPIC], had.put))
    assert await asyncio.wait_for(had.get(), PATIENCE) == record("machines/a", 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_more_than_one_batch_of_one_document_stays_in_order(
    documents: Documents, bus: StumblingBus
) -> None:
    await say(documents, "machines/a", *(record("machines/a", n) for n in range(350)))
    async with heard(bus) as values:
        assert await DocumentRelay(documents, "machines", bus).flush(PATIENCE)
        found = await some(values, 350)
    assert [int(value) for _, value in found] == list(range(350))


async def test_large_records_are_published_in_several_batches(
    documents: Documents, bus: StumblingBus
) -> None:
    for number in range(12):
        key = f"machines/{number % 3}"
        await say(documents, key, record(key, number, bytes([number]) * MAX_VALUE))
    async with heard(bus) as values:
        assert await DocumentRelay(documents, "machines", bus).flush(PATIENCE)
        assert {value[0] for _, value in await some(values, 12)} == set(range(12))
    assert await waiting(documents) == 0


async def test_what_another_process_says_is_found_without_waking(
    documents: Documents, bus: StumblingBus
) -> None:
    async with heard(bus) as values, running(DocumentRelay(documents, "machines", bus)):
        for number in range(2):
            await say(documents, "machines/a", record("machines/a", number))
            assert await some(values, 1) == [("machines/a", str(number).encode())]


async def test_while_the_bus_is_away_everything_waits_in_order(
    documents: Documents, bus: StumblingBus
) -> None:
    bus.away = True
    relay = DocumentRelay(documents, "machines", bus)
    await say(documents, "machines/a", record("machines/a", 1))
    assert not await relay.flush()
    await say(documents, "machines/a", record("machines/a", 2))
    assert await waiting(documents) == 2
    bus.away = False
    async with heard(bus) as values, running(relay):
        assert [value for _, value in await some(values, 2)] == [b"1", b"2"]


async def test_a_lost_answer_costs_a_repetition_and_no_record(
    documents: Documents, bus: StumblingBus
) -> None:
    bus.forgets_to_answer = True
    await say(documents, "machines/a", record("machines/a", 1), record("machines/a", 2))
    relay = DocumentRelay(documents, "machines", bus)
    async with heard(bus) as values:
        assert not await relay.flush()
        assert await relay.flush()
        assert [value for _, value in await some(values, 4)] == [b"1", b"2", b"1", b"2"]
    assert await waiting(documents) == 0


async def test_what_a_dead_relay_left_half_done_is_tidied_up(
    documents: Documents, bus: StumblingBus
) -> None:
    await say(documents, "machines/a", record("machines/a", 1))
    await say(documents, "machines/b", record("machines/b", 1))
    async with documents.work() as database:
        await database["machines"].update_many({}, {"$set": {"outbox": []}})
        await database["machines"].update_one({"_id": "machines/b"}, {"$set": {"gone": True}})
    assert await DocumentRelay(documents, "machines", bus).flush()
    assert await waiting(documents) == 0
    assert await documents.find_one("machines", {"_id": "machines/a"}) is not None
    assert await documents.find_one("machines", {"_id": "machines/b"}) is None


async def test_a_record_that_no_bus_can_carry_is_refused(documents: Documents) -> None:
    with pytest.raises(Invalid, match="1000000 are the most"):
        await say(documents, "machines/a", record("machines/a", 1, bytes(MAX_VALUE + 1)))
    assert await waiting(documents) == 0


async def test_a_server_that_goes_and_comes_back_loses_nothing_and_keeps_the_order(
    url: str, documents: Documents, bus: StumblingBus, exits: AsyncExitStack
) -> None:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = await exits.enter_async_context(Proxy(parts.hostname, parts.port))
    through = await opened(f"mongodb://{proxy.address}{parts.path}", exits, deadline=1)
    relay = DocumentRelay(through, "machines", bus)
    first: dict[bytes, None] = {}
    async with heard(bus) as values, running(relay):
        for number in range(60):
            await say(documents, "machines/a", record("machines/a", number))
            relay.wake()
            if number % 20 == 5:
                proxy.cut()
            if number == 30:
                await proxy.stop()
            if number == 45:
                await proxy.start()
        while len(first) < 60:
            first.update(dict.fromkeys([value for _, value in await some(values, 1)]))
    assert [int(value) for value in first] == list(range(60))
    assert await DocumentRelay(documents, "machines", bus).flush()
    assert await waiting(documents) == 0


# Machines


async def test_the_last_fact_of_a_machine_is_published_and_then_nothing_is_left(
    store: MachineStore, documents: Documents, bus: StumblingBus
) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))
    await store.delete(kept, MachineDeleted(kept, kept.update_time))
    left = await documents.find_one("machines", {"_id": kept.name})
    assert left is not None
    assert left.keys() == {"_id", "name", "gone", "outbox", "outbox_since"}
    assert await store.get(kept.name) is None
    async with heard(bus) as values:
        assert await DocumentRelay(documents, "machines", bus).flush()
        assert len(await some(values, 2)) == 2
    assert await documents.find_one("machines", {"_id": kept.name}) is None


async def test_facts_of_machines_that_had_a_name_one_after_the_other_stay_in_order(
    store: MachineStore, documents: Documents, bus: StumblingBus
) -> None:
    relay = DocumentRelay(documents, "machines", bus)
    said: list[str] = []
    uids: list[str] = []
    for turn in range(6):
        one = machine()
        await store.insert(one, MachineCreated(one))
        edited = replace(one, version=2)
        await store.replace(edited, 1, MachineUpdated(edited))
        await store.delete(edited, MachineDeleted(edited, edited.update_time))
        uids.append(one.uid)
        if turn % 2:
            assert await relay.flush()
    last = machine()
    await store.insert(last, MachineCreated(last))
    assert await relay.flush()
    had: asyncio.Queue[Record] = asyncio.Queue()
    task = asyncio.create_task(bus.consume("test", [TOPIC], had.put))
    async with asyncio.timeout(PATIENCE):
        while len(said) < 19:
            said.append((await had.get()).headers["ce-type"].rpartition(".")[2])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert said == ["MachineCreated", "MachineUpdated", "MachineDeleted"] * 6 + ["MachineCreated"]
    assert await store.get(last.name) == last
    assert [v.version for uid in uids if (v := await store.version(uid, 2))] == [2] * 6


async def test_fifty_writers_on_one_machine_lose_nothing(
    store: MachineStore, documents: Documents, bus: StumblingBus
) -> None:
    kept = machine()
    await store.insert(kept, MachineCreated(kept))

    async def edit(number: int) -> None:
        while True:
            now = await store.get(kept.name)
            assert now is not None
            edited = replace(
                now,
                version=now.version + 1,
                spec=replace(now.spec, labels={**now.spec.labels, f"n{number}": "🦀"}),
            )
            try:
                await store.replace(edited, now.version, MachineUpdated(edited))
            except Exception as fault:  # noqa: BLE001
                assert getattr(fault, "reason", "") == "ETAG_STALE", fault  # noqa: PT017
            else:
                return

    await asyncio.gather(*(edit(number) for number in range(50)))
    found = await store.get(kept.name)
    assert found is not None
    assert found.version == 51
    assert found.spec.labels == {f"n{number}": "🦀" for number in range(50)}
    assert [v for v in range(1, 52) if await store.version(kept.uid, v)] == list(range(2, 52))
    had: list[int] = []
    async with heard(bus) as values:
        assert await DocumentRelay(documents, "machines", bus).flush(PATIENCE)
        had += [1 for _ in await some(values, 51)]
    assert len(had) == 51


async def test_many_sendings_of_one_request_make_one_machine(
    store: MachineStore, documents: Documents
) -> None:
    once = Once("users/a", "CreateMachine", "id", "same")
    wishes = [machine() for _ in range(20)]
    made = await asyncio.gather(*(store.insert(w, MachineCreated(w), once) for w in wishes))
    assert len({one.uid for one in made}) == 1
    assert await waiting(documents) == 2


async def test_an_answer_is_kept_for_a_day_also_when_its_machine_has_gone(
    documents: Documents,
) -> None:
    clock = SystemClock()
    now = [clock.now()]

    class Moved(SystemClock):
        def now(self) -> Any:
            return now[0]

    store = MongoMachineStore(documents, Moved(), records_of, lambda: None)
    once = Once("users/a", "CreateMachine", "id", "same")
    first, other, third = machine(), machine(), machine("other")
    await store.insert(first, MachineCreated(first), once)
    await store.delete(first, MachineDeleted(first, first.update_time))
    assert await store.insert(other, MachineCreated(other), once) == first
    assert await store.get(first.name) is None
    now[0] += timedelta(hours=25)
    assert await store.insert(other, MachineCreated(other), once) == other
    # The machine still holds the id of its request; after a day it is free for another one.
    now[0] += timedelta(hours=25)
    assert await store.insert(third, MachineCreated(third), once) == third
    assert await store.get(other.name) == other


async def test_sowing_that_was_interrupted_is_ended_by_the_next_start(
    documents: Documents, store: MachineStore
) -> None:
    sown = [(m, MachinePublished(m)) for m in (machine("a"), machine("b"), machine("c"))]
    assert await store.sow(sown)
    async with documents.work() as database:
        # As it was when the process ended after two, of which an admin has deleted one since.
        await database["marks"].update_one(
            {"_id": "sown"}, {"$set": {"unsown": True, "sown": ["machines/a", "machines/b"]}}
        )
        await database["machines"].delete_many({"_id": {"$in": ["machines/a", "machines/c"]}})
    assert await store.sow(sown)
    assert await store.get("machines/a") is None
    assert await store.get("machines/c") == sown[2][0]
    assert not await store.sow(sown)


# Moving between documents and tables


async def rows_of(documents: Documents) -> dict[str, list[dict[str, Any]]]:
    """What an archive would have, without by which rules words were made: they are made anew."""
    return {
        spec.name: [
            {name: value for name, value in row.items() if name != "indexed"}
            async for row in dump(documents, spec)
        ]
        for spec in COLLECTIONS
    }


async def one_by_one(rows: list[dict[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    for row in rows:
        yield row


async def fill(store: MachineStore) -> tuple[Machine, Machine]:
    """One machine that has changed and one that has gone, both made by requests."""
    kept, gone = replace(machine("kept"), spec=FULL), machine("gone")
    await store.insert(kept, MachineCreated(kept), Once("users/a", "CreateMachine", "1", "x"))
    await store.insert(gone, MachineCreated(gone), Once("users/a", "CreateMachine", "2", "x"))
    edited = replace(kept, version=2, spec=replace(FULL, labels={"a.b": "1", "c": "2"}))
    await store.replace(edited, 1, MachineUpdated(edited))
    await store.delete(gone, MachineDeleted(gone, gone.update_time))
    fresh = machine("fresh")
    await store.insert(fresh, MachineCreated(fresh), Once("users/a", "CreateMachine", "3", "x"))
    return edited, gone


async def test_rows_come_back_as_they_were(
    store: MachineStore, documents: Documents, exits: AsyncExitStack
) -> None:
    edited, gone = await fill(store)
    rows = await rows_of(documents)
    assert [len(rows[name]) for name in ("machines", "machine_versions", "once")] == [2, 4, 3]
    assert len(rows["outbox"]) == 10
    second = mongodb_url()
    exits.callback(drop_mongodb, second)
    other = await opened(second, exits)
    for _ in range(2):  # what was interrupted is done again
        for spec in COLLECTIONS:
            assert await load(other, spec, one_by_one(rows[spec.name])) == len(rows[spec.name])
    assert await rows_of(other) == rows
    moved = MongoMachineStore(other, SystemClock(), records_of, lambda: None)
    assert await moved.get(edited.name) == edited
    assert await moved.get(gone.name) is None
    assert await moved.version(gone.uid, 1) == gone
    again = machine("gone")
    once = Once("users/a", "CreateMachine", "2", "x")
    assert await moved.insert(again, MachineCreated(again), once) == gone
    assert await moved.insert(again, MachineCreated(again)) == again


async def test_rows_move_to_tables_and_back(
    store: MachineStore,
    documents: Documents,
    bus: StumblingBus,
    tmp_path: Path,
    exits: AsyncExitStack,
) -> None:
    edited, gone = await fill(store)
    rows = await rows_of(documents)
    database = await open_database(f"sqlite:///{tmp_path}/m.sqlite3", SCHEMA, SystemClock())
    exits.push_async_callback(database.close)
    for spec in COLLECTIONS:
        if rows[spec.name]:
            table, some_rows = spec.table, rows[spec.name]
            await database.write(lambda conn, t=table, r=some_rows: conn.execute(insert(t), r))
    in_tables = SqlMachineStore(database, SystemClock(), records_of, lambda: None)
    assert await in_tables.get(edited.name) == edited
    assert await in_tables.version(edited.uid, 2) == edited
    assert await in_tables.version(gone.uid, 1) == gone
    assert await Relay(database, OUTBOX, bus).flush()
    async with heard(bus) as values:
        assert [key for key, _ in await some(values, 5)].count("machines/gone") == 2


async def test_a_unique_key_that_is_broken_stays_an_error_of_its_own(documents: Documents) -> None:
    async with documents.work() as database:
        await database["machines"].insert_one({"_id": "a", "asked_key": "x"})
    with pytest.raises(DuplicateKeyError):
        async with documents.work() as database:
            await database["machines"].insert_one({"_id": "b", "asked_key": "x"})
