"""What every gateway over HTTP has in common: asking it, and understanding how it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from chassis.clock import Clock
from notifier.adapters.exchange import Answer, exchange
from notifier.domain.faults import ChannelUnavailable, MessageRefused

if TYPE_CHECKING:
    import httpx2

# Somebody may correct the password, and the message is as good as before.
_NOT_LET_IN = 401
_LATER = (408, 425, 429)


class Gateway:
    """A gateway over HTTP; its client is made at the first message.

    Args:
        where: host and port, for what is said of failures.
        timeout_seconds: for the whole of one request.
        clock: the time.
        tls: whom to trust; by default the authorities of this host.
    """

    def __init__(
        self, where: str, timeout_seconds: float, clock: Clock, tls: ssl.SSLContext | None
    ) -> None:
        self._where = where
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._tls = tls
        self._client: httpx2.AsyncClient | None = None

    async def ask(self, written: Callable[[httpx2.AsyncClient], httpx2.Request]) -> None:
        """Sends what a message is to this gateway.

        Args:
            written: makes the request.

        Raises:
            ChannelUnavailable: the gateway does not answer, or wants to be asked later.
            MessageRefused: the gateway refuses the message for good.
        """
        import httpx2

        client = self._client = self._client or self._opened()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await exchange(client, written(client), self._clock.now())
        except (httpx2.HTTPError, OSError, TimeoutError) as error:
            # Not its text, which may have the address with a number in it.
            raise ChannelUnavailable(
                f"The SMS gateway {self._where} does not answer: {type(error).__name__}."
            ) from error
        except (httpx2.InvalidURL, ValueError) as error:
            raise MessageRefused("The message cannot be sent to the SMS gateway.") from error
        if not answer.is_good:
            raise self._refused(answer)

    async def close(self) -> None:
        """Closes the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _opened(self) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(
            verify=self._tls or ssl.create_default_context(),
            timeout=self._timeout_seconds,
            limits=httpx2.Limits(max_connections=32, max_keepalive_connections=4),
            trust_env=False,
        )

    def _refused(self, answer: Answer) -> ChannelUnavailable | MessageRefused:
        said = f"The SMS gateway {self._where} answered {answer.status}{_code_in(answer.body)}."
        if answer.status in (_NOT_LET_IN, *_LATER) or not 400 <= answer.status < 500:
            return ChannelUnavailable(said, retry_after=answer.retry_after)
        return MessageRefused(said)


def basic(user: str, password: str) -> str:
    """The header of basic authentication (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _code_in(body: bytes) -> str:
    """The number of the error, as Twilio and others say it; their text may have the number in it."""
    try:
        code = json.loads(body).get("code")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f" (error {code})" if isinstance(code, int) else ""
