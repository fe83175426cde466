"""A backup of a running installation, restored into an empty one: everybody sees what they saw."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from allocator_process import ROOT, AllocatorProcess

from tests.http_endpoint import HttpEndpoint
from tests.keeping.former_installation import tables
from tests.keeping.grown import SECRET, Grown, allocctl, greeting, grow, kept, seen
from tests.keeping.grown_around import CALLS_THIS_HOST, check_around

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Lost:
    """An installation that is gone but for its archive.

    Attributes:
        archive: made while it ran.
        grown: what was in it.
        seen: what people saw.
        directory: what the broker knew, by kind and name.
        ports: its range of ports.
    """

    archive: Path
    grown: Grown
    seen: dict[str, Any]
    directory: dict[tuple[object, object], object]
    ports: str


@pytest.fixture(scope="module")
def endpoint() -> Iterator[HttpEndpoint]:
    """A program of Bob's."""
    with HttpEndpoint() as started:
        yield started


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory, endpoint: HttpEndpoint) -> Lost:
    folder = tmp_path_factory.mktemp("lost")
    running = AllocatorProcess(folder / "data", **CALLS_THIS_HOST).start(within=90)
    try:
        grown = grow(running, endpoint)
        before = seen(running, grown)
        said = kept("backup", folder / "all.tar.gz", ALLOCATOR_DATA_DIR=str(running.data_dir))
        assert "holds the keys" in said
        directory = known(running.data_dir)
    finally:
        running.close()
    shutil.rmtree(running.data_dir)
    ports = running.environment["ALLOCATOR_ALLOCATION_PORT_RANGE"]
    return Lost(folder / "all.tar.gz", grown, before, directory, ports)


@pytest.fixture(scope="module")
def restored(lost: Lost, tmp_path_factory) -> Iterator[AllocatorProcess]:
    folder = tmp_path_factory.mktemp("restored") / "data"
    kept("restore", lost.archive, ALLOCATOR_DATA_DIR=str(folder))
    made = AllocatorProcess(
        folder, ALLOCATOR_ALLOCATION_PORT_RANGE=lost.ports, **CALLS_THIS_HOST
    ).start(within=90)
    yield made
    made.close()


def known(folder: Path) -> dict[tuple[object, object], object]:
    """What the directory that is read knows: the message of each name."""
    rows = tables(folder / "broker.sqlite3")
    [number] = [number for number, is_read in rows["directories"] if is_read]
    return {(row[1], row[2]): row[5] for row in rows["entries"] if row[0] == number}


def states(folder: Path) -> dict[tuple[object, object], object]:
    """What the topics of states say, by kind and name; of feeds the directory knows nothing."""
    return {
        (row[1].split(".")[1], row[2]): row[3]
        for row in tables(folder / "bus.sqlite3")["records"]
        if ".state." in row[1] and ".feed." not in row[1]
    }


def until(is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be so within a minute"
        time.sleep(0.05)


def test_everybody_sees_what_they_saw_and_goes_on(
    lost: Lost, restored: AllocatorProcess, endpoint: HttpEndpoint
) -> None:
    ada = restored.log_in("ada@example.org")
    said = greeting(restored, ada, lost.grown.ready)
    assert said == f"hello {SECRET}", "its instance is made anew, with its secret"
    assert seen(restored, lost.grown) == lost.seen
    check_around(restored, lost.grown.around, restored.log_in("bob@example.org"), endpoint)


def test_what_was_stopped_can_be_started(lost: Lost, restored: AllocatorProcess) -> None:
    ada = restored.log_in("ada@example.org")
    restored.call("POST", f"/v1/{lost.grown.stopped}:start", ada, json={})
    assert greeting(restored, ada, lost.grown.stopped) == f"later {SECRET}"
    restored.call("POST", f"/v1/{lost.grown.stopped}:stop", ada, json={})
    restored.wait(ada, lost.grown.stopped, "STOPPED")


def test_the_directory_is_made_anew_while_it_is_read(
    lost: Lost, restored: AllocatorProcess
) -> None:
    greeting(restored, restored.log_in("ada@example.org"), lost.grown.ready)
    until(lambda: known(restored.data_dir) == states(restored.data_dir))
    with closing(sqlite3.connect(restored.data_dir / "broker.sqlite3")) as rows, rows:
        rows.execute("DELETE FROM entries WHERE kind = 'machines'")
    said = kept("broker", "rebuild", ALLOCATOR_DATA_DIR=str(restored.data_dir))
    assert "made anew from" in said
    assert known(restored.data_dir).keys() == lost.directory.keys()
    until(lambda: known(restored.data_dir) == states(restored.data_dir))


def test_an_archive_is_for_its_owner_alone_and_never_written_over(lost: Lost, tmp_path) -> None:
    assert stat.S_IMODE(lost.archive.stat().st_mode) == 0o600
    before = lost.archive.read_bytes()
    again = allocctl("backup", lost.archive, environment={"ALLOCATOR_DATA_DIR": str(tmp_path)})
    assert again.returncode == 1
    assert b"is there already" in again.stderr
    assert lost.archive.read_bytes() == before


def test_nothing_is_restored_over_anything(lost: Lost, restored: AllocatorProcess) -> None:
    settings = {"ALLOCATOR_DATA_DIR": str(restored.data_dir)}
    running = allocctl("restore", lost.archive, environment=settings)
    assert running.returncode == 1
    assert b"is held by process" in running.stderr
    assert restored.stop() == 0
    try:
        before = {path: path.read_bytes() for path in restored.data_dir.glob("*.json")}
        rows = tables(restored.data_dir / "users.sqlite3")
        stopped = allocctl("restore", lost.archive, environment=settings)
        assert stopped.returncode == 1
        for there in (b"is not empty", b"rows in users of users", b"logs in", b"on the bus"):
            assert there in stopped.stderr
        assert {path: path.read_bytes() for path in before} == before
        assert tables(restored.data_dir / "users.sqlite3") == rows
    finally:
        restored.start(within=90)


def test_an_archive_flows_through_a_pipe(lost: Lost, restored: AllocatorProcess, tmp_path) -> None:
    piped = subprocess.run(
        f"{sys.executable} -m allocctl backup --no-logs - | "
        f"ALLOCATOR_DATA_DIR={tmp_path / 'there'} {sys.executable} -m allocctl restore -",
        shell=True,
        cwd=ROOT,
        env={**restored.environment, "ALLOCATOR_LOG_FILE": ""},
        capture_output=True,
        timeout=120,
    )
    assert piped.returncode == 0, piped.stderr.decode()
    here, there = restored.data_dir / "machines.sqlite3", tmp_path / "there" / "machines.sqlite3"
    assert tables(there) == tables(here)
    assert not (tmp_path / "there" / "journal").exists()
    assert (tmp_path / "there" / "keys" / "vault.key").read_text().strip()
