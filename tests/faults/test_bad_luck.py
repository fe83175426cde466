"""What happens to its surroundings is told, does no damage, and is over when its cause is over."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest
from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc
from allocator_process import ROOT, AllocatorProcess
from free_ports import free_port, free_range
from httpx2 import AsyncClient
from stored import leased_ports
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from allocctl.sequence import SequenceChecker
from tests.faults.reconciliation_host import Cable, listens, programs_of, until

ENGINE = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
QUICK = {
    "ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS": "1",
    "ALLOCATOR_ALLOCATION_SWEEP_SECONDS": "1",
    "ALLOCATOR_ALLOCATION_ENGINE_AWAY_SECONDS": "0.5",
}


def checked_log(running: AllocatorProcess, token: str, name: str) -> SequenceChecker:
    """The whole log of an allocation, shown to be contiguous."""
    checker = SequenceChecker(1)
    while True:
        page = running.call(
            "GET", f"/v1/{name}/lines", token, params={"cursor": str(checker.next)}
        ).json()
        spans = [(int(one["seq"]), int(one["seq"]), "") for one in page["lines"]]
        spans += [
            (int(one["firstSeq"]), int(one["lastSeq"]), str(one["cause"])) for one in page["gaps"]
        ]
        if not spans:
            return checker
        for span in sorted(spans):
            checker.feed(*span)


# The engine


@pytest.fixture(scope="module")
def cable_and_docker(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Cable, AllocatorProcess]]:
    folder = Path(tmp_path_factory.mktemp("e"))
    cable = Cable(folder / "engine.sock", lambda: ENGINE)
    made = AllocatorProcess(
        folder / "data", runtime="docker", DOCKER_HOST=f"unix://{folder / 'engine.sock'}", **QUICK
    )
    made.start()
    yield cable, made
    cable.plug()
    made.close()
    cable.close()


@pytest.fixture
def docker(cable_and_docker: tuple[Cable, AllocatorProcess]) -> AllocatorProcess:
    return cable_and_docker[1]


@pytest.fixture
def cable(cable_and_docker: tuple[Cable, AllocatorProcess]) -> Iterator[Cable]:
    yield cable_and_docker[0]
    cable_and_docker[0].plug()


@pytest.mark.real_docker
def test_an_engine_that_stops_in_the_middle_is_told_and_what_was_asked_is_done_later(
    cable: Cable, docker: AllocatorProcess
) -> None:
    token = docker.admin()
    kept, stopped, removed = (docker.rent(token, "http-files")["name"] for _ in range(3))
    for name in (kept, stopped, removed):
        docker.wait(token, name, "READY")
    before = docker.call("GET", f"/v1/{kept}", token).json()
    # One is being made at the very moment.
    moving = docker.rent(token, "ticker")["name"]
    cable.pull()

    for name in (kept, stopped, removed):
        unknown = docker.wait(token, name, "UNKNOWN")
        assert unknown["stateReason"]["reason"] == "ENGINE_UNAVAILABLE"
    assert listens(before["port"]), "the container itself goes on"
    for verb, path, body in (
        ("POST", "/v1/allocations", {"machine": "machines/ticker"}),
        ("POST", f"/v1/{stopped}:stop", {}),
        ("DELETE", f"/v1/{removed}", None),
        ("GET", f"/v1/{kept}:inspect", None),
    ):
        answer = docker.call(verb, path, token, **({} if body is None else {"json": body}))
        assert (answer.status_code, answer.json()["reason"]) == (503, "ENGINE_UNAVAILABLE"), path
        assert int(answer.headers["retry-after"]) >= 1, path
        assert "engine" in answer.json()["detail"]
    assert docker.call("GET", f"/v1/{stopped}", token).json()["desiredState"] == "STOPPED"
    readiness = docker.call("GET", "/readyz")
    assert readiness.status_code == 200, "everything else goes on"
    assert "docker_svc.engine" in readiness.json()["degraded"]

    cable.plug()
    docker.wait(token, stopped, "STOPPED")
    docker.wait(token, removed, "DELETED")
    docker.wait(token, moving, "READY")
    after = docker.wait(token, kept, "READY")
    assert (after["port"], after["generation"]) == (before["port"], 1), "it was left alone"
    until(lambda: docker.call("GET", "/readyz").json()["degraded"] == {})
    docker.remove_everything()
    assert leased_ports(docker.data_dir) == []


@pytest.mark.real_docker
def test_an_allocator_that_starts_while_its_engine_is_away_says_so_and_finds_it_later(
    cable: Cable, docker: AllocatorProcess
) -> None:
    token = docker.admin()
    name = docker.rent(token, "http-files")["name"]
    docker.wait(token, name, "READY")
    assert docker.stop() == 0
    cable.pull()
    docker.start()
    assert "does not answer" in docker.banner
    token = docker.admin()
    docker.wait(token, name, "UNKNOWN")
    cable.plug()
    assert docker.wait(token, name, "READY")["generation"] == 1
    docker.remove_everything()


@pytest.mark.real_docker
def test_an_image_that_does_not_exist_fails_with_what_to_do(docker: AllocatorProcess) -> None:
    admin = docker.admin()
    body = {"title": "Nothing", "image": "registry.invalid/nothing/there:1", "command": ["true"]}
    made = docker.call("POST", "/v1/machines?machineId=nothing", admin, json=body)
    assert made.status_code == 200, made.text
    docker.call("POST", "/v1/machines/nothing:publish", admin, json={})
    name = docker.rent(admin, "nothing")["name"]
    failed = docker.wait(admin, name, "FAILED")
    assert failed["stateReason"]["reason"] == "IMAGE_NOT_FOUND"
    assert "registry.invalid/nothing/there:1" in failed["stateReason"]["message"]
    assert "Correct the image" in failed["stateReason"]["message"]
    docker.remove_everything()


@pytest.mark.real_docker
def test_ports_taken_by_strangers_are_passed_over(tmp_path: Path) -> None:
    ports = free_range(4)
    first = int(ports.partition("-")[0])
    with ExitStack() as strangers:
        for port in (first, first + 1, first + 3):
            stranger = strangers.enter_context(socket.socket())
            stranger.bind(("127.0.0.1", port))
            stranger.listen()
        running = AllocatorProcess(
            tmp_path / "data",
            runtime="docker",
            ALLOCATOR_ALLOCATION_PORT_RANGE=ports,
            **QUICK,
        )
        running.start()
        try:
            token = running.admin()
            name = running.rent(token, "http-files")["name"]
            ready = running.wait(token, name, "READY", "FAILED")
            assert (ready["state"], ready["port"]) == ("READY", first + 2), ready
            assert listens(first + 2)
        finally:
            running.close()


# The data folder


@pytest.fixture(
    params=["process", pytest.param("docker", marks=pytest.mark.real_docker)],
)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(tmp_path / "data", runtime=request.param, **QUICK)
    made.start()
    yield made
    made.close()


def test_a_second_start_keeps_everything_and_finds_instances_with_their_whole_log(
    running: AllocatorProcess,
) -> None:
    token = running.person("ada@example.org")
    name = running.rent(token, "ticker", INTERVAL="0.02")["name"]
    ready = running.wait(token, name, "READY")
    until(lambda: checked_log(running, token, name).lines > 20)
    assert running.stop() == 0, "Ctrl-C ends it cleanly"
    output = running.data_dir.with_suffix(".out").read_text()
    assert "Traceback" not in output
    running.start()
    token = running.log_in("ada@example.org")
    again = running.wait(token, name, "READY")
    for kept in ("uid", "generation", "port", "createTime", "stateTime"):
        assert again[kept] == ready[kept]
    seen = checked_log(running, token, name).next
    until(lambda: checked_log(running, token, name).next > seen + 20)
    checker = checked_log(running, token, name)
    assert checker.lines == checker.next - 1, "no line is missing, and nothing is called a gap"


def test_a_second_allocator_on_one_data_folder_says_who_holds_it(
    running: AllocatorProcess,
) -> None:
    assert running.process is not None
    second = subprocess.run(
        [sys.executable, "-m", "allocctl", "up"],
        env={
            **running.environment,
            "ALLOCATOR_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
            "ALLOCATOR_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode != 0
    said = second.stdout + second.stderr
    assert str(running.process.pid) in said
    assert str(running.data_dir) in said
    assert "Traceback" not in said
    assert running.call("GET", "/livez").status_code == 200


def test_an_address_that_is_taken_is_named(running: AllocatorProcess, tmp_path: Path) -> None:
    for taken in ("ALLOCATOR_HTTP_ADDRESS", "ALLOCATOR_GRPC_ADDRESS"):
        other = {
            "ALLOCATOR_DATA_DIR": str(tmp_path / taken.lower()),
            "ALLOCATOR_HTTP_ADDRESS": f"127.0.0.1:{free_port()}",
            "ALLOCATOR_GRPC_ADDRESS": f"127.0.0.1:{free_port()}",
        }
        second = subprocess.run(
            [sys.executable, "-m", "allocctl", "up"],
            env={**running.environment, **other, taken: running.environment[taken]},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = second.stdout + second.stderr
        assert second.returncode != 0
        assert running.environment[taken] in said
        assert "Traceback" not in said


def test_a_second_ctrl_c_does_no_harm(tmp_path: Path) -> None:
    running = AllocatorProcess(tmp_path / "data")
    running.start()
    process = running.process
    assert process is not None
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    running.process = None
    running.close()


async def test_ctrl_c_says_goodbye_to_everybody_who_watches(running: AllocatorProcess) -> None:
    token = running.admin()
    name = running.rent(token, "ticker", INTERVAL="0.1")["name"]
    running.wait(token, name, "READY")
    headers = {"authorization": f"Bearer {token}", "accept": "application/x-ndjson"}
    metadata = (("authorization", f"Bearer {token}"),)
    process = running.process
    assert process is not None
    async with (
        AsyncClient(
            base_url=f"http://{running.http}", headers=headers, timeout=30, trust_env=False
        ) as http,
        http.stream("GET", "/v1/allocations:watch") as watch,
        http.stream("GET", f"/v1/{name}/console:follow") as follow,
        connect(f"ws://{running.http}/v1/{name}/console", proxy=None) as console,
        grpc.aio.insecure_channel(running.grpc) as channel,
    ):
        await console.send(json.dumps({"auth": {"token": token}}))
        assert "hello" in json.loads(await console.recv())
        lines = [stream.aiter_lines() for stream in (watch, follow)]
        for line in lines:
            assert json.loads(await anext(line))
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        updates = stub.WatchAllocations(
            allocation_service_pb2.WatchAllocationsRequest(), metadata=metadata
        )
        await updates.read()

        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(15):
            last = {}
            with contextlib.suppress(ConnectionClosed):
                while True:
                    last = json.loads(await console.recv())
            assert last["bye"]["reason"] == "SERVICE_STOPPING"
            assert console.close_code == 1012
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                while await updates.read() is not grpc.aio.EOF:
                    pass
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            for line in lines:
                said = [json.loads(one) async for one in line]
                end = said[-1].get("error") or said[-1].get("bye")
                assert end, said[-1]
                assert end["reason"] == "SERVICE_STOPPING"
        assert await asyncio.to_thread(process.wait, 15) == 0
        assert time.monotonic() - asked < 5, "nobody has to be waited for"
    running.start()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m,mode=755", "allocator-test", str(folder)]
    subprocess.run(mount, check=True, timeout=30)
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=30)


@pytest.mark.real_disk
def test_a_full_disk_is_told_and_does_no_damage(small_disk: Path) -> None:
    # What is full here is filled by others: no more is promised than there is, or none could be rented.
    running = AllocatorProcess(
        small_disk / "data", ALLOCATOR_ALLOCATION_CAPACITY_DISK_OVERCOMMIT="0", **QUICK
    )
    running.start()
    try:
        admin = running.admin()
        name = running.rent(admin, "ticker", INTERVAL="0.05")["name"]
        running.wait(admin, name, "READY")
        ballast = small_disk / "ballast"
        fill(ballast)

        made, refused = [], None
        for number in range(3000):
            body = {"title": "Large", "command": ["true"], "description": "x" * 4000}
            answer = running.call(
                "POST", f"/v1/machines?machineId=large-{number}", admin, json=body
            )
            if answer.status_code != 200:
                refused = answer
                break
            made.append(number)
            if number % 50 == 0:
                fill(ballast)
        assert refused is not None
        assert (refused.status_code, refused.json()["reason"]) == (503, "DISK_FULL")
        assert "retry-after" in refused.headers
        assert "disk" in refused.json()["detail"].lower()
        # What only reads goes on.
        assert running.call("GET", f"/v1/{name}", admin).json()["state"] == "READY"
        assert running.call("GET", "/livez").status_code == 200

        ballast.unlink()
        number = len(made)
        until(
            lambda: (
                running.call(
                    "POST", f"/v1/machines?machineId=large-{number}", admin, json=body
                ).status_code
                == 200
            )
        )
        for number in made:
            assert running.call("GET", f"/v1/machines/large-{number}", admin).status_code == 200
        # The log goes on; what could not be kept is said to be missing.
        seen = checked_log(running, admin, name).next
        until(lambda: checked_log(running, admin, name).next > seen + 10)
        running.rent(admin, "ticker")
        running.remove_everything()
        assert running.stop() == 0
        for store in (small_disk / "data").glob("*.sqlite3"):
            with closing(sqlite3.connect(store)) as opened:
                assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",), store
        running.start()
    finally:
        running.close()


def fill(ballast: Path) -> None:
    """Takes all the space that is left."""
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_what_is_left_of_a_folder_deleted_by_hand_goes_with_its_allocation(
    tmp_path: Path,
) -> None:
    running = AllocatorProcess(tmp_path / "data", **QUICK)
    running.start()
    try:
        token = running.admin()
        name = running.rent(token, "ticker")["name"]
        running.wait(token, name, "READY")
        folder = running.data_dir / "instances" / f"{name.partition('/')[2]}-g1"
        (folder / "instance.json").unlink()
        running.remove_everything()
        until(lambda: not folder.exists())
        assert not programs_of(running.data_dir)
    finally:
        running.close()
