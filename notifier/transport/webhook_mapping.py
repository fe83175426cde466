"""Webhooks and their deliveries, from the domain to the wire and back."""

from __future__ import annotations

from collections.abc import Collection

from allocator.notifications.v1 import webhook_pb2

from chassis.listing import etag_of
from notifier.domain.delivery import Delivery, State
from notifier.domain.webhook import Webhook, WebhookState, message_id
from notifier.usecases.webhooks import Wished

WISHED_FIELDS = ("title", "url", "kinds")
"""The fields that an owner may change."""

_STATES = {
    WebhookState.ENABLED: webhook_pb2.Webhook.ENABLED,
    WebhookState.DISABLED: webhook_pb2.Webhook.DISABLED,
    WebhookState.SUSPENDED: webhook_pb2.Webhook.SUSPENDED,
}
_DELIVERY_STATES = {
    State.PENDING: webhook_pb2.WebhookDelivery.PENDING,
    State.LEASED: webhook_pb2.WebhookDelivery.LEASED,
    State.SENT: webhook_pb2.WebhookDelivery.SENT,
    State.FAILED: webhook_pb2.WebhookDelivery.FAILED,
}


def wished_of(given: webhook_pb2.Webhook) -> Wished:
    """What a person says of a webhook."""
    return Wished(given.title, given.url, tuple(given.kinds))


def changes_of(given: webhook_pb2.Webhook, fields: Collection[str]) -> dict[str, object]:
    """The new values of the chosen fields."""
    wished = wished_of(given)
    return {field: getattr(wished, field) for field in fields}


def message_of(webhook: Webhook, *, with_secret: bool = False) -> webhook_pb2.Webhook:
    """A webhook on the wire; its secret only where it was just made."""
    message = webhook_pb2.Webhook(
        name=webhook.name,
        uid=webhook.uid,
        owner=webhook.owner,
        title=webhook.title,
        url=webhook.url,
        kinds=webhook.kinds,
        state=_STATES[webhook.state],
        secret=webhook.secret if with_secret else "",
        etag=etag_of(webhook.version),
    )
    message.create_time.FromDatetime(webhook.create_time)
    message.update_time.FromDatetime(webhook.update_time)
    if webhook.former_until is not None:
        message.former_secret_expire_time.FromDatetime(webhook.former_until)
    if webhook.failing_since is not None:
        message.failing_since.FromDatetime(webhook.failing_since)
    return message


def delivery_message_of(delivery: Delivery) -> webhook_pb2.WebhookDelivery:
    """A delivery to a webhook on the wire."""
    message = webhook_pb2.WebhookDelivery(
        name=f"{delivery.destination}/deliveries/{delivery.id}",
        kind=delivery.kind,
        webhook_id=message_id(delivery.id),
        state=_DELIVERY_STATES[delivery.state],
        attempts=delivery.attempts,
        response_code=delivery.response_code,
        error=delivery.error,
    )
    message.create_time.FromDatetime(delivery.accept_time)
    if delivery.attempt_time is not None:
        message.attempt_time.FromDatetime(delivery.attempt_time)
    if not delivery.has_ended:
        message.next_attempt_time.FromDatetime(delivery.due_time)
        message.expire_time.FromDatetime(delivery.expire_time)
    return message
