"""Letters handed to notifier over gRPC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from allocator.notifications.v1 import delivery_service_pb2, delivery_service_pb2_grpc
from google.protobuf import duration_pb2

from chassis.rpc import ask
from user_svc.domain.code import Letter, LetterKind

if TYPE_CHECKING:
    import grpc


class GrpcCodeDelivery:
    """A CodeDelivery over notifier's DeliveryService.

    Args:
        channel: to notifier.
        timeout_seconds: how long it may take to answer.
    """

    def __init__(self, channel: grpc.aio.Channel, timeout_seconds: float) -> None:
        self._stub = delivery_service_pb2_grpc.DeliveryServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def deliver(self, letter: Letter, now: datetime) -> None:
        """Hands a letter over.

        Raises:
            Fault: notifier did not take it, or does not answer.
        """
        request = delivery_service_pb2.DeliverRequest(
            delivery_id=letter.delivery_id, email=letter.email
        )
        if letter.kind is LetterKind.VERIFICATION_CODE:
            lifetime = duration_pb2.Duration()
            lifetime.FromTimedelta(letter.expire_time - now)
            request.verification_code.code = letter.digits
            request.verification_code.lifetime.CopyFrom(lifetime)
        else:
            request.address_taken.SetInParent()
        await ask(self._stub.Deliver, request, timeout=self._timeout_seconds)
