"""A database server that is away, slow, full or unwilling, as units of work notice it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import certifi
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from chassis.clock import ManualClock
from chassis.faults import Unavailable
from chassis.sql import Database, SchemaTooOld, open_database
from chassis.sql.servers import server_engine
from chassis.sql.transactions import ServerTransactions
from tests.proxy import Proxy
from tests.servers import drop_mysql, mysql_url, with_port
from tests.sql_places import SqlPlace
from tests.unit.chassis_sql.shelf_schema.tables import SHELVES

pytestmark = pytest.mark.real_mysql

SCHEMA = "tests.unit.chassis_sql.shelf_schema"
PATIENCE = 20.0
NEW = sa.insert(SHELVES)
NAMES = sa.select(SHELVES.c.name).order_by(SHELVES.c.name)
LOCK = sa.select(SHELVES).where(SHELVES.c.name == sa.bindparam("of")).with_for_update()
CONNECTION = sa.text("SELECT CONNECTION_ID()")

Opening = Callable[..., Awaitable[Database]]


def names(conn: sa.Connection) -> list[str]:
    """Every name, in order."""
    return list(conn.execute(NAMES).scalars())


def number(conn: sa.Connection) -> Any:
    """The number of the connection at the server."""
    return conn.execute(CONNECTION).scalar()


def new(name: str) -> Callable[[sa.Connection], object]:
    """Work that stores a shelf."""
    return lambda conn: conn.execute(NEW, {"name": name})


@pytest.fixture
def url(sql_place: SqlPlace) -> str:
    """A database with nothing in it."""
    return sql_place("mysql", SCHEMA)


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """What stands between the server and those who use it."""
    parts = urlsplit(url)
    async with Proxy(parts.hostname or "", parts.port or 3306) as running:
        yield running


@pytest.fixture
async def opening(url: str) -> AsyncIterator[Opening]:
    """Opens the database, directly or through a proxy."""
    opened: list[Database] = []

    async def open_(proxy: Proxy | None = None, options: str = "") -> Database:
        parts = urlsplit(url)
        where = with_port(url, proxy.port if proxy else parts.port or 3306, options)
        opened.append(await open_database(where, SCHEMA, ManualClock()))
        return opened[-1]

    yield open_
    for database in opened:
        await database.close()


async def test_a_server_that_stops_is_away_and_found_again(opening: Opening, proxy: Proxy) -> None:
    database = await opening(proxy)
    await asyncio.gather(*(database.write(new(f"{n}")) for n in range(8)))
    await proxy.stop()
    for _ in range(3):
        for run in (database.read, database.write, database.get):
            with pytest.raises(Unavailable) as away:
                await run(names)
            assert away.value.reason == "DEPENDENCY_UNAVAILABLE"
            assert away.value.retry_after
            assert "MySQL" not in away.value.message
    await proxy.start()
    await database.write(new("again"))
    assert await database.read(names) == [*(f"{n}" for n in range(8)), "again"]


async def test_a_server_that_was_restarted_meanwhile_is_not_noticed(
    opening: Opening, proxy: Proxy
) -> None:
    database = await opening(proxy)
    for n in range(3):
        await asyncio.gather(*(database.write(new(f"{n} {m}")) for m in range(8)))
        await asyncio.gather(*(database.read(names) for _ in range(8)))
        proxy.cut()
    assert len(await database.read(names)) == 24


async def test_connections_that_the_server_ended_are_not_noticed(opening: Opening) -> None:
    database, operator = await opening(), await opening()
    used = {await run(number) for run in (database.read, database.write) for _ in range(2)}
    for one in used:
        await operator.write(lambda conn, one=one: conn.execute(sa.text(f"KILL {one}")))
    await database.write(new("a"))
    assert await database.read(names) == ["a"]
    assert await database.read(number) not in used


async def test_a_connection_that_is_lost_in_the_middle_undoes_the_work(
    opening: Opening, proxy: Proxy
) -> None:
    database, direct = await opening(proxy), await opening()
    tries: list[str] = []
    loop = asyncio.get_running_loop()

    def work(conn: sa.Connection) -> None:
        tries.append("began")
        conn.execute(NEW, {"name": "half"})
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(PATIENCE)
        conn.execute(NEW, {"name": "whole"})

    with pytest.raises(Unavailable):
        await database.write(work)
    assert tries == ["began"]
    # The server may need a moment to notice; then the row is free.
    await direct.write(new("half"))
    await proxy.start()
    assert await database.read(names) == ["half"]


async def test_a_server_that_says_nothing_is_given_up_in_time(
    opening: Opening, proxy: Proxy
) -> None:
    database = await opening(proxy, "read_timeout=1&connect_timeout=1")
    await database.write(new("a"))
    await database.read(names)
    proxy.hang()
    began = monotonic()
    for run in (database.read, database.write):
        with pytest.raises(Unavailable) as away:
            await run(names)
        assert away.value.retry_after
    assert monotonic() - began < PATIENCE
    proxy.flow()
    await database.write(new("b"))
    assert await database.read(names) == ["a", "b"]


async def test_a_slow_server_is_waited_for(opening: Opening, proxy: Proxy) -> None:
    database = await opening(proxy, "read_timeout=2")
    proxy.flow(delay=0.05)
    await database.write(new("a"))
    assert await database.read(names) == ["a"]


async def test_a_statement_that_takes_too_long_is_ended_and_the_connection_goes_on(
    opening: Opening,
) -> None:
    database = await opening(options="read_timeout=2")
    slow = sa.text("SELECT SLEEP(30)")
    used: list[object] = []

    def work(conn: sa.Connection) -> None:
        used.append(number(conn))
        conn.execute(NEW, {"name": "a"})
        conn.execute(slow).all()
        raise AssertionError("the statement was not ended")

    with pytest.raises(Unavailable) as busy:
        await database.write(work)
    assert busy.value.reason == "OVERLOADED"
    every = threading.Barrier(4)

    def meeting(conn: sa.Connection) -> tuple[object, list[str]]:
        every.wait(PATIENCE)
        return number(conn), names(conn)

    found = await asyncio.gather(*(database.write(meeting) for _ in range(4)))
    assert used[0] in {one for one, _ in found}
    assert [stored for _, stored in found] == [[]] * 4


async def test_a_lock_that_is_held_too_long_is_overload(opening: Opening) -> None:
    database = await opening(options="read_timeout=2")
    other = await opening()
    await database.write(new("a"))
    began, go_on = threading.Event(), threading.Event()

    def holding(conn: sa.Connection) -> None:
        conn.execute(LOCK, {"of": "a"}).all()
        began.set()
        assert go_on.wait(PATIENCE)

    held = asyncio.create_task(other.write(holding))
    assert await asyncio.to_thread(began.wait, PATIENCE)
    with pytest.raises(Unavailable) as busy:
        await database.write(lambda conn: conn.execute(LOCK, {"of": "a"}).all())
    assert busy.value.reason == "OVERLOADED"
    assert await database.read(names) == ["a"]
    go_on.set()
    await held
    assert await database.write(lambda conn: conn.execute(LOCK, {"of": "a"}).scalar()) == "a"


async def test_of_two_that_wait_for_each_other_one_is_run_again(opening: Opening) -> None:
    database = await opening()
    await database.write(lambda conn: conn.execute(NEW, [{"name": "a"}, {"name": "b"}]))
    both = threading.Barrier(2)
    tries: list[str] = []

    def locking(first: str, second: str) -> Callable[[sa.Connection], None]:
        def work(conn: sa.Connection) -> None:
            tries.append(first)
            conn.execute(LOCK, {"of": first}).all()
            if len(tries) <= 2:
                both.wait(PATIENCE)
            # A savepoint, which is gone when the transaction is undone.
            with conn.begin_nested():
                conn.execute(LOCK, {"of": second}).all()
                conn.execute(NEW, {"name": f"{first} then {second}"})

        return work

    await asyncio.gather(database.write(locking("a", "b")), database.write(locking("b", "a")))
    assert len(tries) == 3
    assert await database.read(names) == ["a", "a then b", "b", "b then a"]


async def test_a_race_that_is_always_lost_ends_as_overload(opening: Opening) -> None:
    database = await opening()
    tries: list[int] = []

    def work(conn: sa.Connection) -> None:
        tries.append(1)
        conn.execute(sa.text("SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213"))

    with pytest.raises(Unavailable) as busy:
        await database.write(work)
    assert busy.value.reason == "OVERLOADED"
    assert 2 < len(tries) < 20
    assert await database.write(number)


async def test_who_waits_too_long_for_a_turn_is_told_and_changes_nothing(url: str) -> None:
    engine = server_engine(url)
    await (await open_database(url, SCHEMA, ManualClock())).close()
    database = Database(
        "x",
        writing=ServerTransactions(engine, commits=True),
        reading=ServerTransactions(engine, commits=False),
        here=None,
        readers=2,
        writers=2,
        patience=2.0,
    )
    go_on = threading.Event()

    def work(conn: sa.Connection) -> None:
        conn.execute(NEW, {"name": threading.current_thread().name})
        assert go_on.wait(PATIENCE)

    blocked = [asyncio.create_task(database.write(work)) for _ in range(2)]
    waiting = [asyncio.create_task(database.write(new(f"{n}"))) for n in range(5)]
    outcomes = await asyncio.gather(*blocked, *waiting, return_exceptions=True)
    assert [type(one) for one in outcomes] == [Unavailable] * 7
    assert {one.reason for one in outcomes[2:] if isinstance(one, Unavailable)} == {"OVERLOADED"}
    # Readers have connections of their own.
    assert await database.read(names) == []
    go_on.set()
    # What had begun is finished; what waited is left out.
    await database.write(new("later"))
    await database.close()
    database = await open_database(url, SCHEMA, ManualClock())
    assert len(await database.read(names)) == 3
    await database.close()


async def test_a_server_with_too_many_connections_is_overload(opening: Opening) -> None:
    database = await opening()

    def full(conn: sa.Connection) -> None:
        conn.execute(sa.text("SIGNAL SQLSTATE '08004' SET MYSQL_ERRNO = 1040"))

    with pytest.raises(Unavailable) as busy:
        await database.read(full)
    assert busy.value.reason == "OVERLOADED"


@pytest.mark.parametrize(
    ("number", "state", "reason"),
    [
        (1114, "HY000", "DISK_FULL"),
        (1021, "HY000", "DISK_FULL"),
        (1290, "HY000", "DEPENDENCY_UNAVAILABLE"),
        (1053, "08S01", "DEPENDENCY_UNAVAILABLE"),
        (1142, "42000", "DEPENDENCY_UNAVAILABLE"),
    ],
)
async def test_what_the_server_cannot_do_is_a_fault_that_says_so(
    opening: Opening, number: int, state: str, reason: str
) -> None:
    database = await opening()
    signal = sa.text(f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}")
    with pytest.raises(Unavailable) as fault:
        await database.write(lambda conn: conn.execute(signal))
    assert fault.value.reason == reason
    assert fault.value.retry_after
    assert await database.write(names) == []


@pytest.mark.parametrize("number", [3819, 4025])
async def test_a_broken_check_is_the_same_on_either_server(opening: Opening, number: int) -> None:
    database = await opening()
    signal = sa.text(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {number}")
    with pytest.raises(IntegrityError):
        await database.write(lambda conn: conn.execute(signal))


async def test_a_server_that_is_away_at_the_start_is_a_fault(url: str) -> None:
    async with Proxy("127.0.0.1", 1) as proxy:
        away = with_port(url, proxy.port, "connect_timeout=1")
    with pytest.raises(Unavailable):
        await open_database(away, SCHEMA, ManualClock())


async def test_a_wrong_password_says_what_to_check(url: str) -> None:
    parts = urlsplit(url)
    wrong = parts._replace(netloc=f"nobody:secret-word@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(Unavailable, match="user") as refused:
        await open_database(wrong, SCHEMA, ManualClock())
    assert "secret-word" not in refused.value.message


async def test_a_database_that_is_not_there_says_what_to_check(url: str) -> None:
    nowhere = urlsplit(url)._replace(path="/test_no_such_database").geturl()
    with pytest.raises(Unavailable, match="name"):
        await open_database(nowhere, SCHEMA, ManualClock())


async def test_a_session_is_what_the_program_needs(opening: Opening) -> None:
    database = await opening(options="read_timeout=5")
    statement = sa.text(
        "SELECT @@session.time_zone, @@character_set_client, @@session.sql_mode, "
        "@@session.innodb_lock_wait_timeout"
    )
    for run in (database.read, database.write):
        zone, charset, modes, patience = await run(
            lambda conn: tuple(conn.execute(statement).one())
        )
        assert (zone, charset, patience) == ("+00:00", "utf8mb4", 2)
        assert "STRICT_TRANS_TABLES" in modes


async def test_one_statement_cannot_smuggle_in_another(opening: Opening) -> None:
    database = await opening()
    with pytest.raises(sa.exc.ProgrammingError):
        await database.write(lambda conn: conn.exec_driver_sql("SELECT 1; DROP TABLE shelves"))
    assert await database.read(names) == []


async def test_the_password_is_not_shown(opening: Opening, url: str) -> None:
    database = await opening()
    assert f":{urlsplit(url).password}@" not in database.url
    assert not database.is_sqlite


@pytest.mark.parametrize("options", ["ssl_disabled=true", "ssl_disabled=false"])
async def test_it_connects_with_and_without_tls(opening: Opening, options: str) -> None:
    database = await opening(options=options)
    cipher = sa.text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
    _, used = await database.read(lambda conn: tuple(conn.execute(cipher).one()))
    assert bool(used) == (options == "ssl_disabled=false")


async def test_a_server_whose_certificate_nobody_signed_is_refused_where_it_is_checked(
    url: str,
) -> None:
    with pytest.raises(Unavailable):
        await open_database(f"{url}?ssl_ca={certifi.where()}", SCHEMA, ManualClock())


async def test_a_server_is_not_migrated_by_those_who_only_use_it() -> None:
    url = mysql_url()
    try:
        with pytest.raises(SchemaTooOld, match="allocctl migrate"):
            await open_database(url, SCHEMA, ManualClock(), migrate=False)
        await (await open_database(url, SCHEMA, ManualClock())).close()
        await (await open_database(url, SCHEMA, ManualClock(), migrate=False)).close()
    finally:
        drop_mysql(url)
