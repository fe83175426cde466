"""The services of notifier, from the wire to the use cases."""

from __future__ import annotations

from allocator.notifications.v1 import delivery_service_pb2

from chassis.clock import Clock
from chassis.rpc import Call
from notifier.transport.mapping import content_of
from notifier.usecases.delivering import Delivering


class DeliveryServicer:
    """allocator.notifications.v1.DeliveryService."""

    def __init__(self, delivering: Delivering, clock: Clock) -> None:
        """Takes the use case, and the clock from which lifetimes count."""
        self._delivering = delivering
        self._clock = clock

    async def Deliver(
        self, request: delivery_service_pb2.DeliverRequest, call: Call
    ) -> delivery_service_pb2.DeliverResponse:
        """Accepts one message for delivery."""
        content = content_of(request, self._clock.now())
        await self._delivering.accept(request.delivery_id, request.email, content)
        return delivery_service_pb2.DeliverResponse()
