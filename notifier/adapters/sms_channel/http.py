"""Text messages through a gateway that takes JSON over HTTP."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from chassis.clock import Clock
from notifier.adapters.sms_channel.gateway import Gateway, basic
from notifier.domain.sms import Sms
from notifier.domain.sms_gateway import HttpGateway, filled


class HttpSmsChannel:
    """A SmsChannel that posts JSON to a gateway, with the fields that the gateway wants.

    Each request has the header `Idempotency-Key`, which is the same for each attempt at one message.

    Args:
        gateway: where to, and how.
        timeout_seconds: for the whole of one request.
        clock: the time.
        tls: whom to trust; by default the authorities of this host.
    """

    def __init__(
        self,
        gateway: HttpGateway,
        timeout_seconds: float,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._to = gateway
        self._gateway = Gateway(urlsplit(gateway.url).netloc, timeout_seconds, clock, tls)

    async def send(self, sms: Sms) -> None:
        """Sends a message.

        Raises:
            ChannelUnavailable: the gateway is away, is busy, or does not let us in.
            MessageRefused: the gateway refuses the message for good.
        """
        to = self._to
        values = {"to": sms.to, "from": to.sender, "text": sms.text, "id": sms.id}
        headers = {"Idempotency-Key": sms.id}
        if to.token:
            headers["Authorization"] = f"Bearer {to.token}"
        elif to.user:
            headers["Authorization"] = basic(to.user, to.password)
        await self._gateway.ask(
            lambda client: client.build_request(
                "POST", to.url, json=filled(to.fields, values), headers=headers
            )
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._gateway.close()
