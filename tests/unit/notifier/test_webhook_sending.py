"""Posting to webhooks, and switching off those that fail for days; the server is a real one."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.clock import ManualClock
from chassis.faults import Unavailable
from chassis.identity import Vault
from chassis.sql import open_database
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.webhook_channel.http import HttpWebhookChannel
from notifier.adapters.webhook_store.sql import SqlWebhookStore
from notifier.domain.delivery import Channel, Content, Delivery, Persistence, State
from notifier.domain.kind import Kind
from notifier.domain.pacing import Bounds
from notifier.domain.suspension import of_suspension
from notifier.domain.webhook import Webhook, WebhookState, new_secret, new_webhook_id
from notifier.usecases.delivering import Delivering
from notifier.usecases.sending import WebhookSending
from tests.http_endpoint import HttpEndpoint, Reply

DAY = 86_400


@dataclass
class World:
    """Webhooks without their service."""

    clock: ManualClock
    webhooks: SqlWebhookStore
    deliveries: SqlDeliveryStore
    delivering: Delivering
    endpoint: HttpEndpoint
    status: int = 500
    told: list[str] = field(default_factory=list)
    nobody_can_be_told: bool = False

    async def webhook(self) -> Webhook:
        """A webhook of somebody."""
        now = self.clock.now()
        made = Webhook(
            *(new_webhook_id(), "u", "users/ada", "Mine", self.endpoint.url, (), now, now),
            secret=new_secret(),
        )
        return await self.webhooks.add(made, 9)

    async def deliver(self, webhook: Webhook) -> Delivery:
        """One attempt at something new; returns what became of it."""
        made, now = str(uuid.uuid4()), self.clock.now()
        delivery = Delivery(
            *(made, Channel.WEBHOOK, webhook.name, Content(payload="{}"), made, now, now),
            now + timedelta(days=1),
        )
        await self.deliveries.accept(delivery, 99)
        assert await self.delivering.send_due() == 1
        found = await self.deliveries.get(made)
        assert found is not None
        await self.deliveries.give_up(Channel.WEBHOOK, webhook.name, found.error)
        return found

    async def state(self, webhook: Webhook) -> WebhookState:
        """The state of a webhook."""
        found = await self.webhooks.get(webhook.id)
        assert found is not None
        return found.state


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which every server answers 500."""
    clock = ManualClock()
    url = f"sqlite:///{tmp_path}/notifications.sqlite3"
    database = await open_database(url, "notifier.schema", clock)
    vault = Vault(b"k" * 32)
    webhooks, deliveries = SqlWebhookStore(database, vault), SqlDeliveryStore(database, vault)
    channel = HttpWebhookChannel(5.0, clock, allow_http=True, allow_private=True)

    async def suspended(webhook: Webhook, why: str) -> None:
        if made.nobody_can_be_told:
            raise Unavailable("The directory is away.")
        made.told.append(f"{webhook.title}: {why}")

    delivering = Delivering(
        deliveries,
        Channel.WEBHOOK,
        WebhookSending(
            channel,
            webhooks,
            suspended_after=timedelta(days=5),
            clock=clock,
            suspended=suspended,
        ),
        persistence=Persistence(100, timedelta(seconds=1), timedelta(seconds=60), 0.0),
        bounds=Bounds(4, 2),
        lease=timedelta(seconds=30),
        clock=clock,
        told=lambda *_: None,
    )
    with HttpEndpoint() as endpoint:
        made = World(clock, webhooks, deliveries, delivering, endpoint)
        endpoint.answer = lambda _asked: Reply(made.status)
        yield made
    await channel.close()
    await database.close()


async def test_one_that_fails_for_days_is_switched_off_and_its_owner_told(world: World) -> None:
    webhook = await world.webhook()
    for _ in range(5):
        found = await world.deliver(webhook)
        assert (found.state, found.response_code) == (State.PENDING, 500)
        assert found.error == "The server answered 500."
        assert await world.state(webhook) is WebhookState.ENABLED
        world.clock.advance(DAY)
    await world.deliver(webhook)
    assert await world.state(webhook) is WebhookState.SUSPENDED
    assert world.told == ["Mine: The server answered 500."]
    world.clock.advance(DAY)
    found = await world.deliver(webhook)
    assert (found.state, found.error) == (State.FAILED, "The webhook is switched off.")
    assert len(world.endpoint.had) == 6


async def test_one_good_answer_is_enough_to_begin_anew(world: World) -> None:
    webhook = await world.webhook()
    await world.deliver(webhook)
    world.clock.advance(4.9 * DAY)
    world.status = 200
    assert (await world.deliver(webhook)).state is State.SENT
    world.status = 500
    for _ in range(4):
        world.clock.advance(DAY)
        await world.deliver(webhook)
    assert await world.state(webhook) is WebhookState.ENABLED


async def test_nobody_is_cut_off_who_cannot_be_told(world: World) -> None:
    webhook = await world.webhook()
    await world.deliver(webhook)
    world.clock.advance(5 * DAY)
    world.nobody_can_be_told = True
    found = await world.deliver(webhook)
    assert found.error == "The server answered 500."
    assert await world.state(webhook) is WebhookState.ENABLED
    world.nobody_can_be_told = False
    world.clock.advance(DAY)
    await world.deliver(webhook)
    assert await world.state(webhook) is WebhookState.SUSPENDED
    assert len(world.told) == 1


async def test_a_webhook_that_is_gone_is_no_destination(world: World) -> None:
    webhook = await world.webhook()
    made, now = str(uuid.uuid4()), world.clock.now()
    await world.webhooks.remove(webhook, None)
    orphan = Delivery(
        *(made, Channel.WEBHOOK, webhook.name, Content(payload="{}"), made, now, now),
        now + timedelta(days=1),
    )
    await world.deliveries.accept(orphan, 9)
    await world.delivering.send_due()
    found = await world.deliveries.get(made)
    assert found is not None
    assert (found.state, found.error) == (State.FAILED, "The webhook was removed.")
    assert world.endpoint.had == []


async def test_the_owner_is_told_of_one_version_once(world: World) -> None:
    webhook = await world.webhook()
    now = world.clock.now()
    event = of_suspension(webhook, "The server answered 410.", now)
    again = of_suspension(webhook, "Something else.", now + timedelta(days=1))
    assert event.fact_id == again.fact_id
    [draft] = event.drafts
    assert draft.kind is Kind.WEBHOOK_SUSPENDED
    assert draft.values == {"webhook": "Mine", "reason": "The server answered 410."}
    enabled = webhook.switched(WebhookState.ENABLED, now)
    assert of_suspension(enabled, "", now).fact_id != event.fact_id
