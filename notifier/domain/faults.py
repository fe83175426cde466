"""How deliveries fail."""

from __future__ import annotations

from chassis.faults import Conflict, Exhausted, Invalid, NotFound, Unavailable, WrongState


class DeliveryQueueFull(Exhausted):
    """As many messages wait for delivery as may."""

    reason = "DELIVERY_QUEUE_FULL"


class TooManyRequests(Exhausted):
    """Somebody has asked for too many calls of webhooks within a short time."""

    reason = "TOO_MANY_REQUESTS"


class ChannelUnavailable(Unavailable):
    """A message cannot be sent at present: later it may."""

    reason = "DEPENDENCY_UNAVAILABLE"


class MessageRefused(Invalid):
    """A message was refused for good: trying again does not help."""

    reason = "REQUEST_INVALID"


class MailRefused(MessageRefused):
    """The mail was refused for good: trying again does not help."""


class WebhookUrlRefused(Invalid):
    """Nothing is posted to this URL."""

    reason = "WEBHOOK_URL_REFUSED"


class WebhookNotFound(NotFound):
    """There is no such webhook, or it is somebody else's."""

    reason = "WEBHOOK_NOT_FOUND"


class TooManyWebhooks(Exhausted):
    """The person has as many webhooks as they may."""

    reason = "TOO_MANY_WEBHOOKS"


class WebhookOff(WrongState):
    """The webhook is switched off."""

    reason = "WEBHOOK_OFF"


class WebhookChanged(Conflict):
    """The webhook was changed since it was read."""

    reason = "ETAG_STALE"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery, or not any more."""

    reason = "DELIVERY_NOT_FOUND"


class DeliveryNotEnded(WrongState):
    """The delivery is still being tried."""

    reason = "DELIVERY_NOT_ENDED"


class NotificationNotFound(NotFound):
    """There is no such notification in the caller's inbox."""

    reason = "NOTIFICATION_NOT_FOUND"

    def __init__(self, notice_id: str) -> None:
        """Names it."""
        super().__init__(f"There is no notifications/{notice_id} in your inbox.")


class PersonNotFound(NotFound):
    """There is no such person, or the caller may not see them."""

    reason = "USER_NOT_FOUND"

    def __init__(self, user: str) -> None:
        """Names them."""
        super().__init__(f"There is no {user!r}, or it is not you; use users/me.")
