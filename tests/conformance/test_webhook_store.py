"""Webhooks, as their port promises them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.clock import SystemClock
from chassis.faults import Conflict
from chassis.identity import Vault
from chassis.listing import Once
from chassis.sql import Database, open_database
from notifier.adapters.delivery_store.sql import SqlDeliveryStore
from notifier.adapters.webhook_store.sql import SqlWebhookStore
from notifier.domain.delivery import Channel, Content, Delivery
from notifier.domain.faults import TooManyWebhooks, WebhookChanged
from notifier.domain.webhook import Webhook, WebhookState, new_secret, new_webhook_id
from notifier.ports import DeliveryStore, WebhookStore
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

Opening = Callable[[], Awaitable[tuple[WebhookStore, DeliveryStore, Database]]]


@pytest.fixture(params=SQL_ENGINES)
def opening(request: pytest.FixtureRequest, sql_place: SqlPlace) -> Opening:
    """Opens the same stores each time that it is called."""
    url = sql_place(request.param, "notifier.schema")

    async def open_() -> tuple[WebhookStore, DeliveryStore, Database]:
        database = await open_database(url, "notifier.schema", SystemClock())
        vault = Vault(b"k" * 32)
        return SqlWebhookStore(database, vault), SqlDeliveryStore(database, vault), database

    return open_


@pytest.fixture
async def stores(opening: Opening) -> AsyncIterator[tuple[WebhookStore, DeliveryStore]]:
    """A store with nothing in it, and that of deliveries beside it."""
    webhooks, deliveries, database = await opening()
    yield webhooks, deliveries
    await database.close()


@pytest.fixture
def store(stores: tuple[WebhookStore, DeliveryStore]) -> WebhookStore:
    """A store with nothing in it."""
    return stores[0]


def a_webhook(seconds: int = 0, owner: str = "users/ada") -> Webhook:
    """A webhook that was made so many seconds later."""
    made = NOW + timedelta(seconds=seconds)
    return Webhook(
        id=new_webhook_id(),
        uid=str(uuid.uuid4()),
        owner=owner,
        title="Grüße 🦊",
        url="https://hooks.example.org/" + "x" * 1900,
        kinds=("ALLOCATION_READY",),
        create_time=made,
        update_time=made,
        secret=new_secret(),
    )


def a_delivery(webhook: Webhook) -> Delivery:
    """Something that waits for a webhook."""
    made = str(uuid.uuid4())
    end = NOW + timedelta(days=1)
    content = Content(payload="{}")
    return Delivery(
        *(made, Channel.WEBHOOK, webhook.name, content, made, NOW, NOW, end), user=webhook.owner
    )


async def test_a_webhook_comes_back_as_it_was_stored(opening: Opening) -> None:
    store, _, database = await opening()
    webhook = a_webhook()
    assert await store.add(webhook, 5) == webhook
    stored = await what_is_stored(database)
    await database.close()
    store, _, database = await opening()
    assert await store.get(webhook.id) == webhook
    assert await store.get("nobody") is None
    await database.close()
    assert webhook.url.encode() in stored
    assert webhook.secret.encode() not in stored


async def test_nobody_has_more_than_may_be_also_at_once(store: WebhookStore) -> None:
    await store.add(a_webhook(owner="users/bob"), 3)
    done = await asyncio.gather(
        *(store.add(a_webhook(n), 3) for n in range(8)), return_exceptions=True
    )
    assert sum(isinstance(one, Webhook) for one in done) == 3
    assert sum(isinstance(one, TooManyWebhooks) for one in done) == 5
    assert len(await store.of_owner("users/ada")) == 3


async def test_the_same_request_makes_one_webhook_also_at_once(store: WebhookStore) -> None:
    once = Once("users/ada", "CreateWebhook", str(uuid.uuid4()), "f" * 64)
    first = await store.add(a_webhook(), 5, once)
    again = await asyncio.gather(*(store.add(a_webhook(), 1, once) for _ in range(3)))
    assert [one.id for one in again] == [first.id] * 3
    assert [one.secret for one in again] == [first.secret] * 3
    assert await store.of_owner("users/ada") == [first]
    with pytest.raises(Conflict) as reused:
        await store.add(a_webhook(), 5, replace(once, fingerprint="e" * 64))
    assert reused.value.reason == "REQUEST_ID_REUSED"


async def test_pages_are_newest_first(store: WebhookStore) -> None:
    mine = [await store.add(a_webhook(seconds), 9) for seconds in (0, 1, 1, 2, 3)]
    other = await store.add(a_webhook(1, "users/bob"), 9)
    for owner, expected in (("users/ada", mine), ("", [*mine, other]), ("users/bob", [other])):
        found: list[Webhook] = []
        after = None
        while page := await store.page(owner, after, 2):
            found += page
            after = (page[-1].create_time, page[-1].id)
        assert found == sorted(expected, key=lambda one: (one.create_time, one.id), reverse=True)


async def test_changes_at_once_all_count(store: WebhookStore) -> None:
    webhook = await store.add(a_webhook(), 5)

    def retitled(n: int) -> Callable[[Webhook], Webhook]:
        return lambda was: was.edited(NOW, title=f"{was.title}{n}", url=was.url, kinds=was.kinds)

    await asyncio.gather(*(store.change(webhook.id, retitled(n)) for n in range(4)))
    found = await store.get(webhook.id)
    assert found is not None
    assert found.version == 5
    assert sorted(found.title.removeprefix(webhook.title)) == ["0", "1", "2", "3"]
    assert await store.change("nobody", retitled(1)) is None


async def test_what_an_edit_raises_comes_through_and_changes_nothing(store: WebhookStore) -> None:
    webhook = await store.add(a_webhook(), 5)

    def refuses(_was: Webhook) -> Webhook:
        raise WebhookChanged("Read it again.")

    with pytest.raises(WebhookChanged):
        await store.change(webhook.id, refuses)
    assert await store.get(webhook.id) == webhook


async def test_a_rotation_keeps_the_former_secret(store: WebhookStore) -> None:
    webhook = await store.add(a_webhook(), 5)
    secret = new_secret()
    rotated = await store.change(webhook.id, lambda was: was.rotated(secret, NOW))
    assert rotated == await store.get(webhook.id)
    assert rotated is not None
    assert rotated.signing_secrets(NOW) == (secret, webhook.secret)


async def test_failures_are_noted_from_the_first_on(store: WebhookStore) -> None:
    webhook = await store.add(a_webhook(), 5)
    await store.failing(webhook.id, NOW)
    await store.failing(webhook.id, NOW + timedelta(days=1))
    found = await store.get(webhook.id)
    assert found == replace(webhook, failing_since=NOW)
    await store.well(webhook.id)
    assert await store.get(webhook.id) == webhook
    assert await store.suspend(webhook.id, NOW)
    assert not await store.suspend(webhook.id, NOW)
    found = await store.get(webhook.id)
    assert found is not None
    assert found.state is WebhookState.SUSPENDED
    assert found.version == 2


async def test_a_webhook_goes_with_its_deliveries(
    stores: tuple[WebhookStore, DeliveryStore],
) -> None:
    webhooks, deliveries = stores
    gone, kept = await webhooks.add(a_webhook(), 5), await webhooks.add(a_webhook(), 5)
    of_gone, of_kept = a_delivery(gone), a_delivery(kept)
    for one in (of_gone, of_kept):
        await deliveries.accept(one, 9)
    with pytest.raises(WebhookChanged):
        await webhooks.remove(gone, 7)
    assert await webhooks.get(gone.id) == gone
    assert await webhooks.remove(gone, 1)
    assert not await webhooks.remove(gone, None)
    assert await webhooks.get(gone.id) is None
    assert await deliveries.get(of_gone.id) is None
    assert await deliveries.get(of_kept.id) == of_kept


async def test_all_of_a_person_is_erased(stores: tuple[WebhookStore, DeliveryStore]) -> None:
    webhooks, deliveries = stores
    mine = [await webhooks.add(a_webhook(), 5) for _ in range(2)]
    other = await webhooks.add(a_webhook(owner="users/bob"), 5)
    made = [a_delivery(one) for one in (*mine, other)]
    for one in made:
        await deliveries.accept(one, 9)
    assert await webhooks.erase("users/ada") == 2
    assert await webhooks.erase("users/ada") == 0
    assert await webhooks.of_owner("users/ada") == []
    assert await webhooks.of_owner("users/bob") == [other]
    assert [await deliveries.get(one.id) for one in made] == [None, None, made[2]]
