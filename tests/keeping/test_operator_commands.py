"""The commands of an operator: what they say when something is missing, and what they make once."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from allocator_process import ROOT
from free_ports import free_port
from proxy import Proxy
from servers import drop_mysql, mysql_url

from tests.keeping.former_installation import make_former, tables
from tests.keeping.grown import allocctl, kept

CHEAP = {
    "ALLOCATOR_USER_ARGON2_MEMORY_KIB": "64",
    "ALLOCATOR_USER_ARGON2_PASSES": "1",
}


def admins(folder: Path) -> int:
    return sum("admin@allocator.local" in row for row in tables(folder / "users.sqlite3")["users"])


def test_the_first_admin_is_made_once_however_many_try(tmp_path: Path) -> None:
    settings = {"ALLOCATOR_DATA_DIR": str(tmp_path), **CHEAP}
    with ThreadPoolExecutor(3) as several:
        done = list(
            several.map(
                lambda _: allocctl("admin", "create", "--once", environment=settings), range(3)
            )
        )
    assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
    assert sum(b"was made" in one.stdout for one in done) == 1
    assert sum(b"There is a first admin already" in one.stdout for one in done) == 2
    assert admins(tmp_path) == 1
    assert stat.S_IMODE((tmp_path / "admin.json").stat().st_mode) == 0o600


def test_the_credentials_are_written_where_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "first.json"
    settings = {"ALLOCATOR_DATA_DIR": str(tmp_path / "data"), **CHEAP}
    assert str(file) in kept("admin", "create", "--once", "--file", file, **settings)
    assert set(json.loads(file.read_text())) == {"email", "password"}
    assert not (tmp_path / "data" / "admin.json").exists()


def test_a_migration_makes_the_first_admin_too(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "first.json"
    settings = {"ALLOCATOR_DATA_DIR": str(tmp_path / "data"), **CHEAP}
    assert f"are in {file}" in kept("migrate", "--first-admin", file, **settings)
    assert set(json.loads(file.read_text())) == {"email", "password"}
    assert admins(tmp_path / "data") == 1
    assert "already" in kept("migrate", "--first-admin", file, **settings)


def test_where_there_is_an_admin_no_file_is_made(tmp_path: Path) -> None:
    folder = make_former(tmp_path / "data")
    (folder / "admin.json").unlink()
    settings = {"ALLOCATOR_DATA_DIR": str(folder), **CHEAP}
    assert "already" in kept("admin", "create", "--once", **settings)
    assert not (folder / "admin.json").exists()


def test_a_second_admin_is_not_made_here(tmp_path: Path) -> None:
    done = allocctl("admin", "create", environment={"ALLOCATOR_DATA_DIR": str(tmp_path)})
    assert done.returncode == 1
    assert b"--once" in done.stderr
    assert not (tmp_path / "users.sqlite3").exists()


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("ALLOCATOR_USER_DATABASE_URL", "postgres://host/name", "mysql://host/name"),
        ("ALLOCATOR_BUS_URL", "carrier://pigeon", "kafka://host:port"),
        ("ALLOCATOR_DATA_DRI", "x", "there is no such setting"),
    ],
)
def test_a_wrong_setting_is_said_in_a_sentence(
    tmp_path: Path, setting: str, value: str, says: str
) -> None:
    settings = {"ALLOCATOR_DATA_DIR": str(tmp_path), setting: value}
    done = allocctl("migrate", environment=settings)
    assert done.returncode == 1
    assert says in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_settings_come_from_a_file_as_for_the_services(tmp_path: Path) -> None:
    folder = make_former(tmp_path / "data")
    file = tmp_path / "dev.env"
    file.write_text(f"ALLOCATOR_DATA_DIR={folder}\n")
    kept("backup", "--settings", file, tmp_path / "a.tar.gz")
    assert (tmp_path / "a.tar.gz").stat().st_size > 1000


@pytest.mark.real_mysql
def test_a_server_that_does_not_come_is_given_up_by_name(tmp_path: Path) -> None:
    settings = {
        "ALLOCATOR_DATA_DIR": str(tmp_path),
        "ALLOCATOR_USER_DATABASE_URL": f"mysql://u:p@127.0.0.1:{free_port()}/users",
    }
    done = allocctl("migrate", "--wait", "0.5", environment=settings)
    assert done.returncode == 5
    assert b"users: The database does not answer" in done.stderr


@pytest.mark.real_mysql
async def test_a_server_that_is_just_starting_is_waited_for(tmp_path: Path) -> None:
    url = await asyncio.to_thread(mysql_url)
    login, _, place = url.removeprefix("mysql://").rpartition("@")
    address, _, name = place.partition("/")
    host, _, port = address.partition(":")
    asked = asyncio.Event()

    def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    starting = await asyncio.start_server(refuse, "127.0.0.1", 0)
    proxy = Proxy(host, int(port))
    proxy.port = starting.sockets[0].getsockname()[1]
    migrating = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "allocctl", "migrate", "--wait", "60"),
        env={
            "PATH": "",
            "ALLOCATOR_DATA_DIR": str(tmp_path),
            "ALLOCATOR_USER_DATABASE_URL": f"mysql://{login}@{proxy.address}/{name}",
        },
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    await asyncio.wait_for(asked.wait(), 60)
    starting.close()
    await starting.wait_closed()
    async with proxy:
        said, _ = await asyncio.wait_for(migrating.communicate(), 90)
    assert migrating.returncode == 0
    assert b"users          from nothing to revision" in said
    await asyncio.to_thread(drop_mysql, url)


@pytest.mark.real_mysql
def test_several_migrations_of_one_server_end_well_and_the_admin_is_made_after(
    tmp_path: Path,
) -> None:
    url = mysql_url()
    settings = {
        "ALLOCATOR_DATA_DIR": str(tmp_path),
        "ALLOCATOR_USER_DATABASE_URL": url,
        **CHEAP,
    }
    try:
        early = allocctl("admin", "create", "--once", environment=settings)
        assert early.returncode == 1
        assert b"allocctl migrate" in early.stderr
        with ThreadPoolExecutor(3) as several:
            done = list(several.map(lambda _: allocctl("migrate", environment=settings), range(3)))
        assert [one.returncode for one in done] == [0, 0, 0], [one.stderr for one in done]
        assert sum(b"users          from nothing" in one.stdout for one in done) == 1
        assert "was made" in kept("admin", "create", "--once", **settings)
        assert "already" in kept("admin", "create", "--once", **settings)
    finally:
        drop_mysql(url)
