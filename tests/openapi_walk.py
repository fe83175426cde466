"""A walk through every operation of the OpenAPI document, so that each reaches a success."""

from __future__ import annotations

import asyncio
import http.server
import io
import json
import re
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any

import httpx2
import pyotp
from allocator_process import PASSWORD, AllocatorProcess
from pictures import png

from chassis.bus import Record, open_bus, state_topic
from chassis.clock import SystemClock

PATIENCE = 20.0


class Walk:
    """Calls operations by their names, with real ids, and remembers which of them succeeded."""

    def __init__(self, running: AllocatorProcess, operations: dict[str, tuple[str, str]]) -> None:
        self.running = running
        self.operations = operations
        self.reached: set[str] = set()
        self.refused: dict[str, str] = {}

    def through_everything(self) -> set[str]:
        """Calls all of them; the names of those that succeeded."""
        admin = self.running.admin()
        person = self._accounts(admin)
        self._second_factor(person)
        self._catalogue(admin, person)
        self._invitations(admin)
        self._nodes(admin)
        rented = self._renting(person)
        kept = self._classes_and_quotas(admin, person)
        self._volumes(person, kept)
        self._feed(person)
        self._notices(person)
        self._history(admin, person, rented)
        self._ending(admin)
        return self.reached

    def call(
        self,
        operation: str,
        token: str = "",
        body: Any = None,
        query: str = "",
        content: bytes | None = None,
        **names: str,
    ) -> dict[str, Any]:
        """Calls one operation; its answer, empty where that is no JSON."""
        verb, path = self.operations[operation]
        path = path.format(**{k: v.rpartition("/")[2] for k, v in names.items()}) + query
        options: dict[str, Any] = {} if body is None else {"json": body}
        if content is not None:
            options = {"content": content, "headers": {"content-type": "application/octet-stream"}}
        answer = self.running.call(verb, path, token, **options)
        if answer.status_code == 200:
            self.reached.add(operation)
        else:
            self.refused[operation] = answer.text
        is_json = "json" in answer.headers.get("content-type", "")
        return dict(answer.json()) if is_json else {}

    def stream(self, operation: str, token: str, **names: str) -> None:
        """Reads the first message of a stream."""
        verb, path = self.operations[operation]
        path = path.format(**{k: v.rpartition("/")[2] for k, v in names.items()})
        with httpx2.stream(
            verb,
            f"http://{self.running.http}{path}",
            headers={"authorization": f"Bearer {token}", "accept": "application/x-ndjson"},
            timeout=20,
            trust_env=False,
        ) as answer:
            if answer.status_code == 200 and json.loads(next(answer.iter_lines())):
                self.reached.add(operation)

    def until(self, found: Callable[[], Any]) -> Any:
        """Asks again until there is something."""
        end = time.monotonic() + PATIENCE
        while not (there := found()):
            assert time.monotonic() < end, self.refused
            time.sleep(0.05)
        return there

    # people

    def _accounts(self, admin: str) -> str:
        call, email = self.call, "walker@example.org"
        call("CreateUser", body={"user": {"email": email}, "password": PASSWORD})
        call("SendVerificationCode", body={"email": "nobody-yet@example.org"})
        call("VerifyUser", body={"email": email, "code": self.running.mailed_code(email)})
        log_in = {"email": email, "password": PASSWORD}
        person = call("CreateSession", body=log_in)["accessToken"]
        other = call("CreateSession", body=log_in)
        call("RefreshSession", body={"refreshToken": other["refreshToken"]})
        call("ListSessions", person)
        call("DeleteSession", person, session=other["name"])
        user = call("GetUser", person, user="users/me")["name"]
        call("UpdateUser", person, {"givenName": "Walker"}, user="users/me")
        call("ListUsers", admin)
        call("GrantRole", admin, {"role": "ADMIN"}, user=user)
        call("RevokeRole", admin, {"role": "ADMIN"}, user=user)
        call("DisableUser", admin, {}, user=user)
        call("EnableUser", admin, {}, user=user)
        person = self.running.log_in(email)
        changed = PASSWORD + "!"
        new = {"currentPassword": PASSWORD, "newPassword": changed}
        call("ChangePassword", person, new, user="users/me")
        email = "walker@example.net"
        wanted = {"email": email, "currentPassword": changed}
        call("ChangeContact", person, wanted, user="users/me")
        call("ConfirmContact", person, {"code": self.running.mailed_code(email)}, user="users/me")
        known = self._codes(email)

        def asked() -> bool:
            # One code has just been sent there.
            call("RequestPasswordReset", body={"email": email})
            return "RequestPasswordReset" in self.reached

        self.until(asked)
        code = self.until(lambda: self._codes(email) - known).pop()
        call("ResetPassword", body={"email": email, "code": code, "newPassword": PASSWORD})
        return self.running.log_in(email)

    def _codes(self, email: str) -> set[str]:
        """The codes of the mails to an address."""
        found = set()
        for file in self.running.mailbox.glob("*.eml"):
            mail = message_from_bytes(file.read_bytes(), policy=policy.default)
            body = mail.get_body(("plain",))
            if email in str(mail["To"]) and body:
                found |= set(re.findall(r"\b(\d{6})\b", body.get_content()))
        return found

    def _second_factor(self, person: str) -> None:
        call = self.call
        secret = call("EnrollTotp", person, {"password": PASSWORD}, user="users/me")["secret"]
        code = pyotp.TOTP(secret).now()
        call("ConfirmTotp", person, {"totpCode": code}, user="users/me")
        call("GetTotp", person, user="users/me")
        call("RemoveTotp", person, {"password": PASSWORD}, user="users/me")
        token = {"title": "Walking", "scopes": ["machines:read"]}
        made = call("CreateAccessToken", person, token)
        call("ListAccessTokens", person)
        call("DeleteAccessToken", person, accessToken=made["name"])

    def _ending(self, admin: str) -> None:
        stranger = self.running.person("leaver@example.org")
        self.call("DeleteUser", stranger, {"currentPassword": PASSWORD}, user="users/me")
        self.call("DeleteUser_2", self.running.person("leaver@example.net"), user="users/me")
        self.call("ListUsers", admin)

    def _invitations(self, admin: str) -> None:
        call = self.call
        call("GetSignUpPolicy")
        invitation = {"title": "Walkers", "maxUses": 2}
        made = call("CreateInvitation", admin, invitation)["name"]
        call("ListInvitations", admin)
        call("GetInvitation", admin, invitation=made)
        call("DeleteInvitation", admin, invitation=made)

    # what they rent

    def _nodes(self, admin: str) -> None:
        call = self.call
        node = self.until(lambda: call("ListNodes", admin).get("nodes"))[0]["name"]
        call("GetNode", admin, node=node)
        call("DrainNode", admin, {"reason": "New disks."}, node=node)
        call("ActivateNode", admin, {}, node=node)

    def _catalogue(self, admin: str, person: str) -> None:
        call, machine = self.call, "machines/walked"
        body = {"title": "Walked", "image": "busybox", "command": ["sleep", "60"]}
        call("CreateMachine", admin, body, query="?machineId=walked")
        call("ListMachines")
        call("GetMachine", admin, machine=machine)
        call("UpdateMachine", admin, {"title": "Walked on"}, machine=machine)
        call("ListMachineVersions", admin, machine=machine)
        call("RollbackMachine", admin, {"version": 1}, machine=machine)
        for kind, width, height in (("", 64, 64), ("_2", 400, 100)):
            picture = png(width, height)
            call(f"SetMachinePicture{kind}", admin, content=picture, machine=machine)
            call(f"GetMachinePicture{kind}", admin, machine=machine)
            call(f"DeleteMachinePicture{kind}", admin, machine=machine)
        written = self.running.call("GET", f"/v1/{machine}:export", admin).content
        call("ExportMachine", admin, machine=machine)
        call("ImportMachine", admin, content=written, query="?replaceExisting=true")
        call("PublishMachine", admin, {}, machine=machine)
        call("ForkMachine", person, {"machineId": "walked-fork"}, machine=machine)
        call("SubmitMachine", person, {}, machine="machines/walked-fork")
        call("RejectMachine", admin, {"rejection": "No."}, machine="machines/walked-fork")
        call("RetireMachine", admin, {}, machine=machine)
        call("DeleteMachine", admin, machine=machine)

    def _renting(self, person: str) -> str:
        call, wait = self.call, self.running.wait
        name: str = call("CreateAllocation", person, {"machine": "machines/ticker"})["name"]
        wait(person, name, "READY")
        call("ListAllocations", person)
        for operation in ("GetAllocation", "InspectAllocation", "ListLines"):
            call(operation, person, allocation=name)
        call("UpdateAllocation", person, {"displayName": "walked"}, allocation=name)
        self.stream("WatchAllocations", person)
        self.stream("FollowConsole", person, allocation=name)
        call("RestartAllocation", person, {}, allocation=name)
        wait(person, name, "READY")
        call("RecreateAllocation", person, {}, allocation=name)

        def made_anew() -> bool:
            return bool(wait(person, name, "READY")["generation"] == 2)

        self.until(made_anew)
        for operation in ("GetAllocationUsage", "DownloadArchive"):
            call(operation, person, allocation=name)
        call("StopAllocation", person, {}, allocation=name)
        wait(person, name, "STOPPED")
        call("StartAllocation", person, {}, allocation=name)
        wait(person, name, "READY")
        call("DeleteAllocation", person, allocation=name)
        call("DownloadUsageReport", person, query="?format=JSON")
        return name

    def _classes_and_quotas(self, admin: str, person: str) -> str:
        """One allocation runs, so another, which needs all the memory of the node, has to wait.

        Returns:
            The name of a volume that the first one has left.
        """
        call, made = self.call, {"resourceClass": "resourceClasses/walked-all"}
        [node, *_] = call("ListNodes", admin)["nodes"]
        size = {"cpuMillis": 100, "memoryBytes": "6291456", "pids": 64}
        call("CreateResourceClass", admin, size, query="?resourceClassId=walked-all")
        call("ListResourceClasses", person)
        call("GetResourceClass", person, **made)
        call("UpdateResourceClass", admin, {"memoryBytes": node["memoryBytes"]}, **made)
        machine = self._published(admin, "walked-all", resourceClass="walked-all")
        user = call("GetUser", person, user="users/me")["name"]
        quota = call("GetQuota", person, user="users/me")
        more = {"overrides": {"memoryBytes": "-1"}, "etag": quota["etag"]}
        call("UpdateQuota", admin, more, user=user)

        volumes = [{"path": "/data", "sizeMib": 16}]
        small = self._published(admin, "walked-small", resourceClass="nano", volumes=volumes)
        first = call("CreateAllocation", person, {"machine": small})
        self.running.wait(person, first["name"], "READY")
        estimate = call("EstimateAllocation", person, {"machine": machine})
        assert estimate["canEverRun"], estimate
        asked = {"machine": machine}
        waits = call("CreateAllocation", person, asked, query="?whenFull=WAIT")["name"]
        call("PrioritizeAllocation", admin, {"position": 1}, allocation=waits)
        call("CancelAllocation", person, {}, allocation=waits)
        call("GetMachineUsage", admin, machine=small)
        call("DeleteAllocation", person, query="?keepVolumes=true", allocation=first["name"])
        self.running.wait(person, first["name"], "DELETED")
        call("RetireMachine", admin, {}, machine=machine)
        call("DeleteMachine", admin, machine=machine)
        call("DeleteResourceClass", admin, **made)
        return str(first["volumes"][0]["volume"])

    def _published(self, admin: str, machine: str, **more: Any) -> str:
        body = {"title": "Walked", "image": "busybox:latest", "command": ["sleep", "600"], **more}
        self.call("CreateMachine", admin, body, query=f"?machineId={machine}")
        self.call("PublishMachine", admin, {}, machine=machine)
        return f"machines/{machine}"

    def _volumes(self, person: str, kept: str) -> None:
        """Downloads what was kept, changes it, uploads something, and removes both."""
        call = self.call
        call("ListVolumes", person)

        def detached() -> bool:
            return bool(call("GetVolume", person, volume=kept)["state"] == "DETACHED")

        self.until(detached)
        call("UpdateVolume", person, {"displayName": "walked"}, volume=kept)
        call("DownloadVolume", person, volume=kept)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("note"))
        made = call("UploadVolume", person, content=out.getvalue(), query="?path=/data")["name"]
        for volume in (kept, made):
            call("DeleteVolume", person, volume=volume)

    # what they say of it

    def _feed(self, person: str) -> None:
        call, machine = self.call, "machines/ticker"
        said = call("CreateComment", person, {"text": "It ticks."}, machine=machine)["name"]
        reply = {"text": "So it does.", "replyTo": said}
        self.running.call("POST", f"/v1/{machine}/comments", person, json=reply)
        call("ListComments", machine=machine)
        for operation in ("GetComment", "ListReplies"):
            call(operation, machine=machine, comment=said)
        call("UpdateComment", person, {"text": "It tocks."}, machine=machine, comment=said)
        call("DeleteComment", person, machine=machine, comment=said)

        def reviewed() -> str:
            # That they have rented it is known once the fact of it has come.
            stars = {"stars": 4, "text": "Regular."}
            return str(
                call("SetReview", person, stars, machine=machine, review="me").get("name", "")
            )

        self.until(reviewed)
        call("GetReview", person, machine=machine, review="me")
        call("ListReviews", machine=machine)
        call("SetVote", person, {"direction": "LIKE"}, machine=machine, vote="me")
        call("GetVote", person, machine=machine, vote="me")
        call("GetSummary", machine=machine)
        call("BatchGetSummaries", query=f"?machines={machine}&machines=machines/echo")
        call("ClearVote", person, machine=machine, vote="me")
        call("DeleteReview", person, machine=machine, review="me")

    # what they are told

    def _notices(self, person: str) -> None:
        call = self.call
        first = self.until(lambda: call("ListNotifications", person).get("notifications"))[0]
        call("GetUnreadCount", person)
        call("GetNotification", person, notification=first["name"])
        self.stream("WatchNotifications", person)
        call("MarkRead", person, {"names": [first["name"]]})
        call("DeleteNotification", person, notification=first["name"])
        preferences = call("GetNotificationPreferences", person, user="users/me")
        call("UpdateNotificationPreferences", person, preferences, user="users/me")
        with listening() as url:
            hook = call("CreateWebhook", person, {"title": "Walked", "url": url})["name"]
            call("ListWebhooks", person)
            call("GetWebhook", person, webhook=hook)
            call("UpdateWebhook", person, {"title": "Walked on"}, webhook=hook)
            call("RotateWebhookSecret", person, {}, webhook=hook)
            ping = call("TestWebhook", person, {}, webhook=hook)["name"]
            about = {"webhook": hook, "delivery": ping}

            def sent() -> bool:
                return bool(call("GetWebhookDelivery", person, **about)["state"] == "SENT")

            self.until(sent)
            call("ListWebhookDeliveries", person, webhook=hook)
            call("ReplayWebhookDelivery", person, {}, **about)
            call("DisableWebhook", person, {}, webhook=hook)
            call("EnableWebhook", person, {}, webhook=hook)
            call("DeleteWebhook", person, webhook=hook)

    # what has happened

    def _history(self, admin: str, person: str, rented: str) -> None:
        call = self.call
        call("ListEvents", person, allocation=rented)
        self.until(lambda: call("ListAuditEvents", admin).get("auditEvents"))
        self.stream("ExportAuditEvents", admin)
        self._publish_nonsense()
        letter = self.until(lambda: call("ListDeadLetters", admin).get("deadLetters"))[0]["name"]
        call("GetDeadLetter", admin, deadLetter=letter)
        call("ReplayDeadLetter", admin, {}, deadLetter=letter)
        call("ReplayAllDeadLetters", admin, {})
        call("DeleteDeadLetter", admin, deadLetter=letter)

    def _publish_nonsense(self) -> None:
        """Publishes what no consumer can read."""
        headers = {"ce-type": "allocator.users.v1.User", "ce-id": "walked", "version": "1"}
        record = Record(state_topic("users"), "users/nonsense", b"\xff\xff\xff", headers)

        url = f"sqlite:///{self.running.data_dir / 'bus.sqlite3'}"

        async def publish() -> None:
            bus = await open_bus(url, SystemClock())
            try:
                await bus.publish([record])
            finally:
                await bus.close()

        asyncio.run(publish())


@contextmanager
def listening() -> Iterator[str]:
    """Somebody's server who takes every webhook: its URL."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
