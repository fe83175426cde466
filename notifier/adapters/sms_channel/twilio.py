"""Text messages through Twilio's Messages API.

The API: https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from chassis.clock import Clock
from notifier.adapters.sms_channel.gateway import Gateway, basic
from notifier.domain.sms import Sms
from notifier.domain.sms_gateway import TwilioGateway

_MOST_TEXT = 1600
"""The most characters of a `Body`."""


class TwilioSmsChannel:
    """A SmsChannel that posts a form to `/2010-04-01/Accounts/{SID}/Messages.json`.

    A sender that begins with `MG` is a messaging service, any other one is the `From`. The API knows no
    key that makes a repeated request one: after a crash between its answer and our note of it, a
    message comes twice.

    Args:
        gateway: the account, and how it is entered.
        timeout_seconds: for the whole of one request.
        clock: the time.
        tls: whom to trust; by default the authorities of this host.
    """

    def __init__(
        self,
        gateway: TwilioGateway,
        timeout_seconds: float,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = f"{gateway.url}/2010-04-01/Accounts/{gateway.account}/Messages.json"
        self._sender = gateway.sender
        self._headers = {
            "Authorization": basic(gateway.user, gateway.password),
            "Accept": "application/json",
        }
        self._gateway = Gateway(urlsplit(gateway.url).netloc, timeout_seconds, clock, tls)

    async def send(self, sms: Sms) -> None:
        """Sends a message.

        Raises:
            ChannelUnavailable: Twilio is away, is busy, or does not let us in.
            MessageRefused: Twilio refuses the message for good, a number that is none for example.
        """
        from_whom = "MessagingServiceSid" if self._sender.startswith("MG") else "From"
        form = {"To": sms.to, from_whom: self._sender, "Body": sms.text[:_MOST_TEXT]}
        await self._gateway.ask(
            lambda client: client.build_request("POST", self._url, data=form, headers=self._headers)
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._gateway.close()
