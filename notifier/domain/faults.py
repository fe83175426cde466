"""How deliveries fail."""

from __future__ import annotations

from chassis.faults import Exhausted, Invalid, Unavailable


class DeliveryQueueFull(Exhausted):
    """As many messages wait for delivery as may."""

    reason = "DELIVERY_QUEUE_FULL"


class ChannelUnavailable(Unavailable):
    """The mail cannot be sent at present: later it may."""

    reason = "DEPENDENCY_UNAVAILABLE"


class MailRefused(Invalid):
    """The mail was refused for good: trying again does not help."""

    reason = "REQUEST_INVALID"
