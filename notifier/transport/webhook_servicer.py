"""WebhookService, from the wire to the use case."""

from __future__ import annotations

from allocator.notifications.v1 import webhook_pb2, webhook_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import Once, chosen_fields, version_of
from chassis.rpc import Call
from chassis.rpc.chain import validate
from notifier.transport.webhook_mapping import (
    WISHED_FIELDS,
    changes_of,
    delivery_message_of,
    message_of,
    wished_of,
)
from notifier.usecases.webhooks import Webhooks


class WebhookServicer:
    """allocator.notifications.v1.WebhookService."""

    def __init__(self, webhooks: Webhooks) -> None:
        """Takes the use case."""
        self._webhooks = webhooks

    async def CreateWebhook(
        self, request: webhook_service_pb2.CreateWebhookRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Registers a webhook of the caller."""
        wished = wished_of(request.webhook)
        once = Once.of(
            call.caller.user,
            "CreateWebhook",
            request.request_id,
            wished.title,
            wished.url,
            list(wished.kinds),
        )
        made = await self._webhooks.create(call.caller, wished, once)
        return message_of(made, with_secret=True)

    async def GetWebhook(
        self, request: webhook_service_pb2.GetWebhookRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Reads a webhook."""
        return message_of(await self._webhooks.get(call.caller, request.name))

    async def ListWebhooks(
        self, request: webhook_service_pb2.ListWebhooksRequest, call: Call
    ) -> webhook_service_pb2.ListWebhooksResponse:
        """Lists webhooks, newest first."""
        found, token = await self._webhooks.page(
            call.caller, request.parent, request.page_size, request.page_token
        )
        return webhook_service_pb2.ListWebhooksResponse(
            webhooks=[message_of(one) for one in found], next_page_token=token
        )

    async def UpdateWebhook(
        self, request: webhook_service_pb2.UpdateWebhookRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Changes a webhook."""
        given = request.webhook
        validate(webhook_service_pb2.GetWebhookRequest(name=given.name))
        fields = chosen_fields(
            request.update_mask.paths,
            [field.name for field, _ in given.ListFields()],
            WISHED_FIELDS,
        )
        whole = webhook_pb2.Webhook(url="kept")
        for field in fields:
            whole.ClearField(field)  # type: ignore[arg-type]  # the stubs know each name
        partial = webhook_pb2.Webhook(**changes_of(given, fields))  # type: ignore[arg-type]
        whole.MergeFrom(partial)
        validate(webhook_service_pb2.CreateWebhookRequest(webhook=whole))
        changed = await self._webhooks.update(
            call.caller, given.name, changes_of(given, fields), version_of(given.etag)
        )
        return message_of(changed)

    async def DeleteWebhook(
        self, request: webhook_service_pb2.DeleteWebhookRequest, call: Call
    ) -> Empty:
        """Removes a webhook and its deliveries."""
        await self._webhooks.remove(call.caller, request.name, version_of(request.etag))
        return Empty()

    async def EnableWebhook(
        self, request: webhook_service_pb2.EnableWebhookRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Switches a webhook on."""
        return message_of(await self._webhooks.enable(call.caller, request.name))

    async def DisableWebhook(
        self, request: webhook_service_pb2.DisableWebhookRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Switches a webhook off."""
        return message_of(await self._webhooks.disable(call.caller, request.name))

    async def RotateWebhookSecret(
        self, request: webhook_service_pb2.RotateWebhookSecretRequest, call: Call
    ) -> webhook_pb2.Webhook:
        """Makes a new secret."""
        rotated = await self._webhooks.rotate(call.caller, request.name)
        return message_of(rotated, with_secret=True)

    async def TestWebhook(
        self, request: webhook_service_pb2.TestWebhookRequest, call: Call
    ) -> webhook_pb2.WebhookDelivery:
        """Sends a notice that tests a webhook."""
        return delivery_message_of(await self._webhooks.test(call.caller, request.name))

    async def GetWebhookDelivery(
        self, request: webhook_service_pb2.GetWebhookDeliveryRequest, call: Call
    ) -> webhook_pb2.WebhookDelivery:
        """Reads one delivery."""
        return delivery_message_of(await self._webhooks.delivery(call.caller, request.name))

    async def ListWebhookDeliveries(
        self, request: webhook_service_pb2.ListWebhookDeliveriesRequest, call: Call
    ) -> webhook_service_pb2.ListWebhookDeliveriesResponse:
        """Lists what was sent to a webhook, newest first."""
        found, token = await self._webhooks.deliveries(
            call.caller, request.parent, request.filter, request.page_size, request.page_token
        )
        return webhook_service_pb2.ListWebhookDeliveriesResponse(
            deliveries=[delivery_message_of(one) for one in found], next_page_token=token
        )

    async def ReplayWebhookDelivery(
        self, request: webhook_service_pb2.ReplayWebhookDeliveryRequest, call: Call
    ) -> webhook_pb2.WebhookDelivery:
        """Sends a delivery that has ended once more."""
        return delivery_message_of(await self._webhooks.replay(call.caller, request.name))
