"""Volumes that outlive their allocations: kept, given to another one, downloaded, uploaded, full."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from allocator_process import AllocatorProcess

MIB = 1 << 20
WRITES = """
[ -e "$ALLOCATOR_VOLUME_1/note" ] || echo "of $0" > "$ALLOCATOR_VOLUME_1/note"
echo more >> "$ALLOCATOR_VOLUME_1/runs"
echo "it says $(cat "$ALLOCATOR_VOLUME_1/note"), run $(wc -l < "$ALLOCATOR_VOLUME_1/runs" | tr -d ' ')"
while :; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllocatorProcess]:
    """An allocator that looks after volumes all the time, and has little patience."""
    running = AllocatorProcess(
        tmp_path_factory.mktemp("quick") / "data",
        ALLOCATOR_DOCKER_VOLUME_MEASURE_SECONDS="0.2",
        ALLOCATOR_ALLOCATION_VOLUME_SWEEP_SECONDS="0.2",
        ALLOCATOR_ALLOCATION_TRANSFER_STALL_SECONDS="5",
        ALLOCATOR_ALLOCATION_TRANSFERS="2",
        ALLOCATOR_ALLOCATION_DETACHED_VOLUMES="4",
        ALLOCATOR_ALLOCATION_DETACHED_VOLUME_BYTES=str(64 * MIB),
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="0.5",
    )
    try:
        yield running.start()
    finally:
        running.close()


def machine(running: AllocatorProcess, text: str = WRITES, size_mib: int = 16) -> str:
    """A machine with a volume, in the catalogue."""
    admin, name = running.admin(), f"m-{uuid4().hex[:8]}"
    body = {
        "title": "Keeps notes",
        "image": "busybox:latest",
        "command": ["sh", "-c", text, name],
        "probe": {"log": {"pattern": "^it says "}},
        "volumes": [{"path": "/data", "sizeMib": size_mib}],
    }
    made = running.call("POST", f"/v1/machines?machineId={name}", admin, json=body)
    assert made.status_code == 200, made.text
    running.call("POST", f"/v1/machines/{name}:publish", admin, json={})
    return name


def somebody(running: AllocatorProcess) -> str:
    return running.person(f"{uuid4().hex[:12]}@example.org")


def ready(running: AllocatorProcess, token: str, name: str) -> dict[str, Any]:
    found = running.wait(token, name, "READY", "FAILED")
    assert found["state"] == "READY", found
    return found


def rent(running: AllocatorProcess, token: str, name: str, **body: Any) -> dict[str, Any]:
    wanted = {"machine": f"machines/{name}", **body}
    answer = running.call("POST", "/v1/allocations", token, json=wanted)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def volume_until(running: AllocatorProcess, token: str, name: str, **wanted: Any) -> dict[str, Any]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = running.call("GET", f"/v1/{name}", token).json()
        if all(found.get(key) == value for key, value in wanted.items()):
            return dict(found)
        time.sleep(0.02)
    raise AssertionError(f"{name} is not {wanted}: {found}")


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def upload(running: AllocatorProcess, token: str, data: Any, **query: str) -> Any:
    return running.call("POST", "/v1/volumes:upload", token, content=data, params=query)


def files_in(data: bytes, mode: str = "r:") -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data), mode=mode) as archive:  # type: ignore[call-overload]
        return {
            entry.name: archive.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in archive
            if entry.isreg()
        }


def log_of(running: AllocatorProcess, token: str, name: str) -> str:
    return running.call("GET", f"/v1/{name}/lines", token).text


def test_a_kept_volume_is_given_to_the_next_allocation(quick: AllocatorProcess) -> None:
    token, other = somebody(quick), somebody(quick)
    kind = machine(quick)
    first = rent(quick, token, kind)
    ready(quick, token, first["name"])
    [had] = first["volumes"]
    volume = volume_until(quick, token, had["volume"], state="IN_USE")
    assert (volume["path"], volume["allocation"], volume["sizeLimitMib"]) == (
        "/data",
        first["name"],
        16,
    )
    refused = quick.call("DELETE", f"/v1/{had['volume']}", token)
    assert (refused.status_code, refused.json()["reason"]) == (400, "VOLUME_IN_USE")
    hidden = quick.call("GET", f"/v1/{had['volume']}", other)
    assert (hidden.status_code, hidden.json()["reason"]) == (404, "VOLUME_NOT_FOUND")

    quick.call("DELETE", f"/v1/{first['name']}?keepVolumes=true", token)
    quick.wait(token, first["name"], "DELETED")
    kept = volume_until(quick, token, had["volume"], state="DETACHED", allocation="")
    assert kept["machine"] == f"machines/{kind}"
    foreign = quick.call(
        "POST",
        "/v1/allocations",
        other,
        json={"machine": f"machines/{kind}", "volumes": [had]},
    )
    assert (foreign.status_code, foreign.json()["reason"]) == (404, "VOLUME_NOT_FOUND")
    wrong = quick.call(
        "POST",
        "/v1/allocations",
        token,
        json={"machine": f"machines/{kind}", "volumes": [{**had, "path": "/x"}]},
    )
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "VOLUME_PATH_UNKNOWN")

    second = rent(quick, token, kind, volumes=[had])
    ready(quick, token, second["name"])
    assert second["volumes"] == [had]
    assert "run 2" in log_of(quick, token, second["name"])
    twice = quick.call(
        "POST",
        "/v1/allocations",
        token,
        json={"machine": f"machines/{kind}", "volumes": [had]},
    )
    assert (twice.status_code, twice.json()["reason"]) == (400, "VOLUME_IN_USE")
    quick.call("DELETE", f"/v1/{second['name']}", token)
    quick.wait(token, second["name"], "DELETED")
    gone = quick.call("GET", f"/v1/{had['volume']}", token)
    assert (gone.status_code, gone.json()["reason"]) == (404, "VOLUME_NOT_FOUND")
    listed = quick.call("GET", "/v1/volumes", token).json()
    assert listed["volumes"] == []


def test_what_was_downloaded_can_be_uploaded_into_another_allocation(
    quick: AllocatorProcess,
) -> None:
    token, kind = somebody(quick), machine(quick)
    first = rent(quick, token, kind)
    ready(quick, token, first["name"])
    [had] = first["volumes"]
    plain = quick.call("GET", f"/v1/{had['volume']}:download", token)
    assert plain.status_code == 200, plain.text
    assert plain.headers["content-type"] == "application/x-tar"
    assert plain.headers["content-disposition"].endswith('.tar"')
    assert int(plain.headers["x-volume-bytes"]) >= 0
    files = files_in(plain.content)
    assert files["runs"] == b"more\n"
    packed = quick.call("GET", f"/v1/{had['volume']}:download?compression=GZIP", token)
    assert files_in(packed.content, "r:gz") == files

    made = upload(quick, token, packed.content, displayName="mine", path="/data")
    assert made.status_code == 200, made.text
    volume = made.json()
    assert (volume["state"], volume["displayName"]) == ("DETACHED", "mine")
    assert volume["sizeBytes"] == str(sum(map(len, files.values())))
    second = rent(quick, token, kind, volumes=[{"path": "/data", "volume": volume["name"]}])
    ready(quick, token, second["name"])
    assert "run 2" in log_of(quick, token, second["name"])
    for one in (first, second):
        quick.call("DELETE", f"/v1/{one['name']}", token)
        quick.wait(token, one["name"], "DELETED")


def test_an_upload_that_is_refused_leaves_nothing(quick: AllocatorProcess) -> None:
    token = somebody(quick)
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w") as archive:
        entry = tarfile.TarInfo("out")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    refusals = {
        "ARCHIVE_UNSAFE": (400, upload(quick, token, link.getvalue())),
        "ARCHIVE_INVALID": (400, upload(quick, token, b"hello" * 1000)),
        "VOLUME_TOO_LARGE": (429, upload(quick, token, tar_of(a=bytes(2 * MIB)), sizeLimitMib="1")),
    }
    for reason, (status, answer) in refusals.items():
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    broken = upload(quick, token, tar_of(a=bytes(2 * MIB))[:MIB])
    assert (broken.status_code, broken.json()["reason"]) == (400, "ARCHIVE_INVALID")
    until = time.monotonic() + 20
    while quick.call("GET", "/v1/volumes", token).json()["volumes"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    folders = {f.name for f in (quick.data_dir / "instances").iterdir()}
    assert not [name for name in folders if name.endswith(".new")]


def test_a_person_keeps_no_more_than_they_may(quick: AllocatorProcess) -> None:
    token = somebody(quick)
    names = []
    for _ in range(4):
        made = upload(quick, token, tar_of(a=b"x"))
        assert made.status_code == 200, made.text
        names.append(made.json()["name"])
    more = upload(quick, token, tar_of(a=b"x"))
    assert (more.status_code, more.json()["reason"]) == (429, "VOLUMES_EXCEEDED")
    for name in names:
        removed = quick.call("DELETE", f"/v1/{name}", token)
        assert removed.json()["state"] == "DELETING"
    until = time.monotonic() + 20
    while quick.call("GET", "/v1/volumes", token).json()["volumes"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    large = upload(quick, token, tar_of(a=b"x"), sizeLimitMib="65")
    assert (large.status_code, large.json()["reason"]) == (429, "VOLUME_TOO_LARGE")


def test_who_stands_still_is_ended_and_takes_no_place(quick: AllocatorProcess) -> None:
    token = somebody(quick)
    release = threading.Event()
    answers: list[Any] = []

    def slow() -> Iterator[bytes]:
        yield tar_of(a=bytes(MIB))[: MIB // 2]
        release.wait(timeout=60)

    def stands_still() -> None:
        with contextlib.closing(quick.open_client()) as client:
            answers.append(
                client.post(
                    "/v1/volumes:upload",
                    params={"sizeLimitMib": "2"},
                    content=slow(),
                    headers={"authorization": f"Bearer {token}"},
                )
            )

    threads = [threading.Thread(target=stands_still) for _ in range(2)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    stalled = {"filter": "state = UPLOADING"}
    while len(quick.call("GET", "/v1/volumes", token, params=stalled).json()["volumes"]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    third = upload(quick, token, tar_of(a=b"x"), sizeLimitMib="1")
    assert (third.status_code, third.json()["reason"]) == (429, "TRANSFERS_EXHAUSTED")
    assert "retry-after" in third.headers
    # Each is ended by the server, while its sender still waits.
    until = time.monotonic() + 20
    while upload(quick, token, tar_of(a=b"x"), sizeLimitMib="1").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    while quick.call("GET", "/v1/volumes", token, params=stalled).json()["volumes"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    release.set()
    for thread in threads:
        thread.join(timeout=20)
    reasons = {answer.json()["reason"] for answer in answers}
    assert reasons == {"TRANSFER_STALLED"}


def test_an_upload_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    running = AllocatorProcess(
        tmp_path / "data",
        ALLOCATOR_ALLOCATION_TRANSFER_STALL_SECONDS="2",
        ALLOCATOR_ALLOCATION_VOLUME_SWEEP_SECONDS="0.2",
        ALLOCATOR_ALLOCATION_ORPHAN_GRACE_SECONDS="0.2",
    )
    try:
        running.start()
        token = somebody(running)
        begun = threading.Event()

        def slow() -> Iterator[bytes]:
            yield tar_of(a=bytes(8 * MIB))[: 4 * MIB]
            begun.set()
            time.sleep(0)
            threading.Event().wait(5)

        def send() -> None:
            with contextlib.suppress(Exception):
                upload(running, token, slow())

        thread = threading.Thread(target=send)
        thread.start()
        instances = running.data_dir / "instances"
        until = time.monotonic() + 20
        while not (begun.is_set() and list(instances.glob(".*.new"))):
            assert time.monotonic() < until
            time.sleep(0.02)
        running.kill()
        running.start()
        assert list(instances.glob(".*.new")) == []
        thread.join(timeout=20)
        until = time.monotonic() + 20
        while left := running.call("GET", "/v1/volumes", token).json()["volumes"]:
            assert left[0]["state"] in ("UPLOADING", "DELETING")
            assert time.monotonic() < until
            time.sleep(0.05)
        assert upload(running, token, tar_of(a=b"x")).status_code == 200
    finally:
        running.close()


FILLS = """
echo "it says full"
dd if=/dev/zero of="$ALLOCATOR_VOLUME_1/big" bs=1048576 count=3 2>/dev/null
while :; do sleep 0.1; done
"""


def test_an_allocation_whose_volume_is_full_is_stopped_until_it_may_hold_more(
    quick: AllocatorProcess,
) -> None:
    token, admin = somebody(quick), quick.admin()
    rented = rent(quick, token, machine(quick, FILLS, size_mib=1))
    stopped = quick.wait(token, rented["name"], "STOPPED")
    [had] = rented["volumes"]
    assert stopped["stateReason"]["reason"] == "VOLUME_FULL"
    message = stopped["stateReason"]["message"]
    assert had["volume"] in message
    assert "3.0 MiB" in message
    assert "1.0 MiB" in message
    start = quick.call("POST", f"/v1/{rented['name']}:start", token, json={})
    assert (start.status_code, start.json()["reason"]) == (400, "VOLUME_FULL")
    body = {"sizeLimitMib": 8}
    own = quick.call("PATCH", f"/v1/{had['volume']}", token, json=body)
    assert (own.status_code, own.json()["reason"]) == (403, "VOLUME_LIMIT_ADMINS_ONLY")
    raised = quick.call("PATCH", f"/v1/{had['volume']}", admin, json=body)
    assert (raised.status_code, raised.json()["sizeLimitMib"]) == (200, 8)
    assert quick.call("POST", f"/v1/{rented['name']}:start", token, json={}).status_code == 200
    ready(quick, token, rented["name"])
    quick.call("DELETE", f"/v1/{rented['name']}", token)
    quick.wait(token, rented["name"], "DELETED")


def test_an_allocation_is_downloaded_whole(quick: AllocatorProcess) -> None:
    token = somebody(quick)
    rented = rent(quick, token, machine(quick))
    ready(quick, token, rented["name"])
    answer = quick.call("GET", f"/v1/{rented['name']}/archive", token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {
            "allocation.json",
            "report.json",
            "report.csv",
            "log.txt",
            "volumes/data.tar",
        }
        assert files_in(archive.read("volumes/data.tar"))["runs"] == b"more\n"
        assert b"it says" in archive.read("log.txt")
        report = json.loads(archive.read("report.json"))
        assert report["allocations"][0]["allocation"] == rented["name"]
        [row] = csv.DictReader(io.StringIO(archive.read("report.csv").decode()))
        assert row["allocation"] == rented["name"]
        assert json.loads(archive.read("allocation.json"))["name"] == rented["name"]
    quick.call("DELETE", f"/v1/{rented['name']}", token)
    quick.wait(token, rented["name"], "DELETED")
