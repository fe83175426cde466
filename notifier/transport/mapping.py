"""Messages from the wire to the domain."""

from __future__ import annotations

from datetime import datetime, timedelta

from allocator.notifications.v1 import delivery_service_pb2

from notifier.domain.delivery import Content, ContentKind

_USEFUL_WITHOUT_END = timedelta(days=1)
"""A message that names no end is not worth sending later than this."""


def content_of(request: delivery_service_pb2.DeliverRequest, now: datetime) -> Content:
    """What a message says. The request keeps the rules of the contract."""
    if request.WhichOneof("content") == "verification_code":
        code = request.verification_code
        return Content(ContentKind.VERIFICATION_CODE, now + code.lifetime.ToTimedelta(), code.code)
    return Content(ContentKind.ADDRESS_TAKEN, now + _USEFUL_WITHOUT_END)
