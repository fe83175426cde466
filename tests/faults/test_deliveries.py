"""Deliveries while things break: a process that is killed, a gateway that hangs, a server that fails."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs
from uuid import uuid4

from allocator.notifications.v1 import delivery_service_pb2
from allocator.notifications.v1.delivery_service_pb2_grpc import DeliveryServiceStub
from allocator_process import AllocatorProcess
from google.protobuf.duration_pb2 import Duration

from notifier.composition import compose
from notifier.settings import Settings
from tests.composed import Composed, begin_service
from tests.http_endpoint import Asked, HttpEndpoint, Reply
from tests.webhook_receiver import verified

ALLOWED = {
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_FIRST_PAUSE_SECONDS": "0.2",
}


def made(allocator: AllocatorProcess, token: str, url: str) -> tuple[str, str]:
    """The name of a new webhook, and its secret."""
    answer = allocator.call(
        "POST", "/v1/webhooks", token, json={"url": url, "kinds": ["DEAD_LETTER"]}
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["name"], answer.json()["secret"]


def state(allocator: AllocatorProcess, token: str, name: str) -> str:
    """The state of a delivery; empty while it is not known whom to trust after a start."""
    answer = allocator.call("GET", f"/v1/{name}", token)
    return answer.json()["state"] if answer.status_code == 200 else ""


def test_a_killed_process_loses_no_delivery_and_repeats_them_under_the_same_id(
    tmp_path: Path,
) -> None:
    hanging = True

    def answer(_asked: Asked) -> Reply:
        return Reply(hangs=hanging)

    with HttpEndpoint(answer) as endpoint:
        allocator = AllocatorProcess(tmp_path / "data", **ALLOWED).start()
        try:
            ada = allocator.person("ada@example.org")
            name, secret = made(allocator, ada, endpoint.url)
            deliveries = [
                allocator.call("POST", f"/v1/{name}:test", ada, json={}).json() for _ in range(6)
            ]
            # Two are under way, four wait: at this moment the process is killed.
            under_way = {endpoint.next().headers["webhook-id"] for _ in range(2)}
            allocator.kill()
            hanging = False
            endpoint.let_go()
            allocator.start()
            ada = allocator.log_in("ada@example.org")
            expected = {one["webhookId"] for one in deliveries}
            until = time.monotonic() + 30
            while not all(state(allocator, ada, one["name"]) == "SENT" for one in deliveries):
                assert time.monotonic() < until
                time.sleep(0.05)
        finally:
            allocator.close()
        had = Counter(asked.headers["webhook-id"] for asked in endpoint.had)
        assert set(had) == expected, "nothing is lost, nothing is made up"
        assert {one for one, times in had.items() if times > 1} == under_way
        assert max(had.values()) == 2
        assert all(verified(secret, one.headers, one.body) for one in endpoint.had)


@dataclass
class Running:
    """notifier as it is composed, in this process; user_svc asks it to tell people."""

    composed: Composed

    async def code(self, code: str, **recipient: str) -> str:
        """Has a code sent; returns the identifier of the delivery."""
        request = delivery_service_pb2.DeliverRequest(
            delivery_id=str(uuid4()),
            verification_code=delivery_service_pb2.VerificationCode(
                code=code, lifetime=Duration(seconds=600)
            ),
            **recipient,  # type: ignore[arg-type]
        )
        await self.composed.call_method(
            DeliveryServiceStub,
            "/allocator.notifications.v1.DeliveryService/Deliver",
            request,
            service="user_svc",
        )
        return request.delivery_id

    async def written(self, folder: str, code: str, within: float = 20.0) -> str:
        """The file with a code, once it is there."""
        async with asyncio.timeout(within):
            while True:
                for file in (self.composed.folder / folder).glob("[!.]*"):
                    if code in (text := file.read_text()):
                        return text
                await asyncio.sleep(0.02)


async def running(tmp_path: Path, exits: AsyncExitStack, **environment: str) -> Running:
    """Begins notifier with what sends."""
    composed = await begin_service(
        compose, Settings, environment, tmp_path, exits, stand_ins={}, people=()
    )
    composed.begin("email", "sms", "webhook")
    return Running(composed)


async def test_a_gateway_that_hangs_delays_no_mail(tmp_path: Path) -> None:
    with HttpEndpoint(lambda _asked: Reply(hangs=True)) as gateway:
        async with AsyncExitStack() as exits:
            notifier = await running(
                tmp_path,
                exits,
                ALLOCATOR_NOTIFIER_SMS_URL=f"{gateway.url}/sms",
                ALLOCATOR_NOTIFIER_SMS_AT_ONCE="2",
            )
            for n in range(20):
                await notifier.code("111111", phone_number=f"+49301234{n:03d}")
            await asyncio.to_thread(gateway.next)
            await asyncio.to_thread(gateway.next)
            for n in range(5):
                code = f"22222{n}"
                await notifier.code(code, email=f"p{n}@example.org")
                await notifier.written("mailbox", code, within=5.0)
            assert len(gateway.had) == 2, "no more at once than its own places"
            gateway.let_go()


async def test_a_code_is_sent_through_a_gateway_that_was_busy_and_once(tmp_path: Path) -> None:
    busy = [Reply(429, {"Retry-After": "0"}), Reply(503)]
    with HttpEndpoint(lambda _asked: busy.pop() if busy else Reply(201)) as gateway:
        async with AsyncExitStack() as exits:
            notifier = await running(
                tmp_path,
                exits,
                ALLOCATOR_NOTIFIER_SMS_URL=f"twilio://AC1:t@127.0.0.1:{gateway.port}?tls=no",
                ALLOCATOR_NOTIFIER_SMS_FROM="MG1",
                ALLOCATOR_NOTIFIER_FIRST_PAUSE_SECONDS="0.1",
            )
            await notifier.code("424242", phone_number="+4930123456")
            asked = [await asyncio.to_thread(gateway.next) for _ in range(3)]
            assert len({one.body for one in asked}) == 1
            form = parse_qs(asked[0].body.decode())
            assert form["To"] == ["+4930123456"]
            assert "424242" in form["Body"][0]
            # It is the last: the code has been erased, and nothing is sent any more.
            await notifier.code("434343", phone_number="+4930123457")
            last = await asyncio.to_thread(gateway.next)
            assert b"434343" in last.body
        stored = b"".join(one.read_bytes() for one in tmp_path.glob("notifications.sqlite3*"))
        assert b"424242" not in stored


async def test_without_a_gateway_text_messages_are_files(tmp_path: Path) -> None:
    async with AsyncExitStack() as exits:
        notifier = await running(tmp_path, exits)
        await notifier.code("515151", phone_number="+4930123456")
        text = await notifier.written("sms", "515151")
        assert len(text) <= 320
        [file] = (tmp_path / "sms").glob("*.txt")
        assert "+4930123456" in file.name
        assert "text messages are files here" in notifier.composed.service.notes["sms"]
