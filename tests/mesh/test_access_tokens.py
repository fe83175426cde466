"""Access tokens and second factors of a running allocator, over REST, gRPC, WebSocket and allocctl."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pyotp
import pytest
from allocator.machines.v1 import machine_service_pb2, machine_service_pb2_grpc
from allocator.users.v1 import (
    access_token_pb2,
    access_token_service_pb2,
    access_token_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    user_service_pb2,
    user_service_pb2_grpc,
)
from allocator_process import PASSWORD, ROOT, AllocatorProcess
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from mesh_processes import MeshProcesses
from websockets.exceptions import ConnectionClosed


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
    """An allocator in one process, and as a mesh."""
    return installation(request.param)


@pytest.fixture
def mine(running: AllocatorProcess) -> Iterator[tuple[str, str]]:
    """Somebody's token of a session, and an allocation of theirs."""
    token = running.person(f"tokens-{time.time_ns()}@example.org")
    name = str(running.rent(token, "ticker", INTERVAL="0.1")["name"])
    running.wait(token, name, "READY")
    yield token, name
    admin = running.admin()
    running.call("DELETE", f"/v1/{name}", admin)


def made(running: AllocatorProcess, session: str, *scopes: str, **fields: Any) -> dict[str, Any]:
    """A new access token."""
    answer = running.call(
        "POST", "/v1/accessTokens", session, json={"title": "CI", "scopes": scopes, **fields}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def outcome(running: AllocatorProcess, verb: str, path: str, token: str, **options: Any) -> str:
    """The reason with which a call is refused; its status where it is not."""
    answer = running.call(verb, path, token, **options)
    return str(answer.status_code if answer.status_code < 300 else answer.json()["reason"])


def until(running: AllocatorProcess, wanted: str, verb: str, path: str, token: str) -> None:
    """Waits until a call comes out like that: another replica hears of revocations a moment later."""
    end = time.monotonic() + 10
    found = ""
    while time.monotonic() < end:
        found = outcome(running, verb, path, token)
        if found == wanted:
            return
        time.sleep(0.02)
    raise AssertionError(f"{verb} {path} is {found} after ten seconds, not {wanted}")


def test_a_token_does_what_its_scopes_say_and_nothing_else(
    running: AllocatorProcess, mine: tuple[str, str]
) -> None:
    session, allocation = mine
    token = made(running, session, "allocations:read")["token"]
    assert outcome(running, "GET", f"/v1/{allocation}", token) == "200"
    refused = running.call("POST", f"/v1/{allocation}:stop", token, json={})
    assert (refused.status_code, refused.json()["reason"]) == (403, "SCOPE_MISSING")
    assert refused.json()["metadata"] == {"scope": "allocations:write"}
    assert outcome(running, "GET", "/v1/users/me", token) == "SCOPE_MISSING"
    assert outcome(running, "GET", "/v1/users", token) == "SCOPE_MISSING"
    for verb, path, body in (
        ("GET", "/v1/sessions", None),
        ("DELETE", "/v1/sessions/-", None),
        ("GET", "/v1/accessTokens", None),
        ("POST", "/v1/accessTokens", {"title": "more", "scopes": ["users:read"]}),
        ("POST", "/v1/users/me:enrollTotp", {"password": PASSWORD}),
        (
            "POST",
            "/v1/users/me:changePassword",
            {"currentPassword": PASSWORD, "newPassword": "another fine one 77"},
        ),
    ):
        options = {} if body is None else {"json": body}
        assert outcome(running, verb, path, token, **options) == "SESSION_NEEDED", path
    # The catalogue is open: a token without the scope is as good as none.
    assert outcome(running, "GET", "/v1/machines", token) == "200"


def test_a_token_is_shown_once_listed_used_and_deleted(
    running: AllocatorProcess, mine: tuple[str, str]
) -> None:
    session, allocation = mine
    end = datetime.now(UTC) + timedelta(days=364)
    one = made(running, session, "allocations:read", expireTime=end.isoformat())
    assert outcome(running, "GET", f"/v1/{allocation}", one["token"]) == "200"
    listed = running.call("GET", "/v1/accessTokens", session).json()["accessTokens"]
    assert [(each["name"], each["token"]) for each in listed] == [(one["name"], "")]
    assert listed[0]["scopes"] == ["allocations:read"]
    until_used = time.monotonic() + 30
    while time.monotonic() < until_used:
        [each] = running.call("GET", "/v1/accessTokens", session).json()["accessTokens"]
        if each.get("lastUseTime"):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("its use was not noted within 30 s")
    assert outcome(running, "DELETE", f"/v1/{one['name']}", session) == "200"
    until(running, "TOKEN_REVOKED", "GET", f"/v1/{allocation}", one["token"])
    assert outcome(running, "DELETE", f"/v1/{one['name']}", session) == "ACCESS_TOKEN_NOT_FOUND"


def test_what_is_asked_for_must_make_sense(
    running: AllocatorProcess, mine: tuple[str, str]
) -> None:
    session, _ = mine

    def ask(**fields: Any) -> str:
        body = {"title": "x", "scopes": ["users:read"], **fields}
        return outcome(running, "POST", "/v1/accessTokens", session, json=body)

    past, far = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 366))
    assert ask(scopes=["wallets:spend"]) == "REQUEST_INVALID"
    assert ask(scopes=["nothing:read"]) == "SCOPE_UNKNOWN"
    assert ask(scopes=["admin"]) == "CALLER_NOT_ALLOWED"
    assert ask(scopes=[]) == "REQUEST_INVALID"
    assert ask(title="") == "REQUEST_INVALID"
    assert ask(expireTime=past.isoformat()) == "ACCESS_TOKEN_END_INVALID"
    assert ask(expireTime=far.isoformat()) == "ACCESS_TOKEN_END_INVALID"


def test_an_admins_token_has_the_role_only_with_the_scope_and_only_while_it_is_theirs(
    running: AllocatorProcess,
) -> None:
    admin = running.admin()
    email = f"deputy-{time.time_ns()}@example.org"
    name = running.call("GET", "/v1/users/me", running.person(email)).json()["name"]
    running.call("POST", f"/v1/{name}:grantRole", admin, json={"role": "ADMIN"})
    session = running.log_in(email)
    plain = made(running, session, "users:read")["token"]
    strong = made(running, session, "admin", "users:read")["token"]
    assert outcome(running, "GET", "/v1/users", plain) == "SCOPE_MISSING"
    assert outcome(running, "GET", "/v1/users", strong) == "200"
    first = running.call("GET", "/v1/users/me", admin).json()["name"]
    assert outcome(running, "GET", f"/v1/{first}", plain) == "USER_NOT_FOUND"
    assert outcome(running, "GET", f"/v1/{first}", strong) == "200"
    running.call("POST", f"/v1/{name}:revokeRole", admin, json={"role": "ADMIN"})
    until(running, "TOKEN_REVOKED", "GET", "/v1/users", strong)
    assert outcome(running, "GET", "/v1/users/me", plain) == "200"
    running.call("POST", f"/v1/{name}:disable", admin, json={})
    until(running, "TOKEN_REVOKED", "GET", "/v1/users/me", plain)


def test_the_same_over_grpc(running: AllocatorProcess) -> None:
    session = running.person(f"grpc-{time.time_ns()}@example.org")

    def bearer(token: str) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {token}"),)

    with running.channel() as channel:
        tokens = access_token_service_pb2_grpc.AccessTokenServiceStub(channel)
        users = user_service_pb2_grpc.UserServiceStub(channel)
        machines = machine_service_pb2_grpc.MachineServiceStub(channel)
        token = tokens.CreateAccessToken(
            access_token_service_pb2.CreateAccessTokenRequest(
                access_token=access_token_pb2.AccessToken(title="robot", scopes=["users:read"])
            ),
            metadata=bearer(session),
            timeout=30,
        ).token
        me = users.GetUser(
            user_service_pb2.GetUserRequest(name="users/me"), metadata=bearer(token), timeout=30
        )
        assert me.verified
        with pytest.raises(grpc.RpcError) as refused:
            machines.PublishMachine(
                machine_service_pb2.PublishMachineRequest(name="machines/ticker"),
                metadata=bearer(token),
                timeout=30,
            )
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        info = error_details_pb2.ErrorInfo()
        status = rpc_status.from_call(refused.value)
        assert any(detail.Unpack(info) for detail in status.details)
        assert (info.reason, dict(info.metadata)) == ("SCOPE_MISSING", {"scope": "admin"})


async def bye(running: AllocatorProcess, allocation: str, token: str, opens: asyncio.Event) -> str:
    """Opens a console; says why it ends. `opens` is set once a line has come."""
    async with (
        asyncio.timeout(15),
        running.connect(f"/v1/{allocation}/console", max_size=None) as opened,
    ):
        await opened.send(json.dumps({"auth": {"token": token}}))
        try:
            while True:
                frame = json.loads(await opened.recv())
                if "bye" in frame:
                    return str(frame["bye"]["reason"])
                if "log" in frame:
                    opens.set()
        except ConnectionClosed:
            return "closed"


def test_a_console_needs_its_scope_and_no_other_and_ends_with_the_token(
    running: AllocatorProcess, mine: tuple[str, str]
) -> None:
    session, allocation = mine
    wrong = made(running, session, "allocations:read", "allocations:write")
    right = made(running, session, "consoles:read")

    async def watch() -> tuple[str, str]:
        opens = asyncio.Event()
        refused = await bye(running, allocation, wrong["token"], opens)
        watching = asyncio.create_task(bye(running, allocation, right["token"], opens))
        async with asyncio.timeout(15):
            await opens.wait()
        await asyncio.to_thread(running.call, "DELETE", f"/v1/{right['name']}", session)
        return refused, await watching

    assert asyncio.run(watch()) == ("SCOPE_MISSING", "TOKEN_REVOKED")


def test_disabling_somebody_ends_their_open_console(
    running: AllocatorProcess, mine: tuple[str, str]
) -> None:
    session, allocation = mine
    name = running.call("GET", "/v1/users/me", session).json()["name"]
    admin = running.admin()

    async def watch() -> str:
        opens = asyncio.Event()
        watching = asyncio.create_task(bye(running, allocation, session, opens))
        async with asyncio.timeout(15):
            await opens.wait()
        await asyncio.to_thread(running.call, "POST", f"/v1/{name}:disable", admin, json={})
        return await watching

    assert asyncio.run(watch()) == "TOKEN_REVOKED"


def test_a_second_factor_from_beginning_to_end(running: AllocatorProcess) -> None:
    email = f"totp-{time.time_ns()}@example.org"
    session = running.person(email)

    def log_in(**code: str) -> str:
        body = {"email": email, "password": PASSWORD, **code}
        return outcome(running, "POST", "/v1/sessions", "", json=body)

    enrolled = running.call(
        "POST", "/v1/users/me:enrollTotp", session, json={"password": PASSWORD}
    ).json()
    assert enrolled["qrSvg"].startswith("<svg")
    assert enrolled["uri"].startswith("otpauth://totp/")
    assert log_in() == "200"
    app = pyotp.TOTP(enrolled["secret"])
    codes = running.call(
        "POST", "/v1/users/me:confirmTotp", session, json={"totpCode": app.now()}
    ).json()["recoveryCodes"]
    assert len(codes) == 10
    state = running.call("GET", "/v1/users/me/totp", session).json()
    assert (state["state"], state["recoveryCodesLeft"]) == ("ACTIVE", 10)
    assert log_in() == "TOTP_REQUIRED"
    wrong = {"email": email, "password": "not it at all"}
    assert outcome(running, "POST", "/v1/sessions", "", json=wrong) == "CREDENTIALS_WRONG"
    # The next step's code: that of the present one has confirmed, and is used up.
    code = app.at(datetime.now(UTC), counter_offset=1)
    assert log_in(totpCode=code) == "200"
    assert log_in(totpCode=code) == "TOTP_WRONG"
    assert log_in(recoveryCode=codes[0]) == "200"
    assert log_in(recoveryCode=codes[0]) == "TOTP_WRONG"
    with running.channel() as channel:
        opened = session_service_pb2_grpc.SessionServiceStub(channel).CreateSession(
            session_service_pb2.CreateSessionRequest(
                email=email, password=PASSWORD, recovery_code=codes[1]
            ),
            timeout=30,
        )
        assert opened.access_token
    removal = {"recoveryCode": codes[2]}
    assert outcome(running, "POST", "/v1/users/me:removeTotp", session, json=removal) == "200"
    assert log_in() == "200"


def test_sessions_show_their_device_and_place(running: AllocatorProcess) -> None:
    email = f"device-{time.time_ns()}@example.org"
    token = running.person(email)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
    running.call(
        "POST",
        "/v1/sessions",
        json={"email": email, "password": PASSWORD},
        headers={"user-agent": agent},
    )
    sessions = running.call("GET", "/v1/sessions", token).json()["sessions"]
    assert sorted(one["device"] for one in sessions) == ["Firefox on Linux", "python-httpx2"]
    assert all(one["address"] for one in sessions)


def test_what_the_page_about_access_tokens_says_works(installation) -> None:
    running = installation("process")
    email = f"page-{time.time_ns()}@example.org"
    running.person(email)
    page = (ROOT / "docs/howto/access-tokens.md").read_text()
    [_, making, using] = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.DOTALL | re.MULTILINE)
    # grpcurl is tried where it is installed, with a page of its own; allocctl below.
    script = f"set -e\n{making}{using.partition('grpcurl')[0]}"
    done = subprocess.run(
        [
            "bash",
            "-c",
            script.replace("127.0.0.1:8080", running.http).replace("ada@example.org", email),
        ],
        env={**os.environ, "PASSWORD": PASSWORD, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["allocations"] == []


def test_the_command_line_makes_tokens_and_calls_with_them(
    running: AllocatorProcess, tmp_path
) -> None:
    base = {
        **running.environment,
        "ALLOCATOR_CLI_SERVER": f"https://{running.grpc}" if running.ca else running.grpc,
        "ALLOCATOR_CLI_CA": str(running.ca or ""),
    }

    def allocctl(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "allocctl", *arguments],
            env={**base, "XDG_CONFIG_HOME": str(tmp_path / "home"), **environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    allocctl("login", "--admin-file", str(running.admin_file))
    done = allocctl("tokens", "create", "ci", "-s", "allocations:read", "-s", "users:read")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    elsewhere = {"XDG_CONFIG_HOME": str(tmp_path / "other"), "ALLOCATOR_CLI_TOKEN": token}
    assert "admin@allocator.local" in allocctl("whoami", **elsewhere).stdout
    assert allocctl("ls", **elsewhere).returncode == 0
    refused = allocctl("tokens", "list", **elsewhere)
    assert refused.returncode != 0
    assert "log in" in refused.stderr
    [listed] = [
        one
        for one in json.loads(allocctl("tokens", "list", "-o", "json").stdout)
        if one["title"] == "ci"
    ]
    assert "ci" in allocctl("tokens", "list").stdout
    assert "is deleted" in allocctl("tokens", "delete", listed["name"]).stdout
    until(running, "TOKEN_REVOKED", "GET", "/v1/users/me", token)
