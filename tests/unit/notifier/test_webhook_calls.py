"""What people have posted to webhooks on demand is bounded, and what becomes of messages is counted."""

from __future__ import annotations

from typing import Any

import pytest
from allocator.notifications.v1 import (
    webhook_pb2,
    webhook_service_pb2,
    webhook_service_pb2_grpc,
)
from allocator.users.v1 import user_facts_pb2
from google.protobuf.message import Message
from prometheus_client import REGISTRY

from chassis.faults import Exhausted
from chassis.identity import Caller
from notifier.domain.delivery import Channel
from notifier.transport.metrics import OUTCOMES
from tests.unit.notifier.conftest import ADA, BOB, World

FEW = {
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_CALLS_AT_ONCE": "3",
    "ALLOCATOR_NOTIFIER_WEBHOOK_CALL_PAUSE_SECONDS": "3600",
}


async def ask(world: World, method: str, request: Message, caller: Caller = ADA) -> Any:
    """Calls a method of WebhookService."""
    path = f"/allocator.notifications.v1.WebhookService/{method}"
    return await world.call_method(
        webhook_service_pb2_grpc.WebhookServiceStub, path, request, caller
    )


async def made(world: World, caller: Caller) -> str:
    """The name of a new webhook."""
    webhook = webhook_pb2.Webhook(url="http://127.0.0.1:9/")
    request = webhook_service_pb2.CreateWebhookRequest(webhook=webhook)
    return str((await ask(world, "CreateWebhook", request, caller)).name)


@pytest.mark.parametrize("world", [FEW], indirect=True)
async def test_tests_and_replays_are_bounded_for_each_person(world: World) -> None:
    mine, other = await made(world, ADA), await made(world, BOB)
    for _ in range(3):
        await ask(world, "TestWebhook", webhook_service_pb2.TestWebhookRequest(name=mine))
    with pytest.raises(Exhausted) as refused:
        await ask(world, "TestWebhook", webhook_service_pb2.TestWebhookRequest(name=mine))
    assert refused.value.reason == "TOO_MANY_REQUESTS"
    assert refused.value.retry_after
    listed = await ask(
        world,
        "ListWebhookDeliveries",
        webhook_service_pb2.ListWebhookDeliveriesRequest(parent=mine),
    )
    assert len(listed.deliveries) == 3
    with pytest.raises(Exhausted) as refused:
        await ask(
            world,
            "ReplayWebhookDelivery",
            webhook_service_pb2.ReplayWebhookDeliveryRequest(name=listed.deliveries[0].name),
        )
    assert refused.value.reason == "TOO_MANY_REQUESTS"
    await ask(world, "TestWebhook", webhook_service_pb2.TestWebhookRequest(name=other), BOB)


def counted(channel: str, outcome: str) -> float:
    """How many attempts the metric has."""
    labels = {"channel": channel, "outcome": outcome}
    return REGISTRY.get_sample_value("allocator_deliveries_attempts_total", labels) or 0.0


async def test_what_becomes_of_attempts_is_counted_by_channel(world: World) -> None:
    before = counted("email", "sent")
    await world.publish("users", user_facts_pb2.UserVerified(user=world.person("ada")), ADA.user)
    await world.told("WELCOME")
    await world.mails(1)

    async def is_counted() -> bool:
        await world.inbox()
        return counted("email", "sent") == before + 1

    await world.until(is_counted)
    for channel in Channel:
        for outcome in OUTCOMES:
            assert counted(channel.value.lower(), outcome) >= 0
