"""DeliveryService, from the wire to the use case."""

from __future__ import annotations

from allocator.notifications.v1 import delivery_service_pb2

from chassis.rpc import Call
from notifier.transport.mapping import letter_of
from notifier.usecases.posting import Posting


class DeliveryServicer:
    """allocator.notifications.v1.DeliveryService."""

    def __init__(self, posting: Posting) -> None:
        """Takes the use case."""
        self._posting = posting

    async def Deliver(
        self, request: delivery_service_pb2.DeliverRequest, call: Call
    ) -> delivery_service_pb2.DeliverResponse:
        """Accepts one message for delivery."""
        await self._posting.post(letter_of(request))
        return delivery_service_pb2.DeliverResponse()
