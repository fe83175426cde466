"""What stores of machines find, in which order, and what others make of machines: all stores alike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.clock import ManualClock
from chassis.documents import Documents, open_documents
from chassis.listing import Condition
from chassis.sql import Database, open_database
from machines_svc.adapters.machine_store.mongo import MongoMachineStore
from machines_svc.adapters.machine_store.sql import SqlMachineStore
from machines_svc.adapters.picture_store.mongo import MongoPictureStore
from machines_svc.adapters.picture_store.sql import SqlPictureStore
from machines_svc.adapters.standing_store.mongo import MongoStandingStore
from machines_svc.adapters.standing_store.sql import SqlStandingStore
from machines_svc.domain.facts import MachineCreated, MachineDeleted, MachineUpdated
from machines_svc.domain.machine import (
    Lineage,
    Machine,
    MachineSpec,
    Money,
    Picture,
    PictureKind,
    Standing,
    State,
    Submission,
)
from machines_svc.domain.searching import Query, query_of, relevance, words_of
from machines_svc.ports import (
    KeptPicture,
    MachineStore,
    PictureStore,
    StandingStore,
    page_key,
)
from machines_svc.schema.tables import MACHINES, WORDS
from machines_svc.transport.facts import records_of
from tests.sql_places import SqlPlace
from tests.store_places import STORE_ENGINES

BY_RELEVANCE = [("relevance", True), ("title", False)]


@dataclass
class Kept:
    """The stores of one database."""

    machines: MachineStore
    standing: StandingStore
    pictures: PictureStore
    clock: ManualClock
    database: Database | Documents

    async def add(self, name: str, **parts: Any) -> Machine:
        """Keeps a machine."""
        of_spec = {k: v for k, v in parts.items() if k in MachineSpec.__dataclass_fields__}
        others = {k: v for k, v in parts.items() if k not in of_spec}
        spec = MachineSpec(**{"title": name.title(), "image": f"{name}:1", **of_spec})
        now = self.clock.now()
        made = Machine(f"machines/{name}", str(uuid4()), spec, State.ACTIVE, "", 1, now, now)
        made = replace(made, **others)
        await self.machines.insert(made, MachineCreated(made))
        return made

    async def change(self, machine: Machine, **parts: Any) -> Machine:
        """Keeps a changed machine."""
        changed = replace(machine, version=machine.version + 1, **parts)
        await self.machines.replace(changed, machine.version, MachineUpdated(changed))
        return changed

    async def names(
        self,
        query: str = "",
        order: Sequence[tuple[str, bool]] | None = None,
        conditions: Sequence[Condition] = (),
    ) -> list[str]:
        """The names of the machines that are found."""
        wanted = query_of(query)
        ordered = order or ([("title", False)] if wanted is None else BY_RELEVANCE)
        found = await self.machines.list(conditions, ordered, None, 1000, wanted)
        return [one.name.removeprefix("machines/") for one in found]


@pytest.fixture(params=STORE_ENGINES)
async def kept(request: pytest.FixtureRequest, store_place: SqlPlace) -> AsyncIterator[Kept]:
    """Stores with nothing in them."""
    url = store_place(request.param, "machines_svc.schema")
    clock = ManualClock()
    async with AsyncExitStack() as exits:
        if url.startswith("mongodb"):
            documents = await open_documents(url, "machines_svc.schema", clock, migrate=True)
            exits.push_async_callback(documents.close)
            yield Kept(
                MongoMachineStore(documents, clock, records_of, lambda: None),
                MongoStandingStore(documents),
                MongoPictureStore(documents, clock),
                clock,
                documents,
            )
            return
        database = await open_database(url, "machines_svc.schema", clock)
        exits.push_async_callback(database.close)
        yield Kept(
            SqlMachineStore(database, clock, records_of, lambda: None),
            SqlStandingStore(database),
            SqlPictureStore(database, clock),
            clock,
            database,
        )


async def test_every_word_is_found_wherever_it_stands(kept: Kept) -> None:
    await kept.add("redis", title="Redis", tags=("cache", "key-value"), description="fast *store*")
    await kept.add("pg", title="PostgreSQL", category="database", description="Not a cache. Café!")
    await kept.add("vs", title="Código Editor", description="機械を借りる")
    cases = {
        "": ["vs", "pg", "redis"],
        "!!!": ["vs", "pg", "redis"],
        "redis": ["redis"],
        "REDIS Cache": ["redis"],
        "red": ["redis"],
        "red cache": [],
        "cache": ["redis", "pg"],
        "cache sto": ["redis"],
        "value key": ["redis"],
        "cafe": ["pg"],
        "CAFÉ": ["pg"],
        "codigo": ["vs"],
        "借": ["vs"],
        "機借": ["vs"],
        "pg": ["pg"],
        "nothing": [],
        "' OR 1=1 --": [],
    }
    assert {query: await kept.names(query) for query in cases} == cases


async def test_what_is_found_in_the_title_comes_first(kept: Kept) -> None:
    await kept.add("a", title="Alpha", description="a queue of words")
    await kept.add("b", title="Beta", tags=("queue",))
    await kept.add("c", title="Queue of gamma")
    await kept.add("d", title="Delta queue")
    assert await kept.names("queue") == ["d", "c", "b", "a"]
    assert await kept.names("queue", [("title", True)]) == ["c", "d", "b", "a"]
    assert await kept.names("queue gamma") == ["c"]


async def test_a_change_changes_what_is_found(kept: Kept) -> None:
    machine = await kept.add("a", title="Before", tags=("old",))
    changed = await kept.change(machine, spec=replace(machine.spec, title="After", tags=("new",)))
    assert await kept.names("before") == []
    assert await kept.names("after") == ["a"]
    assert await kept.names(conditions=[Condition("tags", ":", "old")]) == []
    assert await kept.names(conditions=[Condition("tags", ":", "new")]) == ["a"]
    await kept.machines.delete(changed, MachineDeleted(changed, changed.update_time))
    assert await kept.names("after") == []


async def test_a_list_is_filtered_by_what_the_catalogue_says(kept: Kept) -> None:
    await kept.add("a", category="database", tags=("sql", "c++"), price_per_hour=Money("EUR", 5))
    await kept.add("b", category="web", tags=("sql-like",), price_per_hour=Money("EUR", 50))
    waits = Submission(kept.clock.now())
    await kept.add("c", state=State.DRAFT, submission=waits)
    no = replace(waits, reject_time=kept.clock.now(), rejection="no")
    await kept.add("d", state=State.DRAFT, submission=no)
    cases: list[tuple[str, str, Any, list[str]]] = [
        ("category", "=", "web", ["b"]),
        ("category", "!=", "web", ["a", "c", "d"]),
        ("category", "=", "", ["c", "d"]),
        ("tags", ":", "sql", ["a"]),
        ("tags", ":", "c++", ["a"]),
        ("tags", ":", "like", []),
        ("price", "<=", 5, ["a", "c", "d"]),
        ("price", ">", 5, ["b"]),
        ("price", "=", 0, ["c", "d"]),
        ("price", "<", 5.5, ["a", "c", "d"]),
        ("submitted", "=", True, ["c"]),
        ("submitted", "!=", True, ["a", "b", "d"]),
    ]
    for field, op, value, expected in cases:
        found = await kept.names(conditions=[Condition(field, op, value)])
        assert found == expected, (field, op, value)


async def test_a_list_is_ordered_by_what_people_make_of_it(kept: Kept) -> None:
    for name, price in (("a", 3), ("b", 0), ("c", 9)):
        money = Money("EUR", price) if price else None
        await kept.add(name, price_per_hour=money)
        kept.clock.advance(1)
    await kept.standing.rated("machines/b", 450, 2, 1)
    await kept.standing.rented("machines/c", "allocations/x", kept.clock.now())
    orders = {
        "price": ["b", "a", "c"],
        "rating": ["a", "c", "b"],
        "rents": ["a", "b", "c"],
        "create_time": ["a", "b", "c"],
    }
    for field, expected in orders.items():
        assert await kept.names(order=[(field, False)]) == expected, field
    assert await kept.names(order=[("rating", True)]) == ["b", "a", "c"]
    assert await kept.names(order=[("rents", True), ("price", True)]) == ["c", "a", "b"]


WORDS_AT_HAND = ["red", "redis", "reduce", "blue", "bluetooth", "grün", "grunge", "x1", "數", "據"]


def a_text(rng: random.Random, most: int) -> str:
    return " ".join(rng.choices(WORDS_AT_HAND, k=rng.randint(0, most)))


@pytest.mark.parametrize("seed", range(3))
async def test_each_page_is_what_the_rules_of_searching_say(kept: Kept, seed: int) -> None:
    rng = random.Random(seed)
    made = [
        await kept.add(
            f"m{i}",
            title=a_text(rng, 2) or "none",
            tags=tuple(dict.fromkeys(a_text(rng, 2).split())),
            description=a_text(rng, 6),
            price_per_hour=Money("EUR", rng.randint(0, 2)),
        )
        for i in range(40)
    ]
    for _ in range(12):
        text = a_text(rng, 2) or rng.choice(WORDS_AT_HAND)
        query = query_of(text[: rng.randint(1, len(text))])
        assert query is not None
        order = rng.choice(
            [BY_RELEVANCE, [("relevance", True), ("price", True)], [("price", False)]]
        )
        expected = sorted(
            (m for m in made if relevance(words_of(m.name, m.spec), query)),
            key=lambda m: m.name,
        )
        for field, descends in reversed(order):
            expected.sort(key=lambda m: key_of(m, field, query), reverse=descends)
        paged: list[Machine] = []
        while True:
            after = page_key(paged[-1], order, query) if paged else None
            page = await kept.machines.list([], order, after, 7, query)
            paged += page
            if len(page) < 7:
                break
        assert [m.name for m in paged] == [m.name for m in expected], (query, order)


def key_of(machine: Machine, field: str, query: Query) -> Any:
    return page_key(machine, [(field, False)], query)[0]


async def test_machines_of_before_are_indexed_when_the_service_starts(kept: Kept) -> None:
    await kept.add("a", title="Former machine", price_per_hour=Money("EUR", 7), tags=("t",))
    await kept.add("b", title="Other machine")
    if isinstance(kept.database, Documents):
        async with kept.database.work() as documents:
            await documents["machines"].update_many(
                {"_id": "machines/a"},
                {"$set": {"indexed": 0, "price": 0}, "$unset": {"words": ""}},
            )
    else:
        await kept.database.write(
            lambda connection: (
                connection.execute(WORDS.delete().where(WORDS.c.name == "machines/a")).rowcount
            )
        )
        await kept.database.write(
            lambda connection: connection.execute(MACHINES.update().values(price=0)).rowcount
        )
    assert await kept.names("machine") == ["b"]
    assert await kept.machines.tend() == 1
    assert await kept.names("machine") == ["a", "b"]
    assert await kept.names(conditions=[Condition("price", "=", 7)]) == ["a"]
    assert await kept.machines.tend() == 0


async def test_the_versions_are_listed_the_newest_first(kept: Kept) -> None:
    first = await kept.add("a", title="one")
    second = await kept.change(first, spec=replace(first.spec, title="two"))
    third = await kept.change(second, spec=replace(first.spec, title="three"))
    assert list(await kept.machines.versions(first.uid, None, 10)) == [third, second, first]
    assert list(await kept.machines.versions(first.uid, None, 2)) == [third, second]
    assert list(await kept.machines.versions(first.uid, 2, 10)) == [first]
    assert list(await kept.machines.versions(str(uuid4()), None, 10)) == []
    await kept.machines.delete(third, MachineDeleted(third, third.update_time))
    assert list(await kept.machines.versions(first.uid, None, 10)) == [third, second, first]


async def test_what_a_machine_has_beside_its_spec_is_kept(kept: Kept) -> None:
    picture = Picture("image/png", "d" * 64, 16, 16, 99)
    made = await kept.add(
        "a",
        pictures={PictureKind.ICON: picture, PictureKind.BANNER: replace(picture, width=400)},
        forked_from=Lineage("machines/other", 3),
        submission=Submission(kept.clock.now(), kept.clock.now(), "because"),
        category="web",
        tags=("a", "b"),
    )
    assert await kept.machines.get(made.name) == made


async def test_no_former_version_names_a_person_who_has_gone(kept: Kept) -> None:
    hers = await kept.add("a", publisher="users/ada")
    theirs = await kept.add("b", publisher="users/adam")
    changed = await kept.change(hers, publisher="users/deleted")
    await kept.change(theirs, spec=replace(theirs.spec, title="x"))
    assert await kept.machines.disown_versions("users/ada") == 1
    assert await kept.machines.disown_versions("users/ada") == 0
    assert {v.publisher for v in await kept.machines.versions(changed.uid, None, 9)} == {
        "users/deleted"
    }
    assert {v.publisher for v in await kept.machines.versions(theirs.uid, None, 9)} == {
        "users/adam"
    }


async def standing(kept: Kept, name: str = "a") -> Standing:
    found = await kept.machines.get(f"machines/{name}")
    assert found is not None
    (listed,) = await kept.machines.list(
        [Condition("title", "=", name)], [("title", False)], None, 9
    )
    assert listed.standing == found.standing
    return found.standing


async def test_only_newer_ratings_count(kept: Kept) -> None:
    made = await kept.add("a")
    assert await standing(kept) == Standing()
    assert await kept.standing.rated(made.name, 450, 2, 5)
    assert not await kept.standing.rated(made.name, 450, 2, 5)
    assert not await kept.standing.rated(made.name, 100, 1, 4)
    assert await standing(kept) == Standing(450, 2, 0)
    assert await kept.standing.rated(made.name, 0, 0, 6)
    assert await standing(kept) == Standing()
    assert not await kept.standing.rated("machines/none", 450, 2, 5)


async def test_each_allocation_counts_once_however_often_it_is_told(kept: Kept) -> None:
    made = await kept.add("a")
    now = kept.clock.now()
    told = [f"allocations/{i}" for i in range(5)] * 3
    random.Random(1).shuffle(told)
    counted = [await kept.standing.rented(made.name, one, now) for one in told]
    assert sum(counted) == 5
    assert (await standing(kept)).rents == 5
    assert not await kept.standing.rented("machines/none", "allocations/x", now)


async def test_rents_at_the_same_moment_are_all_counted(kept: Kept) -> None:
    made = await kept.add("a")
    now = kept.clock.now()
    await asyncio.gather(
        *(kept.standing.rented(made.name, f"allocations/{i}", now) for i in range(20))
    )
    assert (await standing(kept)).rents == 20


async def test_what_others_make_of_it_outlives_changes_and_not_the_machine(kept: Kept) -> None:
    made = await kept.add("a")
    now = kept.clock.now()
    await kept.standing.rated(made.name, 300, 1, 1)
    await kept.standing.rented(made.name, "allocations/x", now)
    changed = await kept.change(made, spec=replace(made.spec, description="more"))
    assert await standing(kept) == Standing(300, 1, 1)
    await kept.machines.delete(changed, MachineDeleted(changed, now))
    kept.clock.advance(1)
    await kept.add("a")
    assert await standing(kept) == Standing()
    # A rent of the one that was there before, told late.
    assert not await kept.standing.rented(made.name, "allocations/y", now)
    assert await kept.standing.rented(made.name, "allocations/x", kept.clock.now())
    assert (await standing(kept)).rents == 1


async def test_pictures_are_kept_until_they_are_swept(kept: Kept) -> None:
    made = await kept.add("a")
    content = random.Random(2).randbytes(300_000)
    picture = KeptPicture("image/png", content)
    assert await kept.pictures.get(made.uid, "1" * 64) is None
    await kept.pictures.keep(made.uid, "1" * 64, picture)
    await kept.pictures.keep(made.uid, "2" * 64, picture)
    assert await kept.pictures.get(made.uid, "1" * 64) == picture
    assert await kept.pictures.count(made.uid) == 2
    kept.clock.advance(60)
    await kept.pictures.keep(made.uid, "2" * 64, picture)
    await kept.pictures.keep(made.uid, "3" * 64, picture)
    before = kept.clock.now() - timedelta(seconds=30)
    assert await kept.pictures.sweep(made.uid, ["1" * 64], before) == 0
    assert await kept.pictures.sweep(made.uid, [], before) == 1
    assert await kept.pictures.count(made.uid) == 2
    assert await kept.pictures.count(str(uuid4())) == 0
    await kept.machines.delete(made, MachineDeleted(made, made.update_time))
    assert await kept.pictures.count(made.uid) == 0
