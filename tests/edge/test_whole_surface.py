"""What passes through the edge between clients and real services, beside renting."""

from __future__ import annotations

import json
import time

import grpc
import httpx2
import pytest
from google.api import annotations_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from mesh_processes import MeshProcesses
from visitor import PASSWORD

from chassis.rpc.contract import contract_files

pytestmark = pytest.mark.real_nginx


def test_reflection_knows_every_public_service_and_no_other(running: MeshProcesses) -> None:
    public = {
        service.full_name
        for file in contract_files()
        for service in file.services_by_name.values()
        if any(m.GetOptions().HasExtension(annotations_pb2.http) for m in service.methods)
    }
    request = reflection_pb2.ServerReflectionRequest
    with running.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [request(list_services=""), *(request(file_containing_symbol=n) for n in public)]
        answers = list(stub.ServerReflectionInfo(iter(asked), timeout=20))
    named = {one.name for one in answers[0].list_services_response.service}
    assert {name for name in named if name.startswith("allocator.")} == public
    for answer in answers[1:]:
        assert answer.file_descriptor_response.file_descriptor_proto


def test_the_keys_are_published(running: MeshProcesses) -> None:
    answer = running.call("GET", "/.well-known/jwks.json")
    assert [one["kty"] for one in answer.json()["keys"]] == ["OKP"]


def test_a_browser_keeps_its_session_in_a_cookie(running: MeshProcesses) -> None:
    running.person("cookie@example.org")
    origin = {"origin": f"https://{running.http}"}
    login = {"email": "cookie@example.org", "password": PASSWORD, "cookie": True}
    with running.open_client() as browser:
        answer = browser.post("/v1/sessions", json=login, headers=origin)
        cookie = answer.headers["set-cookie"]
        for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/v1/sessions:refresh"):
            assert part in cookie
        again = browser.post("/v1/sessions:refresh", json={}, headers=origin)
        assert again.status_code == 200, again.text
        foreign = browser.post(
            "/v1/sessions:refresh", json={}, headers={"origin": "https://evil.example"}
        )
        assert (foreign.status_code, foreign.json()["reason"]) == (403, "ORIGIN_FOREIGN")


def test_etags_go_both_ways(running: MeshProcesses) -> None:
    token = running.person("etag@example.org")
    read = running.call("GET", "/user/v1/users/me", token)
    etag = read.headers["etag"]
    unchanged = running.call("GET", "/v1/users/me", token, headers={"if-none-match": etag})
    assert unchanged.status_code == 304
    body = {"givenName": "Ada"}
    done = running.call("PATCH", "/v1/users/me", token, json=body, headers={"if-match": etag})
    assert done.status_code == 200, done.text
    stale = running.call("PATCH", "/v1/users/me", token, json=body, headers={"if-match": etag})
    assert (stale.status_code, stale.json()["reason"]) == (412, "ETAG_STALE")


def test_faults_of_services_come_as_they_are(running: MeshProcesses) -> None:
    answer = running.call("GET", "/v1/users/me")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (answer.status_code, answer.json()["reason"]) == (401, "TOKEN_MISSING")
    wrong = running.call("DELETE", "/v1/machines")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]


def test_events_come_when_they_happen(running: MeshProcesses) -> None:
    token = running.person("events@example.org")
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    with (
        running.open_client() as client,
        client.stream("GET", "/allocation/v1/allocations:watch", headers=headers) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in stream.headers
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        assert "complete" in next(lines)
        began = time.monotonic()
        name = running.rent(token, "ticker")["name"]
        assert name in next(lines)
        # Well below what a buffer would wait for.
        assert time.monotonic() - began < 5
    running.call("DELETE", f"/v1/{name}", token)


def test_a_console_is_opened_by_either_path(running: MeshProcesses) -> None:
    import asyncio

    token = running.person("console@example.org")
    name = running.rent(token, "ticker")["name"]
    running.wait(token, name, "READY")

    async def hello(path: str, auth: dict[str, str]) -> str:
        async with running.connect(path) as console:
            await console.send(json.dumps({"auth": auth}))
            async with asyncio.timeout(20):
                return str(json.loads(await console.recv())["hello"]["allocation"])

    for path, auth in (
        (f"/v1/{name}/console", {"token": token}),
        ("/interact/", {"token": token, "allocation": name}),
        (f"/allocation/v1/{name}/console", {"token": token}),
    ):
        assert asyncio.run(hello(path, auth)) == name
    running.call("DELETE", f"/v1/{name}", token)


def test_nothing_of_a_service_but_its_surface_is_outside(running: MeshProcesses) -> None:
    for path in (
        "/metrics",
        "/readyz",
        "/v1/../metrics",
        "/user/v1/../../metrics",
        "/v1/users/../../metrics",
    ):
        request = httpx2.Request("GET", f"{running.url}{path}")
        answer = running.client.send(request)
        assert "allocator_" not in answer.text, path
    http, rpc = running.ports["user_svc"][0]
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"https://localhost:{http}/livez", verify=running.trusts, trust_env=False)
    with grpc.secure_channel(f"localhost:{rpc}", running._roots()) as channel:
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/allocator.users.v1.UserService/GetUser")(b"", timeout=5)
        assert raised.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_nobody_may_say_by_grpc_is_not_believed(running: MeshProcesses) -> None:
    """A token of a service, and the certificate of the edge, do not open what is internal."""
    with running.channel() as channel:
        call = channel.unary_unary("/allocator.directory.v1.DirectoryService/GetUser")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", timeout=10, metadata=(("x-allocator-service-token", "forged"),))
    assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_service_that_starts_again_is_back_at_once(running: MeshProcesses) -> None:
    token = running.person("again@example.org")
    service = running.replica("machines_svc")
    service.stop()
    answer = running.call("GET", "/machine/v1/machines", token)
    assert (answer.status_code, answer.json()["reason"]) == (503, "DEPENDENCY_UNAVAILABLE")
    assert answer.headers["retry-after"]
    service.start()
    # The edge finds it again, and so do the services that call it.
    for verb, path, body in (
        ("GET", "/machine/v1/machines", None),
        ("POST", "/v1/allocations", {"machine": "machines/ticker"}),
    ):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            answer = running.call(verb, path, token, **({"json": body} if body else {}))
            if answer.status_code == 200:
                break
            time.sleep(0.05)
        assert answer.status_code == 200, answer.text
    running.call("DELETE", f"/v1/{answer.json()['name']}", token)
