"""Databases of documents on a real server: migrations, faults, deadlines, and bad luck."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo.errors import OperationFailure

from chassis.clock import Clock, ManualClock, SystemClock
from chassis.documents import Documents, open_documents, schema_revision
from chassis.documents.migrations import SILENT
from chassis.documents.opening import connect
from chassis.documents.translation import driver_errors_as_faults
from chassis.faults import Invalid, Unavailable
from chassis.sql import SchemaTooNew, SchemaTooOld
from tests.proxy import Proxy
from tests.servers import drop_mongodb, mongodb_url
from tests.store_places import LEFT_SOCKETS

pytestmark = [
    pytest.mark.real_mongodb,
    LEFT_SOCKETS,
    pytest.mark.usefixtures("left_sockets_closed"),
]

MACHINES = "machines_svc.schema"
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


@pytest.fixture
async def proxy(url: str, exits: AsyncExitStack) -> Proxy:
    """What stands between the test and the server."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return await exits.enter_async_context(Proxy(parts.hostname, parts.port))


class Opener:
    """Opens a database, and closes it at the end."""

    def __init__(self, url: str, exits: AsyncExitStack) -> None:
        self.url = url
        self.exits = exits

    async def open(
        self,
        schema: str = MACHINES,
        *,
        clock: Clock | None = None,
        migrate: bool = True,
        by: Proxy | None = None,
        size: int = 20,
        deadline: float = 5.0,
    ) -> Documents:
        """Opens it, perhaps through a proxy."""
        where = self.url if by is None else f"mongodb://{by.address}{urlsplit(self.url).path}"
        documents = await open_documents(
            where, schema, clock or SystemClock(), migrate=migrate, size=size, deadline=deadline
        )
        self.exits.push_async_callback(documents.close)
        return documents


@pytest.fixture
def opener(url: str, exits: AsyncExitStack) -> Opener:
    return Opener(url, exits)


Steps = dict[str, str]


class Schemas:
    """Makes packages of migrations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def make(self, steps: Steps, head: str = "") -> str:
        """A schema whose migrations run this code, by revision."""
        self.count += 1
        name = f"schema_{self.folder.name.replace('-', '_')}_{self.count}"
        package = self.folder / name / "documents"
        package.mkdir(parents=True)
        (self.folder / name / "__init__.py").write_text("")
        (package / "__init__.py").write_text(f'HEAD = "{head or max(steps)}"\n')
        for revision, code in steps.items():
            (package / f"{revision}_step.py").write_text(
                f"import asyncio\n\n\nasync def upgrade(database):\n    {code}\n"
            )
        return name


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Schemas]:
    monkeypatch.syspath_prepend(tmp_path)
    yield Schemas(tmp_path)
    for name in [name for name in sys.modules if name.startswith("schema_")]:
        del sys.modules[name]


COUNT = "await database['runs'].update_one({'_id': 1}, {'$inc': {'n': 1}}, upsert=True)"


async def runs(documents: Documents) -> int:
    found = await documents.find_one("runs", {"_id": 1})
    return found["n"] if found else 0


# Opening and migrating


async def test_an_older_database_is_refused_until_it_is_migrated(url: str, opener: Opener) -> None:
    with pytest.raises(SchemaTooOld, match="allocctl migrate"):
        await opener.open(migrate=False)
    current, head = await schema_revision(url, MACHINES)
    assert current is None
    await opener.open()
    assert await schema_revision(url, MACHINES) == (head, head)
    await opener.open(migrate=False)


async def test_a_newer_database_is_refused(opener: Opener) -> None:
    documents = await opener.open()
    async with documents.work() as database:
        await database["schema"].insert_one({"_id": "9999"})
    for migrate in (True, False):
        with pytest.raises(SchemaTooNew, match="9999"):
            await opener.open(migrate=migrate)


async def test_of_several_that_start_at_once_one_migrates(opener: Opener, schemas: Schemas) -> None:
    schema = schemas.make({"0001": COUNT, "0002": COUNT})
    opened = await asyncio.gather(*(opener.open(schema) for _ in range(4)))
    assert await runs(opened[0]) == 2
    assert await opened[0].find_one("schema", {"_id": "lock"}) is None


async def test_what_is_missing_is_migrated_in_order(opener: Opener, schemas: Schemas) -> None:
    first = schemas.make({"0001": COUNT})
    await opener.open(first)
    more = schemas.make(
        {
            "0001": COUNT,
            "0002": "await database['runs'].update_one({'_id': 1, 'n': 1}, {'$set': {'n': 10}})",
            "0003": COUNT,
        }
    )
    assert await runs(await opener.open(more)) == 11


async def test_a_migration_that_fails_is_run_again(opener: Opener, schemas: Schemas) -> None:
    schema = schemas.make({"0001": COUNT, "0002": f"{COUNT}; raise LookupError"})
    for _ in range(2):
        with pytest.raises(LookupError):
            await opener.open(schema)
    mended = schemas.make({"0001": COUNT, "0002": COUNT})
    assert await runs(await opener.open(mended)) == 4


def test_a_schema_says_which_revision_is_the_newest(schemas: Schemas) -> None:
    schema = schemas.make({"0001": COUNT, "0002": COUNT}, head="0001")
    with pytest.raises(TypeError, match="0002"):
        asyncio.run(schema_revision(mongodb_url(), schema))


async def locked_by_another(documents: Documents) -> None:
    async with documents.work() as database:
        await database["schema"].delete_many({})
        await database["schema"].insert_one({"_id": "lock", "holder": "other", "beat": 0})


async def test_a_process_that_died_while_it_migrated_is_not_waited_for(
    url: str, opener: Opener
) -> None:
    documents = await opener.open()
    await locked_by_another(documents)
    clock = ManualClock()
    opening = asyncio.create_task(opener.open(clock=clock))
    await clock.until_sleepers()
    clock.advance(SILENT + 1)
    await asyncio.wait_for(opening, PATIENCE)
    current, head = await schema_revision(url, MACHINES)
    assert current == head
    assert await documents.find_one("schema", {"_id": "lock"}) is None


async def test_a_process_that_migrates_is_waited_for_but_not_for_ever(opener: Opener) -> None:
    documents = await opener.open()
    await locked_by_another(documents)
    clock = ManualClock()
    opening = asyncio.create_task(opener.open(clock=clock))
    for _ in range(9):
        await clock.until_sleepers()
        async with documents.work() as database:
            await database["schema"].update_one({"_id": "lock"}, {"$inc": {"beat": 1}})
        clock.advance(SILENT - 1)
    with pytest.raises(Unavailable, match="migrates"):
        await asyncio.wait_for(opening, PATIENCE)


async def test_a_migration_that_was_taken_over_stops(
    opener: Opener, schemas: Schemas, tmp_path: Path
) -> None:
    (tmp_path / "schema_gates.py").write_text("import asyncio\n\nBEGUN = asyncio.Event()\n")
    wait = "import schema_gates; schema_gates.BEGUN.set(); await asyncio.Event().wait()"
    schema = schemas.make({"0001": wait})
    clock = ManualClock()
    opening = asyncio.create_task(opener.open(schema, clock=clock))
    gates = importlib.import_module("schema_gates")
    await asyncio.wait_for(gates.BEGUN.wait(), PATIENCE)
    documents = connect(opener.url)
    opener.exits.push_async_callback(documents.close)
    async with documents.work() as database:
        await database["schema"].update_one({"_id": "lock"}, {"$set": {"holder": "other"}})
    clock.advance(SILENT)
    with pytest.raises(Unavailable, match="taken the migration over"):
        await asyncio.wait_for(opening, PATIENCE)
    assert (await documents.find_one("schema", {"_id": "lock"}) or {})["holder"] == "other"


@pytest.mark.parametrize(
    "wrong",
    [
        "mongodb://me:hidden@127.0.0.1:1",
        "mongodb://me:hidden@127.0.0.1:1/",
        "mongodb://me:hidden@:x/y",
        "mongodb://me:hid/den@host/y",
        "mongodb://me:hidden@host/y?tls=maybe",
        "mongodb://me:hidden@127.0.0.1:1/name?w=wrong&unknownOption=1&tls=maybe",
    ],
)
async def test_a_url_that_is_wrong_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ValueError, match="mongodb://") as caught:
        await open_documents(wrong, MACHINES, SystemClock(), migrate=False)
    assert "den" not in str(caught.value)


# Bad luck


async def test_a_server_that_is_away_at_the_start_is_said_to_be(
    opener: Opener, proxy: Proxy
) -> None:
    await proxy.stop()
    with pytest.raises(Unavailable) as caught:
        await opener.open(by=proxy)
    assert caught.value.reason == "DEPENDENCY_UNAVAILABLE"
    assert caught.value.retry_after


async def count_on(documents: Documents, stop: asyncio.Event, faults: list[Unavailable]) -> int:
    """Counts in one document until it is told to stop; gives how often it was told that it did."""
    counted = 0
    while not stop.is_set():
        try:
            async with documents.work() as database:
                await database["tally"].update_one({"_id": 1}, {"$inc": {"n": 1}}, upsert=True)
            counted += 1
        except Unavailable as fault:
            faults.append(fault)
    return counted


async def test_a_server_that_goes_and_comes_back_is_used_again(
    opener: Opener, proxy: Proxy
) -> None:
    documents = await opener.open(by=proxy, deadline=2)
    beside = await opener.open()
    async with beside.work() as database:
        await database["tally"].insert_one({"_id": 1, "n": 0})
    assert documents.problem() is None
    stop = asyncio.Event()
    faults: list[Unavailable] = []
    counting = [asyncio.create_task(count_on(documents, stop, faults)) for _ in range(30)]

    async def until_more(than: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await beside.find_one("tally", {"_id": 1}) or {"n": 0})["n"] <= than:
                pass

    async def until_fewer_answers(than: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(faults) <= than:
                await documents_turn()

    await until_more(50)
    await proxy.stop()
    await until_fewer_answers(30)
    assert documents.problem() == "the database does not answer"
    await proxy.start()
    reached = (await beside.find_one("tally", {"_id": 1}) or {})["n"]
    await until_more(reached + 50)
    assert documents.problem() is None
    for _ in range(3):
        proxy.cut()
        reached = (await beside.find_one("tally", {"_id": 1}) or {})["n"]
        await until_more(reached + 50)
    stop.set()
    told = sum(await asyncio.gather(*counting))
    kept = (await beside.find_one("tally", {"_id": 1}) or {})["n"]
    # What was lost with its answer may have been done, at most once for each caller and each cut.
    assert told <= kept <= told + len(faults)
    assert all(fault.retry_after for fault in faults)
    assert {fault.reason for fault in faults} <= {"DEPENDENCY_UNAVAILABLE", "OVERLOADED"}


async def documents_turn() -> None:
    """Lets others go on for a moment."""
    await asyncio.to_thread(lambda: None)


async def test_a_server_that_is_silent_is_not_waited_for_beyond_the_deadline(
    opener: Opener, proxy: Proxy
) -> None:
    documents = await opener.open(by=proxy, deadline=0.5)
    proxy.hang()
    began = asyncio.get_running_loop().time()
    with pytest.raises(Unavailable) as caught:
        await documents.find_one("machines", {"_id": 1})
    assert 0.3 < asyncio.get_running_loop().time() - began < 2
    assert caught.value.retry_after
    proxy.flow()
    assert await documents.find_one("machines", {"_id": 1}) is None


async def test_a_slow_server_is_fast_enough_for_some_and_cut_off_for_others(
    opener: Opener, proxy: Proxy
) -> None:
    patient = await opener.open(by=proxy, deadline=10)
    hasty = await opener.open(by=proxy, deadline=0.4)
    proxy.flow(delay=0.5)
    with pytest.raises(Unavailable):
        await hasty.find_one("machines", {"_id": 1})
    assert await patient.find_one("machines", {"_id": 1}) is None


async def test_who_is_cancelled_leaves_no_answer_to_others(opener: Opener, proxy: Proxy) -> None:
    documents = await opener.open(by=proxy, size=4)
    async with documents.work() as database:
        await database["shelf"].insert_many([{"_id": n, "n": n} for n in range(50)])
    for _ in range(5):
        proxy.hang()
        asking = [asyncio.create_task(documents.find_one("shelf", {"_id": n})) for n in range(8)]
        await asyncio.wait(asking, timeout=0.05)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        proxy.flow()
        found = await asyncio.gather(*(documents.find_one("shelf", {"_id": n}) for n in range(50)))
        assert [one and one["n"] for one in found] == list(range(50))


async def test_more_calls_than_connections_wait_or_are_turned_away(
    opener: Opener, proxy: Proxy
) -> None:
    documents = await opener.open(by=proxy, size=2, deadline=3)
    await asyncio.gather(*(documents.find_one("machines", {"_id": n}) for n in range(60)))
    proxy.hang()
    outcomes = await asyncio.gather(
        *(documents.find_one("machines", {"_id": n}) for n in range(60)), return_exceptions=True
    )
    assert all(isinstance(one, Unavailable) and one.retry_after for one in outcomes)
    assert "OVERLOADED" in {getattr(one, "reason", "") for one in outcomes}
    proxy.flow()
    await asyncio.gather(*(documents.find_one("machines", {"_id": n}) for n in range(60)))


async def test_no_more_wait_than_can_be_served(opener: Opener, proxy: Proxy) -> None:
    documents = await opener.open(by=proxy, deadline=2)
    proxy.hang()
    waiting = [asyncio.create_task(documents.find_one("machines", {"_id": 1})) for _ in range(2000)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await documents.find_one("machines", {"_id": 1})
    assert caught.value.reason == "OVERLOADED"
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    proxy.flow()
    assert await documents.find_one("machines", {"_id": 1}) is None


async def test_a_document_that_is_too_large_is_refused(opener: Opener) -> None:
    documents = await opener.open()
    with pytest.raises(Invalid, match="16 MB"):
        async with documents.work() as database:
            await database["shelf"].insert_one({"_id": 1, "text": "x" * (17 * 2**20)})
    async with documents.work() as database:
        await database["shelf"].insert_one({"_id": 2, "text": "x" * (15 * 2**20)})
    assert len((await documents.find_one("shelf", {"_id": 2}) or {})["text"]) == 15 * 2**20


async def test_after_the_end_nobody_is_served(opener: Opener) -> None:
    documents = await opener.open()
    await documents.close()
    await documents.close()
    with pytest.raises(Unavailable) as caught:
        await documents.find_one("machines", {"_id": 1})
    assert caught.value.reason == "SERVICE_STOPPING"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (18, "DEPENDENCY_UNAVAILABLE"),
        (50, "OVERLOADED"),
        (10107, "DEPENDENCY_UNAVAILABLE"),
        (11600, "DEPENDENCY_UNAVAILABLE"),
        (14031, "DISK_FULL"),
        (17419, "OVERLOADED"),
    ],
)
def test_what_servers_say_is_translated(code: int, reason: str) -> None:
    with pytest.raises(Unavailable) as caught, driver_errors_as_faults():
        raise OperationFailure("as the server says it", code)
    assert caught.value.reason == reason
    assert caught.value.retry_after
    assert "mongo" not in caught.value.message.lower()
