"""What `allocctl` does with what becomes of allocations: waiting, plans, usage, volumes, limits."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from allocator_process import PASSWORD, ROOT, AllocatorProcess

# Each command is a process of its own.
pytestmark = pytest.mark.timeout(300)

EMAIL = "grace@example.org"
TICKS = [
    "python3",
    "-u",
    "-c",
    "import time\nwhile True:\n print('tick', flush=True); time.sleep(.2)",
]


class Run:
    """`allocctl` of somebody whose login is kept in a folder."""

    def __init__(self, allocator: AllocatorProcess, folder: Path) -> None:
        self._environment = {
            **allocator.environment,
            "XDG_CONFIG_HOME": str(folder),
            "ALLOCATOR_CLI_SERVER": allocator.grpc,
        }

    def raw(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A command that has ended."""
        return subprocess.run(
            [sys.executable, "-m", "allocctl", *arguments],
            env=self._environment,
            cwd=ROOT,
            input=given,
            capture_output=True,
            timeout=90,
            check=False,
        )

    def __call__(self, *arguments: str, fails: str = "", given: bytes = b"") -> str:
        """What a command prints; with `fails` it must fail and say that."""
        done = self.raw(*arguments, given=given)
        said, problems = done.stdout.decode(), done.stderr.decode()
        if fails:
            assert done.returncode != 0, (arguments, said)
            assert fails in said + problems, (arguments, said, problems)
        else:
            assert done.returncode == 0, (arguments, said, problems)
        return said

    def json(self, *arguments: str) -> Any:
        """What a command prints for programs."""
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def allocator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator with machines of which there is one each, and one that keeps something."""
    running = AllocatorProcess(tmp_path_factory.mktemp("commands") / "data").start()
    admin = running.admin()
    for name, fields in {
        "single": {"stock": 1},
        "keeper": {"volumes": [{"path": "/data", "sizeMib": 16, "title": "notes"}]},
        "growing": {},
    }.items():
        body = {"title": name, "command": TICKS, **fields}
        made = running.call("POST", f"/v1/machines?machineId={name}", admin, json=body)
        assert made.status_code == 200, made.text
        running.call("POST", f"/v1/machines/{name}:publish", admin, json={})
    yield running
    running.close()


@pytest.fixture(scope="module")
def admin(allocator: AllocatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The commands of the first admin."""
    run = Run(allocator, tmp_path_factory.mktemp("admin"))
    run("login", "--admin-file", str(allocator.admin_file))
    return run


@pytest.fixture(scope="module")
def grace(allocator: AllocatorProcess, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The commands of a person."""
    allocator.person(EMAIL)
    run = Run(allocator, tmp_path_factory.mktemp("grace"))
    run("login", EMAIL, "--password-file", "-", given=PASSWORD.encode())
    return run


def test_one_asks_waits_is_moved_and_cancels(admin: Run, grace: Run) -> None:
    assert "now" in grace("estimate", "single")
    held = admin.json("allocate", "single")["name"]
    assert "once there is room" in grace("estimate", "single", fails="number 1 of 1")
    assert grace.raw("estimate", "single", "-o", "json").returncode == 1
    grace("allocate", "single", fails="All 1 of")
    grace("allocate", "single", "--max-wait", "5m", fails="--wait-when-full")
    waiting = ("allocate", "single", "--wait-when-full", "--no-wait", "--name")
    assert "pending, number 1 of 1" in grace(*waiting, "first", "--max-wait", "20m")
    assert "pending, number 2 of 2" in grace(*waiting, "second")
    second = grace.json("inspect", "second")["allocation"]["name"]
    listed = admin("queue", "list").splitlines()
    assert len(listed) == 3
    assert "number 1 of 2" in admin("queue", "move", second, "1")
    assert admin.json("queue", "list")[0]["name"] == second
    assert "deleted" in grace("cancel", "first", "second")
    assert "Nobody waits" in admin.raw("queue", "list").stderr.decode()
    assert "deleted" in admin("rm", held)


def test_what_waits_runs_once_there_is_room(admin: Run, grace: Run) -> None:
    held = admin.json("allocate", "single")["name"]
    grace("allocate", "single", "--wait-when-full", "--no-wait", "--name", "patient")
    admin("rm", held)
    assert "ready" in grace("start", "patient")
    assert "deleted" in grace("rm", "patient")


def test_when_it_ends_rests_and_wakes_is_said_and_changed(grace: Run) -> None:
    grace(
        *("allocate", "ticker", "--name", "planned", "--expires", "2h", "--then", "delete"),
        *("--idle", "30m", "--restart", "on-failure"),
        *("--schedule", "start mon-fri 09:00", "--schedule", "stop daily 22:00"),
        *("--time-zone", "Europe/Berlin"),
    )
    shown = grace("inspect", "planned")
    assert "deleted at" in shown
    assert "stopped after 30m without use" in shown
    assert "start mon-fri 09:00; stop daily 22:00 (Europe/Berlin)" in shown
    assert "on-failure" in shown
    assert "planned" in shown

    grace("update", "planned", fails="Say what shall change")
    changed = grace(
        *("update", "planned", "--expires", "never", "--idle", "never", "--schedule", "never"),
        *("--label", "team=blue", "--label", "stage=test"),
    )
    assert "stage=test, team=blue" in changed
    assert "without use" not in changed
    after = grace.json("update", "planned", "--label", "team=", "--name", "unplanned")
    assert after["labels"] == {"stage": "test"}
    assert "schedule" not in after
    assert "planned" not in after
    grace("update", "unplanned", "--schedule", "whenever", fails="no line of a schedule")
    grace("update", "unplanned", "--expires", "2001-01-01", fails="already")
    assert "deleted" in grace("rm", "unplanned")


def test_a_newer_version_is_taken_over(allocator: AllocatorProcess, grace: Run) -> None:
    grace("allocate", "growing", "--name", "grown")
    before = grace.json("inspect", "grown")["allocation"]["machineVersion"]
    token, body = allocator.admin(), {"command": [*TICKS[:3], TICKS[3].replace("tick", "tock")]}
    allocator.call("PATCH", "/v1/machines/growing?updateMask=command", token, json=body)
    assert "ready" in grace("recreate", "grown")
    assert grace.json("inspect", "grown")["allocation"]["machineVersion"] > before
    grace("rm", "grown")


def test_how_it_fared_is_told(grace: Run, admin: Run) -> None:
    grace("allocate", "ticker", "--name", "faring")
    grace("stop", "faring")
    told = grace("usage", "faring")
    for word in ("availability", "ready", "stopped", "so far", "life"):
        assert word in told
    total = grace.json("usage", "faring")["total"]
    assert {"READY", "STARTING", "STOPPED"} <= {one["kind"] for one in total["kinds"]}
    assert "allocations" in admin("usage", "machines/ticker", "--since", "1h")
    name = grace.json("inspect", "faring")["allocation"]["name"]
    assert name in grace("usage")
    assert json.loads(grace("usage", "faring", "--report", "json"))["allocations"]
    grace("usage", "faring", "--since", "soon", fails="no span")
    grace("rm", "faring")


def tarred(**files: str) -> bytes:
    """A tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            made.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def files_in(data: bytes) -> dict[str, bytes]:
    """What is in a tar archive, by the last parts of names."""
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        return {
            Path(one.name).name: (packed.extractfile(one) or io.BytesIO()).read()
            for one in packed.getmembers()
            if one.isfile()
        }


def test_a_volume_is_brought_used_taken_away_and_kept(grace: Run, tmp_path: Path) -> None:
    assert grace.json("volumes", "list") == []
    file = tmp_path / "notes.tar"
    file.write_bytes(tarred(a="hello", b="x" * 600_000))
    volume = grace.json("volumes", "upload", str(file), "--name", "notes")["name"]
    other = grace("volumes", "upload", "-", given=file.read_bytes()).split()[0]
    grace("volumes", "upload", str(tmp_path / "none.tar"), fails="cannot be read")
    grace("volumes", "upload", "-", given=b"no archive", fails="archive")
    assert "detached" in grace("volumes", "list")
    assert "my notes" in grace("volumes", "rename", volume, "my notes")

    grace("allocate", "keeper", "--name", "kept", "--volume", "/data", fails="PATH=VOLUME")
    grace("allocate", "keeper", "--name", "kept", "--volume", f"/data={volume}")
    assert "in use" in grace("volumes", "list")
    assert files_in(grace.raw("volumes", "download", volume, "-").stdout)["a"] == b"hello"
    grace("volumes", "download", volume, str(tmp_path), "--gzip")
    packed = tmp_path / f"{volume.removeprefix('volumes/')}.tar.gz"
    assert files_in(packed.read_bytes())["b"] == b"x" * 600_000
    grace("volumes", "download", volume, str(packed), fails="is there already")
    grace("volumes", "delete", volume, fails="remove the allocation")

    grace("archive", "kept", str(tmp_path / "all.zip"))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert {"log.txt", "report.json", "report.csv"} <= set(archive.namelist())
    grace("rm", "kept", "--keep-volumes")
    assert volume in {one["name"] for one in grace.json("volumes", "list")}
    grace("volumes", "delete", volume, other)


def test_an_admin_limits_a_person_and_defines_sizes(admin: Run, grace: Run) -> None:
    assert "instances" in grace("quota", "get")
    admin("quota", "set", EMAIL, fails="Say what shall be set")
    admin("quota", "set", EMAIL, "--memory", "much", fails="no amount")
    set_ = admin("quota", "set", EMAIL, "--instances", "7", "--cpu", "unlimited", "--memory", "2G")
    assert "2.0 GB" in set_
    assert "unlimited" in set_
    limits = grace.json("quota", "get")["limits"]
    assert (limits["instances"], limits["cpuMillis"], limits["memoryBytes"]) == (
        7,
        -1,
        str(2 << 30),
    )
    admin(
        "quota", "set", EMAIL, "--cpu", "default", "--instances", "default", "--memory", "default"
    )
    assert grace.json("quota", "get")["overrides"] == {}

    made = admin("classes", "create", "tiny", "--cpu", "0.1", "--memory", "64M", "--pids", "32")
    assert "0.1 cores, 64 MB memory, 32 processes" in made
    assert "96 MB" in admin("classes", "update", "tiny", "--memory", "96M")
    admin("classes", "update", "tiny", fails="Say what shall change")
    assert "tiny" in grace("classes", "list")
    assert "deleted" in admin("classes", "delete", "tiny")
    grace("classes", "create", "own", "--cpu", "1", "--memory", "1G", "--pids", "9", fails="admin")


def test_an_admin_sees_nodes_and_takes_one_out_and_in(admin: Run) -> None:
    (node,) = admin.json("nodes", "list")
    assert "drained" in admin("nodes", "drain", node["name"], "--why", "more memory")
    assert "drained" in admin("nodes", "list")
    assert "active" in admin("nodes", "activate", node["name"])
