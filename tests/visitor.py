"""What people and programs do with an allocator, however it runs."""

from __future__ import annotations

import json
import re
import ssl
import time
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import grpc
import httpx2
from websockets.asyncio.client import connect

PASSWORD = "correct horse battery"


class Visitor:
    """Comes from outside, over its addresses; whoever starts an allocator is one.

    Attributes:
        http: host:port of REST, WebSocket and the web page.
        grpc: host:port of public gRPC.
        ca: the certificate that signs its own; None where there is no TLS.
        admin_file: the first admin's credentials.
        mailbox: the folder of mails.
        client: for REST.
    """

    http: str
    grpc: str
    ca: Path | None
    admin_file: Path
    mailbox: Path
    client: httpx2.Client

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"{'https' if self.ca else 'http'}://{self.http}"

    @property
    def trusts(self) -> ssl.SSLContext | bool:
        """What its certificate is checked with."""
        return ssl.create_default_context(cafile=str(self.ca)) if self.ca else True

    def open_client(self) -> httpx2.Client:
        """A client for REST."""
        return httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=self.trusts)

    def connect(self, path: str, **options: Any) -> connect:
        """A WebSocket."""
        scheme, context = ("wss", self.trusts) if self.ca else ("ws", None)
        return connect(f"{scheme}://{self.http}{path}", proxy=None, ssl=context, **options)

    def channel(self) -> grpc.Channel:
        """A channel to public gRPC."""
        return (
            grpc.secure_channel(self.grpc, self._roots())
            if self.ca
            else grpc.insecure_channel(self.grpc)
        )

    def aio_channel(self) -> grpc.aio.Channel:
        """The same for an event loop."""
        if self.ca:
            return grpc.aio.secure_channel(self.grpc, self._roots())
        return grpc.aio.insecure_channel(self.grpc)

    def _roots(self) -> grpc.ChannelCredentials:
        assert self.ca is not None
        return grpc.ssl_channel_credentials(self.ca.read_bytes())

    def call(self, verb: str, path: str, token: str = "", **options: Any) -> httpx2.Response:
        """One request; the token goes into its header."""
        headers = dict(options.pop("headers", {}))
        if token:
            headers["authorization"] = f"Bearer {token}"
        return self.client.request(verb, path, headers=headers, **options)

    def admin(self) -> str:
        """The first admin's access token."""
        credentials = json.loads(self.admin_file.read_text())
        return self.log_in(credentials["email"], credentials["password"])

    def log_in(self, email: str, password: str = PASSWORD) -> str:
        """An access token."""
        answer = self.call("POST", "/v1/sessions", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accessToken"])

    def person(self, email: str) -> str:
        """Signs a person up, verifies them by the mailed code, logs them in: their access token."""
        answer = self.call(
            "POST", "/v1/users", json={"user": {"email": email}, "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        code = self.mailed_code(email)
        answer = self.call("POST", "/v1/users:verify", json={"email": email, "code": code})
        assert answer.status_code == 200, answer.text
        return self.log_in(email)

    def mailed_code(self, email: str, within: float = 15.0) -> str:
        """The newest one-time code that was mailed to an address."""
        until = time.monotonic() + within
        others: set[Path] = set()
        while time.monotonic() < until:
            for file in sorted(set(self.mailbox.glob("*.eml")) - others, reverse=True):
                others.add(file)
                content = file.read_bytes()
                # To parse every mail of a long run takes longer than to send one.
                if email.encode() not in content:
                    continue
                mail = message_from_bytes(content, policy=policy.default)
                body = mail.get_body(("plain",))
                found = re.search(r"\b(\d{6})\b", body.get_content() if body else "")
                if found and any(to.addr_spec == email for to in mail["To"].addresses):
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(f"no code was mailed to {email} within {within} s")

    def rent(self, token: str, machine: str, **variables: str) -> dict[str, Any]:
        """Rents a machine; the allocation as it is at once."""
        answer = self.call(
            "POST",
            "/v1/allocations",
            token,
            json={
                "machine": f"machines/{machine}",
                "variables": [{"key": k, "value": v} for k, v in variables.items()],
            },
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, token: str, name: str, *states: str, within: float = 60.0) -> dict[str, Any]:
        """The allocation once it is in one of the states."""
        until = time.monotonic() + within
        found: dict[str, Any] = {}
        while time.monotonic() < until:
            answer = self.call("GET", f"/v1/{name}", token)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            if found["state"] in states:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} is not {states} after {within} s but {found}")

    def remove_everything(self) -> None:
        """Removes every allocation and waits until all are gone."""
        token = self.admin()
        query = {"parent": "users/-", "pageSize": "1000"}
        listed = self.call("GET", "/v1/allocations", token, params=query).json()["allocations"]
        for one in listed:
            self.call("DELETE", f"/v1/{one['name']}", token)
        for one in listed:
            self.wait(token, one["name"], "DELETED")
