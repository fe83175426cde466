"""Accounts and sessions of a running allocator, over REST as browsers use it, and over gRPC."""

from __future__ import annotations

import asyncio
import json
import time

import grpc
import httpx2
import pytest
from allocator.users.v1 import (
    session_service_pb2,
    session_service_pb2_grpc,
    user_pb2,
    user_service_pb2,
    user_service_pb2_grpc,
)
from allocator_process import PASSWORD, AllocatorProcess
from mesh_processes import MeshProcesses


def reason(answer: httpx2.Response) -> str:
    """Why a call has failed."""
    return str(answer.json()["reason"])


@pytest.fixture(
    params=[
        "process",
        pytest.param(
            "mesh-docker",
            marks=[pytest.mark.real_mesh, pytest.mark.real_docker, pytest.mark.timeout(300)],
        ),
    ]
)
def running(request, installation) -> AllocatorProcess | MeshProcesses:
    """An allocator; what runs instances makes no difference to accounts."""
    return installation(request.param)


def until_refused(running: AllocatorProcess, token: str, within: float = 10.0) -> str:
    """The reason with which a token is refused, once it is."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        answer = running.call("GET", "/v1/users/me", token)
        if answer.status_code != 200:
            return reason(answer)
        time.sleep(0.01)
    raise AssertionError("the token is still good")


def test_the_whole_way_of_a_session(running: AllocatorProcess) -> None:
    email = "walk@example.org"
    body = {"user": {"email": email}, "password": PASSWORD}
    assert running.call("POST", "/v1/users", json=body).json()["verificationRequired"] is True
    log_in = {"email": email, "password": PASSWORD}
    assert reason(running.call("POST", "/v1/sessions", json=log_in)) == "USER_NOT_VERIFIED"
    code = running.mailed_code(email)
    verify = {"email": email, "code": code}
    assert running.call("POST", "/v1/users:verify", json=verify).status_code == 200
    assert reason(running.call("POST", "/v1/users:verify", json=verify)) == "CODE_WRONG"

    session = running.call("POST", "/v1/sessions", json=log_in).json()
    assert session["user"]["email"] == email
    token = session["accessToken"]
    assert running.call("GET", "/v1/users/me", token).json()["verified"] is True

    refresh = {"refreshToken": session["refreshToken"]}
    later = running.call("POST", "/v1/sessions:refresh", json=refresh).json()
    assert later["name"] == session["name"]
    assert later["refreshToken"] != session["refreshToken"]

    assert running.call("DELETE", f"/v1/{session['name']}", token).status_code == 200
    assert until_refused(running, later["accessToken"]) == "TOKEN_REVOKED"
    again = {"refreshToken": later["refreshToken"]}
    refused = running.call("POST", "/v1/sessions:refresh", json=again)
    assert reason(refused) == "REFRESH_TOKEN_INVALID"


def test_a_browser_stays_logged_in_by_its_cookie(running: AllocatorProcess) -> None:
    running.person("browser@example.org")
    ours, foreign = {"origin": running.url}, {"origin": "http://evil.example"}
    body = {"email": "browser@example.org", "password": PASSWORD, "cookie": True}
    with running.open_client() as browser:
        refused = browser.post("/v1/sessions", json=body, headers=foreign)
        assert reason(refused) == "ORIGIN_FOREIGN"
        session = browser.post("/v1/sessions", json=body, headers=ours).json()
        assert session["refreshToken"] == ""
        first = browser.cookies["allocator_refresh"]
        refreshed = browser.post("/v1/sessions:refresh", json={}, headers=ours)
        assert refreshed.status_code == 200
        assert browser.cookies["allocator_refresh"] != first
        assert "HttpOnly; SameSite=Strict" in refreshed.headers["set-cookie"]
        for headers in (foreign, {}):
            refused = browser.post("/v1/sessions:refresh", json={}, headers=headers)
            assert reason(refused) == "ORIGIN_FOREIGN"
        token = {"authorization": f"Bearer {refreshed.json()['accessToken']}"}
        assert browser.delete(f"/v1/{session['name']}", headers=token).status_code == 200
        assert "allocator_refresh" not in browser.cookies
        assert "Max-Age" not in browser.get("/livez").headers.get("set-cookie", "")


def test_an_admin_keeps_order(running: AllocatorProcess) -> None:
    admin = running.admin()
    token = running.person("order@example.org")
    name = running.call("GET", "/v1/users/me", token).json()["name"]
    assert reason(running.call("GET", "/v1/users", token)) == "CALLER_NOT_ALLOWED"
    listed = running.call(
        "GET", "/v1/users", admin, params={"filter": 'email = "ORDER@example.org"'}
    )
    assert [one["name"] for one in listed.json()["users"]] == [name]

    granted = running.call("POST", f"/v1/{name}:grantRole", admin, json={"role": "ADMIN"})
    assert granted.json()["roles"] == ["ADMIN"]
    assert until_refused(running, token) == "TOKEN_REVOKED"
    token = running.log_in("order@example.org")
    assert running.call("GET", "/v1/users", token).status_code == 200

    assert running.call("POST", f"/v1/{name}:disable", admin, json={}).json()["state"] == "DISABLED"
    assert until_refused(running, token) == "TOKEN_REVOKED"
    body = {"email": "order@example.org", "password": PASSWORD}
    assert reason(running.call("POST", "/v1/sessions", json=body)) == "USER_DISABLED"
    running.call("POST", f"/v1/{name}:enable", admin, json={})
    running.call("POST", f"/v1/{name}:revokeRole", admin, json={"role": "ADMIN"})
    assert running.log_in("order@example.org")

    me = running.call("GET", "/v1/users/me", admin).json()["name"]
    assert reason(running.call("POST", f"/v1/{me}:disable", admin, json={})) == "LAST_ADMIN"


def test_a_name_changes_with_its_etag(running: AllocatorProcess) -> None:
    token = running.person("etag@example.org")
    read = running.call("GET", "/v1/users/me", token)
    path, match = f"/v1/{read.json()['name']}", {"if-match": read.headers["etag"]}
    changed = running.call("PATCH", path, token, json={"givenName": "Ada"}, headers=match)
    assert changed.json()["givenName"] == "Ada"
    stale = running.call("PATCH", path, token, json={"givenName": "Eve"}, headers=match)
    assert (stale.status_code, reason(stale)) == (412, "ETAG_STALE")
    mask = {"updateMask": "email"}
    refused = running.call("PATCH", path, token, json={"email": "x@example.org"}, params=mask)
    assert reason(refused) == "FIELD_NOT_UPDATABLE"


def test_the_same_over_grpc(running: AllocatorProcess) -> None:
    async def walk() -> None:
        async with running.aio_channel() as channel:
            users = user_service_pb2_grpc.UserServiceStub(channel)
            sessions = session_service_pb2_grpc.SessionServiceStub(channel)
            email = "accounts-grpc@example.org"
            await users.CreateUser(
                user_service_pb2.CreateUserRequest(
                    user=user_pb2.User(email=email), password=PASSWORD
                )
            )
            code = await asyncio.to_thread(running.mailed_code, email)
            await users.VerifyUser(user_service_pb2.VerifyUserRequest(email=email, code=code))
            session = await sessions.CreateSession(
                session_service_pb2.CreateSessionRequest(email=email, password=PASSWORD)
            )
            token = (("authorization", f"Bearer {session.access_token}"),)
            me = await users.GetUser(
                user_service_pb2.GetUserRequest(name="users/me"), metadata=token
            )
            assert me.email == email
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await users.GetUser(
                    user_service_pb2.GetUserRequest(name="users/somebody"), metadata=token
                )
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            await sessions.DeleteSession(
                session_service_pb2.DeleteSessionRequest(name="sessions/-"), metadata=token
            )
            again = session_service_pb2.RefreshSessionRequest(refresh_token=session.refresh_token)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await sessions.RefreshSession(again)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED

    asyncio.run(walk())


def test_internal_services_are_not_on_the_public_port(running: AllocatorProcess) -> None:
    async def look() -> grpc.StatusCode:
        async with running.aio_channel() as channel:
            call = channel.unary_stream("/allocator.access.v1.TrustService/WatchTrust")
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"").read()
            return refused.value.code()

    assert asyncio.run(look()) is grpc.StatusCode.UNIMPLEMENTED


def test_no_password_code_or_token_is_in_a_log_or_on_the_bus(running: AllocatorProcess) -> None:
    token = running.person("secret@example.org")
    code = running.mailed_code("secret@example.org")
    signature = token.rpartition(".")[2]
    admin = json.loads(running.admin_file.read_text())["password"]
    for file in running.data_dir.rglob("*"):
        if not file.is_file() or "mailbox" in file.parts or file.name == "admin.json":
            continue
        content = file.read_bytes()
        assert PASSWORD.encode() not in content, file
        assert signature.encode() not in content, file
        assert admin.encode() not in content, file
        if file.suffix == ".log" or file.name.startswith("bus."):
            assert f"{code} is".encode() not in content, file
