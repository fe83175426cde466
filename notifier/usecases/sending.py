"""What sending means over each channel: from a delivery to a mail, a text message or a request."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol

from chassis.clock import Clock
from chassis.faults import Fault
from notifier.domain.delivery import Delivery
from notifier.domain.faults import ChannelUnavailable, MessageRefused, WebhookUrlRefused
from notifier.domain.mail import mail_of
from notifier.domain.sms import Sms
from notifier.domain.webhook import Webhook, WebhookCall, message_id
from notifier.ports import MailChannel, SmsChannel, WebhookChannel, WebhookStore


def status_of(fault: Fault) -> int:
    """The HTTP status that an attempt was answered with; 0 without one."""
    return int(fault.metadata.get("status", "0"))


class Sending(Protocol):
    """Sends deliveries over one channel."""

    async def send(self, delivery: Delivery) -> int:
        """Makes one attempt.

        Returns:
            The HTTP status that it was answered with; 0 for a channel that is no HTTP.

        Raises:
            ChannelUnavailable: it is worth trying again; not before its `retry_after`.
            MessageRefused: it is not.
        """


class MailSending:
    """Sends deliveries as mails."""

    def __init__(self, channel: MailChannel, clock: Clock) -> None:
        """Takes the channel, and the clock that dates the mails."""
        self._channel = channel
        self._clock = clock

    async def send(self, delivery: Delivery) -> int:
        """Makes one attempt."""
        mail = mail_of(delivery, self._clock.now())
        if mail is None:
            raise MessageRefused("There is nothing to send any more.")
        await self._channel.send(mail)
        return 0


class SmsSending:
    """Sends deliveries as text messages."""

    def __init__(self, channel: SmsChannel, clock: Clock) -> None:
        """Takes the channel, and the clock that dates the messages."""
        self._channel = channel
        self._clock = clock

    async def send(self, delivery: Delivery) -> int:
        """Makes one attempt."""
        if delivery.content is None:
            raise MessageRefused("There is nothing to send any more.")
        text = delivery.content.text
        await self._channel.send(Sms(delivery.id, delivery.destination, text, self._clock.now()))
        return 0


class WebhookSending:
    """Posts deliveries to webhooks, and switches off those that fail for days."""

    def __init__(
        self,
        channel: WebhookChannel,
        store: WebhookStore,
        *,
        suspended_after: timedelta,
        clock: Clock,
        suspended: Callable[[Webhook, str], Awaitable[None]],
    ) -> None:
        """Takes what it needs.

        Args:
            channel: posts.
            store: knows the webhooks.
            suspended_after: a webhook that has failed for so long is switched off.
            clock: the time.
            suspended: tells the owner of a webhook that it is switched off, and why; of one version of
                it once, however often it is called.
        """
        self._channel = channel
        self._store = store
        self._suspended_after = suspended_after
        self._clock = clock
        self._suspended = suspended

    async def send(self, delivery: Delivery) -> int:
        """Makes one attempt."""
        now = self._clock.now()
        webhook = await self._store.get(delivery.destination.removeprefix("webhooks/"))
        if webhook is None or delivery.content is None:
            raise MessageRefused("The webhook was removed.")
        if not webhook.is_enabled:
            raise MessageRefused("The webhook is switched off.")
        call = WebhookCall(
            webhook.url,
            message_id(delivery.id),
            delivery.content.payload.encode(),
            webhook.signing_secrets(now),
        )
        try:
            answered = await self._channel.post(call)
        except ChannelUnavailable as fault:
            await self._has_failed(webhook, fault.message)
            raise
        except WebhookUrlRefused as fault:
            # Where a name leads changes: it is tried again, as long as anything else is.
            await self._has_failed(webhook, fault.message)
            raise ChannelUnavailable(fault.message) from fault
        if answered.is_good:
            if webhook.failing_since is not None:
                await self._store.well(webhook.id)
            return answered.status
        said = f"The server answered {answered.status}."
        if answered.is_gone:
            await self._suspend(webhook, said)
            raise MessageRefused(said, status=str(answered.status))
        await self._has_failed(webhook, said)
        raise ChannelUnavailable(
            said, retry_after=answered.retry_after, status=str(answered.status)
        )

    async def _has_failed(self, webhook: Webhook, why: str) -> None:
        now = self._clock.now()
        if webhook.failing_since is None:
            await self._store.failing(webhook.id, now)
        elif now - webhook.failing_since >= self._suspended_after:
            await self._suspend(webhook, why)

    async def _suspend(self, webhook: Webhook, why: str) -> None:
        # Told first, and once however often: who cannot be told at present is not cut off in silence,
        # but after the next attempt.
        with contextlib.suppress(Fault):
            await self._suspended(webhook, why)
            await self._store.suspend(webhook.id, self._clock.now())
