"""What an allocation keeps: written by one run of its program, read by the next, gone with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
import zipfile
from typing import Any
from uuid import uuid4

from allocator.allocations.v1 import volume_service_pb2, volume_service_pb2_grpc
from allocator_process import AllocatorProcess
from mesh_processes import MeshProcesses

# Counts its runs in the volume, and ends cleanly at SIGINT only.
COUNTS = """
trap 'echo asked to end; exit 0' INT
trap '' TERM
echo x >> "$ALLOCATOR_VOLUME_1/runs"
echo "run $(wc -l < "$ALLOCATOR_VOLUME_1/runs" | tr -d ' ')"
while :; do sleep 0.1; done
"""


def kept_on_the_host(running: AllocatorProcess, allocation: str, runtime: str) -> list[str]:
    """The volumes of an allocation, as the host itself has them."""
    if runtime == "process":
        identity = allocation.rpartition("/")[2]
        return [f.name for f in (running.data_dir / "instances").glob(f"{identity}-volumes")]
    label = f"label=allocator.allocation={allocation}"
    told = subprocess.run(
        ["docker", "volume", "ls", "--filter", label, "--format", "{{json .}}"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    return [json.loads(line)["Name"] for line in told.stdout.splitlines()]


def lines(
    running: AllocatorProcess | MeshProcesses, token: str, name: str, wanted: str
) -> list[str]:
    """The lines of the log, once one of them is as wanted."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        answer = running.call("GET", f"/v1/{name}/lines", token)
        assert answer.status_code == 200, answer.text
        found = [
            text
            for record in answer.json().get("records", [])
            for text in record.get("log", {}).get("text", "").split("\n")
        ]
        if wanted in found or wanted in answer.text:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{wanted!r} is not in {answer.text}")


def test_a_volume_outlasts_a_stop_and_a_restart_and_goes_with_its_allocation(
    embedded: AllocatorProcess, request
) -> None:
    runtime = request.node.callspec.params["embedded"]
    admin, machine = embedded.admin(), f"m-{uuid4().hex[:8]}"
    body = {
        "title": "Counts its runs",
        "image": "busybox:latest",
        "command": ["sh", "-c", COUNTS],
        "probe": {"log": {"pattern": "^run "}},
        "stopSignal": "SIGINT",
        "stopGrace": "20s",
        "runAs": "1000:1000",
        "volumes": [{"path": "/data", "sizeMib": 16, "title": "runs"}],
    }
    made = embedded.call("POST", f"/v1/machines?machineId={machine}", admin, json=body)
    assert made.status_code == 200, made.text
    assert made.json()["volumes"] == body["volumes"]
    embedded.call("POST", f"/v1/machines/{machine}:publish", admin, json={})

    token = embedded.person(f"{uuid4().hex[:12]}@example.org")
    first, other = (embedded.rent(token, machine)["name"] for _ in range(2))
    for name in (first, other):
        ready = embedded.wait(token, name, "READY", "FAILED")
        assert ready["state"] == "READY", ready
        lines(embedded, token, name, "run 1")
        assert len(kept_on_the_host(embedded, name, runtime)) == 1

    embedded.call("POST", f"/v1/{first}:stop", token, json={})
    stopped = embedded.wait(token, first, "STOPPED")
    assert stopped["stateReason"].get("exitCode", 0) == 0, (
        "it was asked by the signal that it obeys"
    )
    lines(embedded, token, first, "asked to end")
    embedded.call("POST", f"/v1/{first}:start", token, json={})
    lines(embedded, token, first, "run 2")
    embedded.wait(token, first, "READY")
    embedded.call("POST", f"/v1/{first}:restart", token, json={})
    lines(embedded, token, first, "run 3")
    embedded.wait(token, first, "READY")

    embedded.call("DELETE", f"/v1/{first}", token)
    embedded.wait(token, first, "DELETED")
    assert kept_on_the_host(embedded, first, runtime) == []
    assert len(kept_on_the_host(embedded, other, runtime)) == 1, "another's is left alone"
    embedded.call("DELETE", f"/v1/{other}", token)
    embedded.wait(token, other, "DELETED")
    assert kept_on_the_host(embedded, other, runtime) == []


def test_a_volume_in_a_folder_of_the_system_is_refused(embedded: AllocatorProcess) -> None:
    body = {"title": "t", "image": "a", "volumes": [{"path": "/etc", "sizeMib": 1}]}
    path = f"/v1/machines?machineId=m-{uuid4().hex[:8]}"
    refused = embedded.call("POST", path, embedded.admin(), json=body)
    assert (refused.status_code, refused.json()["reason"]) == (400, "VOLUME_INVALID")
    for volume in (
        {"path": "data", "sizeMib": 1},
        {"path": "/data"},
        {"path": "/d", "sizeMib": -1},
    ):
        refused = embedded.call("POST", path, embedded.admin(), json={**body, "volumes": [volume]})
        assert (refused.status_code, refused.json()["reason"]) == (400, "REQUEST_INVALID")


# Says how often it ran in the files that it has.
TELLS = """
echo x >> "$ALLOCATOR_VOLUME_1/runs"
echo "run $(wc -l < "$ALLOCATOR_VOLUME_1/runs" | tr -d ' ')"
while :; do sleep 0.1; done
"""


def ready(running: AllocatorProcess | MeshProcesses, token: str, **body: object) -> dict[str, Any]:
    """A new allocation, once it is READY."""
    answer = running.call("POST", "/v1/allocations", token, json=body)
    assert answer.status_code == 200, answer.text
    found = running.wait(token, answer.json()["name"], "READY", "FAILED")
    assert found["state"] == "READY", found
    return found


def removed(
    running: AllocatorProcess | MeshProcesses, token: str, name: str, query: str = ""
) -> None:
    running.call("DELETE", f"/v1/{name}{query}", token)
    running.wait(token, name, "DELETED")


def test_files_go_from_one_allocation_to_the_next(
    running: AllocatorProcess | MeshProcesses,
) -> None:
    """Kept, downloaded, uploaded, zipped: over HTTP and by gRPC, on whatever it runs."""
    admin, machine = running.admin(), f"m-{uuid4().hex[:8]}"
    body = {
        "title": "Tells its runs",
        "image": "busybox:latest",
        "command": ["sh", "-c", TELLS],
        "probe": {"log": {"pattern": "^run "}},
        "runAs": "1000:1000",
        "volumes": [{"path": "/data", "sizeMib": 16}],
    }
    assert running.call("POST", f"/v1/machines?machineId={machine}", admin, json=body).is_success
    assert running.call("POST", f"/v1/machines/{machine}:publish", admin, json={}).is_success
    token = running.person(f"{uuid4().hex[:12]}@example.org")
    wanted = {"machine": f"machines/{machine}"}

    first = ready(running, token, **wanted)
    [had] = first["volumes"]
    removed(running, token, first["name"], "?keepVolumes=true")
    kept = running.call("GET", f"/v1/{had['volume']}", token).json()
    assert (kept["state"], kept["allocation"]) == ("DETACHED", "")
    plain = running.call("GET", f"/v1/{had['volume']}:download", token)
    assert plain.status_code == 200, plain.text
    with tarfile.open(fileobj=io.BytesIO(plain.content)) as archive:
        assert archive.extractfile("runs").read() == b"x\n"  # type: ignore[union-attr]

    metadata = (("authorization", f"Bearer {token}"),)
    pieces = [plain.content[at : at + 1000] for at in range(0, len(plain.content), 1000)]
    with running.channel() as channel:
        stub = volume_service_pb2_grpc.VolumeServiceStub(channel)
        request = volume_service_pb2.DownloadVolumeRequest(name=had["volume"], compression="GZIP")
        answer = stub.DownloadVolume(request, metadata=metadata, timeout=60)
        packed = b"".join(piece.data for piece in answer)
        said = dict(answer.initial_metadata())
        assert said["content-disposition"].endswith('.tar.gz"')
        assert said["x-volume-bytes"].isdigit()
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            assert "runs" in archive.getnames()
        made = stub.UploadVolume(
            iter(
                [
                    volume_service_pb2.UploadVolumeRequest(
                        display_name="mine" if place == 0 else "", archive={"data": piece}
                    )
                    for place, piece in enumerate(pieces)
                ]
            ),
            metadata=metadata,
            timeout=60,
        )
    assert (made.display_name, made.size_bytes) == ("mine", 2)

    for volume in (had["volume"], made.name):
        named = {"path": "/data", "volume": volume}
        second = ready(running, token, **wanted, volumes=[named])
        lines(running, token, second["name"], "run 2")
        zipped = running.call("GET", f"/v1/{second['name']}/archive", token)
        assert zipped.status_code == 200, zipped.text
        with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
            assert archive.testzip() is None
            assert b"run 2" in archive.read("log.txt")
            with tarfile.open(fileobj=io.BytesIO(archive.read("volumes/data.tar"))) as inner:
                assert inner.extractfile("runs").read() == b"x\nx\n"  # type: ignore[union-attr]
        removed(running, token, second["name"])
        assert running.call("GET", f"/v1/{volume}", token).status_code == 404
    assert running.call("GET", "/v1/volumes", token).json()["volumes"] == []


def test_an_upload_may_be_longer_than_any_other_body(
    running: AllocatorProcess | MeshProcesses,
) -> None:
    token = running.person(f"{uuid4().hex[:12]}@example.org")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("large")
        entry.size = 3 << 20
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    large = running.call("POST", "/v1/volumes:upload", token, content=out.getvalue())
    assert large.status_code == 200, large.text
    name = large.json()["name"]
    fetched = running.call("GET", f"/v1/{name}:download", token)
    with tarfile.open(fileobj=io.BytesIO(fetched.content)) as archive:
        assert archive.getmember("large").size == 3 << 20
    assert running.call("DELETE", f"/v1/{name}", token).json()["state"] == "DELETING"
    until = time.monotonic() + 30
    while left := running.call("GET", "/v1/volumes", token).json()["volumes"]:
        assert time.monotonic() < until, left
        time.sleep(0.05)
