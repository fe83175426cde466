"""`docker compose up`, really: renting through nginx, replicas that come and go, what is published."""

from __future__ import annotations

import json
import threading
import time

import httpx2
import pytest
from mesh_by_compose import SERVICES, STORES, MeshByCompose, docker
from test_renting import (
    test_a_log_is_watched_live_and_resumed_without_a_hole,
    test_a_person_rents_reaches_stops_starts_restarts_and_removes,
    test_another_persons_allocation_is_not_found_anywhere,
    test_the_same_by_grpc,
    test_watching_over_http_brings_each_change,
)

pytestmark = [pytest.mark.real_mesh, pytest.mark.timeout(900)]

__all__ = [
    "test_a_log_is_watched_live_and_resumed_without_a_hole",
    "test_a_person_rents_reaches_stops_starts_restarts_and_removes",
    "test_another_persons_allocation_is_not_found_anywhere",
    "test_the_same_by_grpc",
    "test_watching_over_http_brings_each_change",
]


def test_the_edge_alone_is_published(running: MeshByCompose) -> None:
    for container in running.containers():
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        ports = container["HostConfig"]["PortBindings"] or {}
        assert bool(ports) == (service == "edge"), service
        for bound in ports.values():
            assert [one["HostIp"] for one in bound] == ["127.0.0.1"]


def test_stores_and_services_have_no_way_out(running: MeshByCompose) -> None:
    with_a_way_out = {"edge": {"front"}, "docker_svc": {"outside"}, "notifier": {"outside"}}
    for container in running.containers():
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        open_ones = set()
        for name in container["NetworkSettings"]["Networks"]:
            if not json.loads(docker("network", "inspect", name))[0]["Internal"]:
                open_ones.add(name.removeprefix(f"{running.project}_"))
        assert open_ones == with_a_way_out.get(service, set()), service


def test_no_secret_is_seen_from_outside(running: MeshByCompose) -> None:
    values = [
        part
        for file in running.secrets.iterdir()
        if file.name not in ("mail_url", "sms_url")
        for text in [file.read_text().strip()]
        for part in (text, text.partition("://")[2].partition(":")[2].partition("@")[0])
        if part
    ]
    assert len(values) > len(list(running.secrets.iterdir()))
    for container in running.containers():
        shown = json.dumps([container["Config"], container["Args"], container["Path"]])
        running_in_it = docker("top", container["Id"])
        for value in values:
            assert value not in shown
            assert value not in running_in_it


def test_what_is_ours_may_do_little(running: MeshByCompose) -> None:
    for service in (*SERVICES, "edge"):
        for container in running.containers(service):
            host = container["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"]
            assert not host["CapAdd"]
            assert host["SecurityOpt"] == ["no-new-privileges:true"]
            assert container["Config"]["User"] == "10001:10001"
            assert host["Memory"] > 0
            assert host["NanoCpus"] > 0
            assert host["PidsLimit"] > 0
            mounts = {one["Destination"] for one in container["Mounts"]}
            assert ("/var/run/docker.sock" in mounts) == (service == "docker_svc")
    for service in STORES:
        for container in running.containers(service):
            assert container["HostConfig"]["CapDrop"] == ["ALL"], service
            assert container["HostConfig"]["Memory"] > 0


def test_the_page_and_the_reference_are_served(running: MeshByCompose) -> None:
    assert "<!doctype html>" in running.call("GET", "/").text.lower()
    assert "/v1/allocations" in running.call("GET", "/openapi.json").json()["paths"]
    assert running.call("GET", "/metrics").status_code == 404
    redirect = httpx2.get(
        f"http://localhost:{running.environment['HTTP_PORT']}/docs", trust_env=False
    )
    assert redirect.headers["location"] == f"{running.url}/docs"


def test_replicas_come_and_go_and_nobody_notices(running: MeshByCompose) -> None:
    """Each service gets a second replica, one of them is killed, and all are taken back."""
    token = running.person("replicas@example.org")
    failures: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        with running.open_client() as client:
            headers = {"authorization": f"Bearer {token}"}
            while not stop.is_set():
                for path in ("/v1/users/me", "/v1/machines", "/v1/allocations"):
                    try:
                        answer = client.get(path, headers=headers)
                    except httpx2.RemoteProtocolError:
                        # An idle connection was closed as it was used: RFC 9112, 9.3.1.
                        answer = client.get(path, headers=headers)
                    if answer.status_code >= 500:
                        failures.append(f"{path}: {answer.text}")

    def scale(**counts: int) -> None:
        wanted = [f"--scale={name}={count}" for name, count in counts.items()]
        running.mesh("up", *wanted)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        scale(**{**dict.fromkeys(SERVICES, 2), "user_svc": 3})
        until = time.monotonic() + 30
        edge = running.containers("edge")[0]["Id"]
        wanted = {"user_svc": 3, "machines_svc": 2, "allocation_svc": 2, "interact_svc": 2}
        while time.monotonic() < until:
            lines = docker("exec", edge, "cat", "/run/edge/admitted").splitlines()
            admitted = {name: sum(name in line for line in lines) for name in wanted}
            if admitted == wanted:
                break
            time.sleep(0.2)
        assert admitted == wanted

        # The edge is told of them at this moment, and ends idle connections: RFC 9112, 9.3.1.
        running.client.close()
        running.client = running.open_client()
        name = running.rent(token, "ticker")["name"]
        running.wait(token, name, "READY")
        docker("kill", running.containers("user_svc")[0]["Id"])
        docker("kill", running.containers("machines_svc")[0]["Id"])
        running.call("DELETE", f"/v1/{name}", token)
        running.wait(token, name, "DELETED")
        scale(**dict.fromkeys(SERVICES, 1))
    finally:
        stop.set()
        asking.join(timeout=60)
    assert failures == []
    assert running.call("GET", "/v1/users/me", token).status_code == 200


def test_what_is_kept_stays_when_it_goes_down(running: MeshByCompose) -> None:
    person = running.person("stays@example.org")
    name = running.rent(person, "ticker")["name"]
    running.wait(person, name, "READY")
    running.mesh("down", within=180)
    assert running.containers() == []
    running.up()
    token = running.log_in("stays@example.org")
    assert running.wait(token, name, "READY")["generation"] == 1
    running.call("DELETE", f"/v1/{name}", token)
    running.wait(token, name, "DELETED")
