"""Messages from the wire to the domain."""

from __future__ import annotations

from datetime import timedelta

from allocator.notifications.v1 import delivery_service_pb2

from notifier.domain.delivery import Channel
from notifier.domain.spoken import Span, Value
from notifier.usecases.posting import Letter

_USEFUL_WITHOUT_END = timedelta(days=1)
"""A message that names no end is not worth sending later than this."""

_CODES = {
    delivery_service_pb2.VerificationCode.NEW_CONTACT: "CODE_NEW_CONTACT",
    delivery_service_pb2.VerificationCode.PASSWORD_RESET: "CODE_PASSWORD_RESET",
}


def letter_of(request: delivery_service_pb2.DeliverRequest) -> Letter:
    """What is asked to be told. The request keeps the rules of the contract."""
    if request.WhichOneof("recipient") == "phone_number":
        channel, destination = Channel.SMS, request.phone_number
    else:
        channel, destination = Channel.EMAIL, request.email
    lifetime = _USEFUL_WITHOUT_END
    path = ""
    values: dict[str, Value] = {}
    match request.WhichOneof("content"):
        case "verification_code":
            verification = request.verification_code
            lifetime = verification.lifetime.ToTimedelta()
            kind = _CODES.get(verification.purpose, "CODE_SIGN_UP")
            values = {"code": verification.code, "minutes": _minutes(lifetime)}
        case "address_changed":
            kind = "ADDRESS_CHANGED"
            values = {"new_address": request.address_changed.new_address}
        case "invitation":
            lifetime = request.invitation.lifetime.ToTimedelta()
            code = request.invitation.code
            kind = "INVITATION"
            values = {"code": code, "left": Span(lifetime)}
            # Behind the #, so that no server on the way writes it down.
            path = f"/signup#invitation={code}"
        case _:
            kind = "ADDRESS_TAKEN"
    return Letter(
        id=request.delivery_id,
        channel=channel,
        destination=destination,
        kind=kind,
        values=values,
        lifetime=lifetime,
        user=request.user,
        language=request.language_code,
        path=path,
    )


def _minutes(span: timedelta) -> str:
    return str(max(1, round(span.total_seconds() / 60)))
