"""What people do with their accounts, from end to end: over REST, and the same over gRPC."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from typing import Any

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
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.xdist_group("people")

NEW_PASSWORD = "another fine long password"


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[AllocatorProcess]:
    """An allocator in which codes need not be waited for."""
    made = AllocatorProcess(
        tmp_path_factory.mktemp("people") / "data", ALLOCATOR_USER_CODE_PAUSE_SECONDS="1"
    )
    made.start()
    yield made
    made.close()


def within(seconds: float, look: Callable[[], Any], what: str) -> Any:
    """The first answer that is one."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


def mails(running: AllocatorProcess, address: str) -> list[str]:
    """The text of the mails to an address, the oldest first."""
    found = []
    for file in sorted(running.mailbox.glob("*.eml")):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        body = mail.get_body(("plain",))
        if address in str(mail["To"]) and body is not None:
            found.append(str(body.get_content()))
    return found


def messages(running: AllocatorProcess, number: str) -> list[str]:
    """The text messages to a number, the oldest first."""
    return [file.read_text() for file in sorted((running.data_dir / "sms").glob(f"*-{number}-*"))]


def code_in(text: str) -> str:
    """The one-time code in a text."""
    found = re.search(r"\b(\d{6})\b", text)
    return found[1] if found else ""


def next_code(read: Callable[[], list[str]], before: int) -> str:
    """The code of the first text that comes after so many."""

    def look() -> str:
        return next((code for text in read()[before:] if (code := code_in(text))), "")

    return str(within(15, look, "a code"))


def patiently(call: Callable[[], httpx2.Response]) -> httpx2.Response:
    """The answer once the pause between two codes is over."""

    def look() -> httpx2.Response | None:
        answer = call()
        if answer.status_code != 429:
            return answer
        assert answer.json()["reason"] == "CODE_SENT_RECENTLY"
        assert int(answer.headers["retry-after"]) >= 1
        return None

    found: httpx2.Response = within(15, look, "the pause between two codes")
    return found


def reason(answer: httpx2.Response) -> str:
    """Why a call has failed."""
    return str(answer.json()["reason"])


def refused(running: AllocatorProcess, token: str) -> str:
    """With which reason a token is refused; empty while it is good."""
    answer = running.call("GET", "/v1/users/me", token)
    return "" if answer.status_code == 200 else reason(answer)


def test_somebody_signs_up_by_phone_and_adds_the_address_later(running: AllocatorProcess) -> None:
    number, address = "+4930100001", "phone@example.org"
    body = {
        "user": {"email": address, "phoneNumber": number, "languageCode": "de"},
        "password": PASSWORD,
        "verifyBy": "PHONE",
    }
    answer = running.call("POST", "/v1/users", json=body)
    assert answer.json() == {"email": "", "phoneNumber": number, "verificationRequired": True}
    code = next_code(lambda: messages(running, number), 0)
    verify = {"phoneNumber": number, "code": code}
    assert running.call("POST", "/v1/users:verify", json=verify).status_code == 200
    token = running.log_in(number)
    me = running.call("GET", "/v1/users/me", token).json()
    assert (me["verified"], me["phoneVerified"], me["emailVerified"]) == (True, True, False)
    assert me["languageCode"] == "de"

    change = {"email": address, "currentPassword": PASSWORD}
    before = len(mails(running, address))
    answer = patiently(
        lambda: running.call("POST", "/v1/users/me:changeContact", token, json=change)
    )
    assert answer.json() == {"confirmationRequired": True}
    code = next_code(lambda: mails(running, address), before)
    changed = running.call("POST", "/v1/users/me:confirmContact", token, json={"code": code}).json()
    assert changed["emailVerified"] is True
    assert running.log_in(address)


def test_signing_up_answers_the_same_whoever_is_there(running: AllocatorProcess) -> None:
    running.person("here@example.org")
    answers = []
    for address in ("here@example.org", "nowhere@example.org"):
        body = {"user": {"email": address}, "password": PASSWORD}
        answers.append(running.call("POST", "/v1/users", json=body))
        for path in ("sendVerificationCode", "requestPasswordReset"):
            ask = {"email": address}
            answers.append(
                patiently(lambda a=ask, p=path: running.call("POST", f"/v1/users:{p}", json=a))
            )
        wrong = {"email": address, "code": "000000"}
        answers.append(running.call("POST", "/v1/users:verify", json=wrong))
        wrong["newPassword"] = NEW_PASSWORD
        answers.append(running.call("POST", "/v1/users:resetPassword", json=wrong))
    half = len(answers) // 2

    def shown(answer: httpx2.Response) -> tuple[int, str]:
        body = answer.json()
        for varying in ("instance", "trace_id", "traceId", "email"):
            body.pop(varying, None)
        return answer.status_code, json.dumps(body, sort_keys=True)

    assert [shown(one) for one in answers[:half]] == [shown(one) for one in answers[half:]]


def test_a_forgotten_password_is_replaced(running: AllocatorProcess) -> None:
    address = "forgetful@example.org"
    token = running.person(address)
    before = len(mails(running, address))
    ask = {"email": address}
    patiently(lambda: running.call("POST", "/v1/users:requestPasswordReset", json=ask))
    code = next_code(lambda: mails(running, address), before)
    reset = {"email": address, "code": code, "newPassword": NEW_PASSWORD}
    assert running.call("POST", "/v1/users:resetPassword", json=reset).status_code == 200
    assert reason(running.call("POST", "/v1/users:resetPassword", json=reset)) == "CODE_WRONG"
    assert within(10, lambda: refused(running, token), "the token is refused") == "TOKEN_REVOKED"
    log_in = {"email": address, "password": PASSWORD}
    assert reason(running.call("POST", "/v1/sessions", json=log_in)) == "CREDENTIALS_WRONG"
    assert running.log_in(address, NEW_PASSWORD)


def test_an_address_changes_and_the_former_one_is_told(running: AllocatorProcess) -> None:
    old, new = "maiden@example.org", "married@example.org"
    token = running.person(old)
    change = {"email": new, "currentPassword": PASSWORD}
    same = {"email": old.upper(), "currentPassword": PASSWORD}
    path = "/v1/users/me:changeContact"
    answer = running.call("POST", path, token, json=same)
    assert answer.json() == {"confirmationRequired": False}
    wrong = {**change, "currentPassword": "not the password"}
    assert reason(running.call("POST", path, token, json=wrong)) == "PASSWORD_WRONG"
    assert running.call("POST", path, token, json=change).status_code == 200
    code = next_code(lambda: mails(running, new), 0)
    told = len(mails(running, old))
    changed = running.call("POST", "/v1/users/me:confirmContact", token, json={"code": code})
    assert changed.json()["email"] == new
    within(15, lambda: mails(running, old)[told:], "the former address is told")
    assert "m***@example.org" in mails(running, old)[-1]
    assert running.log_in(new)


def test_a_profile_is_changed_with_its_mask_and_etag(running: AllocatorProcess) -> None:
    token = running.person("profile@example.org")
    read = running.call("GET", "/v1/users/me", token)
    body = {"givenName": "Ada", "languageCode": "de", "etag": read.json()["etag"]}
    mask = {"updateMask": "languageCode"}
    changed = running.call("PATCH", "/v1/users/me", token, json=body, params=mask).json()
    assert (changed["languageCode"], changed["givenName"]) == ("de", "")
    assert reason(running.call("PATCH", "/v1/users/me", token, json=body)) == "ETAG_STALE"
    unknown = {"languageCode": "tlh"}
    assert reason(running.call("PATCH", "/v1/users/me", token, json=unknown)) == "REQUEST_INVALID"
    for field, value in (("roles", ["ADMIN"]), ("phoneNumber", "+4930100009")):
        refusal = running.call(
            "PATCH", "/v1/users/me", token, json={field: value}, params={"updateMask": field}
        )
        assert reason(refusal) == "FIELD_NOT_UPDATABLE"


def test_an_admin_finds_people(running: AllocatorProcess) -> None:
    admin = running.admin()
    for name in ("zoe", "yan", "xia"):
        running.person(f"{name}@found.example.org")

    def listed(**query: str) -> list[str]:
        answer = running.call("GET", "/v1/users", admin, params=query)
        assert answer.status_code == 200, answer.text
        return [one["email"].partition("@")[0] for one in answer.json()["users"]]

    here = 'email : "@found.example.org"'
    assert listed(filter=here) == ["xia", "yan", "zoe"]
    assert listed(filter=here, orderBy="create_time") == ["zoe", "yan", "xia"]
    assert listed(filter=here, orderBy="email desc") == ["zoe", "yan", "xia"]
    assert listed(filter=f"{here} AND role = ADMIN") == []
    assert listed(filter=f"{here} AND state = DISABLED") == []
    assert listed(filter=f'{here} AND create_time > "2999-01-01T00:00:00Z"') == []
    assert listed(filter="role = ADMIN") == ["admin"]
    first = running.call(
        "GET", "/v1/users", admin, params={"filter": here, "orderBy": "email", "pageSize": "2"}
    ).json()
    assert [one["email"][:3] for one in first["users"]] == ["xia", "yan"]
    rest = {"filter": here, "orderBy": "email", "pageToken": first["nextPageToken"]}
    assert listed(**rest) == ["zoe"]
    other = running.call("GET", "/v1/users", admin, params={**rest, "orderBy": "email desc"})
    assert reason(other) == "PAGE_TOKEN_INVALID"
    wrong = running.call("GET", "/v1/users", admin, params={"orderBy": "password_hash"})
    assert reason(wrong) == "ORDER_INVALID"


async def console_end(
    running: AllocatorProcess, name: str, token: str, end: Callable[[], None]
) -> float:
    """How many seconds a console stays open after `end` was done."""
    async with running.connect(f"/v1/{name}/console", max_size=None) as opened:
        await opened.send(json.dumps({"auth": {"token": token}}))
        await opened.recv()
        await asyncio.to_thread(end)
        begun = time.monotonic()
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(15):
                while True:
                    await opened.recv()
        return time.monotonic() - begun


def test_disabling_ends_sessions_and_consoles_within_seconds(running: AllocatorProcess) -> None:
    admin = running.admin()
    token = running.person("mallory@example.org")
    user = running.call("GET", "/v1/users/me", token).json()["name"]
    name = str(running.rent(token, "ticker", INTERVAL="0.2")["name"])
    running.wait(token, name, "READY")

    def disable() -> None:
        body = {"reason": "Mines coins."}
        answer = running.call("POST", f"/v1/{user}:disable", admin, json=body)
        assert answer.json()["disableReason"] == "Mines coins."

    assert asyncio.run(console_end(running, name, token, disable)) < 5
    assert within(5, lambda: refused(running, token), "the token is refused") == "TOKEN_REVOKED"
    log_in = {"email": "mallory@example.org", "password": PASSWORD}
    answer = running.call("POST", "/v1/sessions", json=log_in)
    assert reason(answer) == "USER_DISABLED"
    assert "Mines coins." in answer.json()["detail"]
    enabled = running.call("POST", f"/v1/{user}:enable", admin, json={}).json()
    assert enabled["disableReason"] == ""
    token = running.log_in("mallory@example.org")
    assert running.call("GET", f"/v1/{name}", token).json()["state"] == "READY"
    running.call("DELETE", f"/v1/{name}", token)


def test_deleting_an_account_removes_what_it_has_rented(running: AllocatorProcess) -> None:
    admin = running.admin()
    token = running.person("leaving@example.org")
    user = running.call("GET", "/v1/users/me", token).json()["name"]
    name = str(running.rent(token, "ticker", INTERVAL="0.2")["name"])
    running.wait(token, name, "READY")
    path = "/v1/users/me:delete"
    wrong = running.call("POST", path, token, json={"currentPassword": "not the password"})
    assert reason(wrong) == "PASSWORD_WRONG"

    def leave() -> None:
        answer = running.call("POST", path, token, json={"currentPassword": PASSWORD})
        assert answer.status_code == 200, answer.text

    assert asyncio.run(console_end(running, name, token, leave)) < 5
    assert within(5, lambda: refused(running, token), "the token is refused")
    gone = running.wait(admin, name, "DELETED")
    assert gone["owner"] == user
    assert reason(running.call("GET", f"/v1/{user}", admin)) == "USER_NOT_FOUND"
    log_in = {"email": "leaving@example.org", "password": PASSWORD}
    assert reason(running.call("POST", "/v1/sessions", json=log_in)) == "CREDENTIALS_WRONG"
    # The address is free again; the name is not.
    before = len(mails(running, "leaving@example.org"))
    body = {"user": {"email": "leaving@example.org"}, "password": PASSWORD}
    assert running.call("POST", "/v1/users", json=body).status_code == 200
    code = next_code(lambda: mails(running, "leaving@example.org"), before)
    verify = {"email": "leaving@example.org", "code": code}
    assert running.call("POST", "/v1/users:verify", json=verify).status_code == 200
    again = running.log_in("leaving@example.org")
    assert running.call("GET", "/v1/users/me", again).json()["name"] != user


def test_the_last_admin_stays(running: AllocatorProcess) -> None:
    credentials = json.loads(running.admin_file.read_text())
    body = {"currentPassword": credentials["password"]}
    answer = running.call("POST", "/v1/users/me:delete", running.admin(), json=body)
    assert reason(answer) == "LAST_ADMIN"


def test_the_same_by_grpc(running: AllocatorProcess) -> None:
    async def walk() -> None:
        async with running.aio_channel() as channel:
            users = user_service_pb2_grpc.UserServiceStub(channel)
            sessions = session_service_pb2_grpc.SessionServiceStub(channel)
            address, number = "people-grpc@example.org", "+4930100002"
            await users.CreateUser(
                user_service_pb2.CreateUserRequest(
                    user=user_pb2.User(email=address), password=PASSWORD
                )
            )
            code = await asyncio.to_thread(next_code, lambda: mails(running, address), 0)
            await users.VerifyUser(user_service_pb2.VerifyUserRequest(email=address, code=code))
            session = await sessions.CreateSession(
                session_service_pb2.CreateSessionRequest(email=address, password=PASSWORD)
            )
            token = (("authorization", f"Bearer {session.access_token}"),)
            change = user_service_pb2.ChangeContactRequest(
                name="users/me", phone_number=number, current_password=PASSWORD
            )
            answer = await users.ChangeContact(change, metadata=token)
            assert answer.confirmation_required
            code = await asyncio.to_thread(next_code, lambda: messages(running, number), 0)
            confirm = user_service_pb2.ConfirmContactRequest(name="users/me", code=code)
            changed = await users.ConfirmContact(confirm, metadata=token)
            assert (changed.phone_number, changed.phone_verified) == (number, True)

            await users.RequestPasswordReset(
                user_service_pb2.RequestPasswordResetRequest(email="nobody-grpc@example.org")
            )
            ask = {"phoneNumber": number}
            path = "/v1/users:requestPasswordReset"
            await asyncio.to_thread(patiently, lambda: running.call("POST", path, json=ask))
            code = await asyncio.to_thread(next_code, lambda: messages(running, number), 1)
            await users.ResetPassword(
                user_service_pb2.ResetPasswordRequest(
                    phone_number=number, code=code, new_password=NEW_PASSWORD
                )
            )
            session = await sessions.CreateSession(
                session_service_pb2.CreateSessionRequest(email=number, password=NEW_PASSWORD)
            )
            token = (("authorization", f"Bearer {session.access_token}"),)
            await users.DeleteUser(
                user_service_pb2.DeleteUserRequest(
                    name="users/me", current_password=NEW_PASSWORD, etag=changed.etag
                ),
                metadata=token,
            )

    with pytest.raises(grpc.aio.AioRpcError) as stale:
        asyncio.run(walk())
    # The reset has changed the account since the etag was read.
    assert stale.value.code() is grpc.StatusCode.ABORTED
