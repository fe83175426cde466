"""Services whose clocks are two minutes apart: tokens and leases are right all the same."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator

import pytest
from mesh_processes import MeshProcesses

pytestmark = [pytest.mark.real_mesh, pytest.mark.timeout(300)]
OFF = 120


@pytest.fixture(scope="module")
def mesh(tmp_path_factory) -> Iterator[MeshProcesses]:
    made = MeshProcesses(
        tmp_path_factory.mktemp("mesh"),
        replicas={"user_svc": 2, "allocation_svc": 2},
        # Between any two of these that talk to each other, two minutes at most, and either way.
        skews={
            "user_svc-0": OFF // 2,
            "user_svc-1": -OFF // 2,
            "allocation_svc-0": -OFF // 2,
            "allocation_svc-1": OFF // 2,
            "interact_svc-0": OFF // 2,
            "docker_svc-0": -OFF // 2,
            "notifier-0": OFF // 2,
        },
    )
    try:
        yield made.start()
    finally:
        made.close()


def test_the_clocks_really_differ(mesh: MeshProcesses) -> None:
    credentials = json.loads(mesh.admin_file.read_text())
    body = {"email": credentials["email"], "password": credentials["password"]}
    issued = []
    for number in (0, 1):
        with mesh.open_direct(mesh.replica("user_svc", number)) as client:
            token = client.post("/v1/sessions", json=body).json()["accessToken"]
        claims = token.split(".")[1]
        issued.append(json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iat"])
    assert abs(issued[0] - issued[1] - OFF) < 10


def test_a_person_rents_and_removes_whatever_the_clocks_say(mesh: MeshProcesses) -> None:
    token = mesh.person("skewed@example.org")
    for _ in range(4):
        # So that each replica has had its turn.
        name = mesh.rent(token, "ticker")["name"]
        mesh.wait(token, name, "READY")
        lines = mesh.call("GET", f"/v1/{name}/lines", token)
        assert lines.status_code == 200, lines.text
        mesh.call("DELETE", f"/v1/{name}", token)
        mesh.wait(token, name, "DELETED")


def test_a_revocation_counts_at_once_at_every_replica(mesh: MeshProcesses) -> None:
    admin = mesh.admin()
    for number in range(4):
        token = mesh.person(f"revoked-{number}@example.org")
        me = mesh.call("GET", "/v1/users/me", token).json()["name"]
        assert mesh.call("GET", "/v1/allocations", token).status_code == 200
        assert mesh.call("POST", f"/v1/{me}:disable", admin, json={}).status_code == 200
        until = time.monotonic() + 10
        refused = 0
        while refused < 10:
            answer = mesh.call("GET", "/v1/allocations", token)
            refused = refused + 1 if answer.status_code == 401 else 0
            assert time.monotonic() < until, "a disabled person is let in"
        assert answer.json()["reason"] == "TOKEN_REVOKED"
        mesh.call("POST", f"/v1/{me}:enable", admin, json={})
        again = mesh.log_in(f"revoked-{number}@example.org")
        for _ in range(6):
            answer = mesh.call("GET", "/v1/allocations", again)
            assert answer.status_code == 200, "a new token is good at once"
