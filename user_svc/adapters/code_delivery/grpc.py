"""Letters handed to notifier over gRPC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from allocator.notifications.v1 import delivery_service_pb2, delivery_service_pb2_grpc
from google.protobuf import duration_pb2

from chassis.rpc import ask
from user_svc.domain.code import Letter, LetterKind, Purpose

if TYPE_CHECKING:
    import grpc

_CODE = delivery_service_pb2.VerificationCode
_PURPOSES = {
    Purpose.SIGN_UP: _CODE.SIGN_UP,
    Purpose.NEW_CONTACT: _CODE.NEW_CONTACT,
    Purpose.PASSWORD_RESET: _CODE.PASSWORD_RESET,
}


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
            delivery_id=letter.delivery_id,
            user=letter.to.user,
            language_code=letter.to.language_code,
        )
        if letter.email:
            request.email = letter.email
        else:
            request.phone_number = letter.phone_number
        match letter.kind:
            case LetterKind.VERIFICATION_CODE:
                lifetime = duration_pb2.Duration()
                lifetime.FromTimedelta(letter.expire_time - now)
                request.verification_code.code = letter.digits
                request.verification_code.lifetime.CopyFrom(lifetime)
                request.verification_code.purpose = _PURPOSES[letter.purpose]
            case LetterKind.ADDRESS_TAKEN:
                request.address_taken.SetInParent()
            case LetterKind.ADDRESS_CHANGED:
                request.address_changed.new_address = letter.new_contact
            case LetterKind.INVITATION:
                lifetime = duration_pb2.Duration()
                lifetime.FromTimedelta(letter.expire_time - now)
                request.invitation.code = letter.digits
                request.invitation.lifetime.CopyFrom(lifetime)
        await ask(self._stub.Deliver, request, timeout=self._timeout_seconds)
