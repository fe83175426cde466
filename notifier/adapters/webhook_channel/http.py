"""Webhooks over HTTP."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from chassis.clock import Clock
from notifier.adapters.exchange import Answer, exchange
from notifier.adapters.webhook_channel.addresses import Addresses
from notifier.domain.faults import ChannelUnavailable, WebhookUrlRefused
from notifier.domain.webhook import Answered, WebhookCall, check_url, is_public

if TYPE_CHECKING:
    import httpx2

_MOST_ADDRESSES = 3
"""How many addresses of a host are tried."""


class HttpWebhookChannel:
    """A WebhookChannel over HTTP.

    The name of the host is resolved here, once for each attempt, and the connection goes to the address
    that was looked at: nothing is resolved a second time. The certificate is checked against the name.
    No connection is kept, no proxy is used, no redirect followed.

    Args:
        timeout_seconds: for the whole of one request, its resolution included.
        clock: the time, which stands in the headers.
        allow_http: whether `http://` is allowed.
        allow_private: whether addresses of private networks and of this host are allowed.
        tls: whom to trust; by default the authorities of this host.
        addresses: resolves names.
    """

    def __init__(
        self,
        timeout_seconds: float,
        clock: Clock,
        *,
        allow_http: bool = False,
        allow_private: bool = False,
        tls: ssl.SSLContext | None = None,
        addresses: Callable[[], Addresses] = Addresses,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._tls = tls
        self._addresses = addresses()
        self._client: httpx2.AsyncClient | None = None

    async def check(self, url: str) -> None:
        """Checks a URL before it is registered, also where its name leads.

        Raises:
            WebhookUrlRefused: nothing would be posted to it.
        """
        import httpx2

        check_url(url, allow_http=self._allow_http)
        try:
            target = httpx2.URL(url)
            async with asyncio.timeout(self._timeout_seconds):
                self._allowed(await self._addresses.of(target.host, _port_of(target)))
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise WebhookUrlRefused("The URL cannot be read; write https://host/path.") from error
        except (ChannelUnavailable, TimeoutError):
            # That its name is not known yet, or not now, is no reason to refuse it.
            return

    async def post(self, call: WebhookCall) -> Answered:
        """Posts to a webhook.

        Raises:
            ChannelUnavailable: there is no answer.
            WebhookUrlRefused: nothing is posted to this URL, or not where its name leads now.
        """
        import httpx2

        check_url(call.url, allow_http=self._allow_http)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._answer(call)
        except httpx2.InvalidURL as error:
            raise WebhookUrlRefused("The URL cannot be read; write https://host/path.") from error
        except TimeoutError as error:
            raise ChannelUnavailable(
                f"There was no answer within {self._timeout_seconds:g} seconds."
            ) from error
        except (httpx2.HTTPError, OSError, UnicodeError, ValueError) as error:
            raise ChannelUnavailable(_in_words(error)) from error
        return Answered(answer.status, answer.retry_after)

    async def close(self) -> None:
        """Ends what is going on."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self._addresses.close()

    async def _answer(self, call: WebhookCall) -> Answer:
        import httpx2

        target = httpx2.URL(call.url)
        port = _port_of(target)
        found = self._allowed(await self._addresses.of(target.host, port))
        now = self._clock.now()
        headers = {
            "Host": target.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "allocator-webhooks/1",
            "Accept-Encoding": "identity",
            **call.headers(now),
        }
        client = self._client = self._client or self._opened()
        for address in found[:_MOST_ADDRESSES]:
            # TLS goes by the name, the connection by the address.
            request = client.build_request(
                "POST",
                target.copy_with(host=address, port=port),
                content=call.body,
                headers=headers,
                extensions={"sni_hostname": target.host},
            )
            try:
                return await exchange(client, request, now)
            except httpx2.ConnectError as error:
                refused = error
        raise refused

    def _allowed(self, addresses: Sequence[str]) -> Sequence[str]:
        if self._allow_private or all(is_public(address) for address in addresses):
            return addresses
        raise WebhookUrlRefused(
            "The URL leads into a private network or to this host; use a public address."
        )

    def _opened(self) -> httpx2.AsyncClient:
        import httpx2

        return httpx2.AsyncClient(
            verify=self._tls or ssl.create_default_context(),
            timeout=self._timeout_seconds,
            # How many are sent at once is the workers' to decide.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )


def _port_of(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _in_words(error: BaseException) -> str:
    """Why there was no answer, for the owner of the webhook."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate is not trusted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "The connection could not be secured by TLS."
        if isinstance(cause, ConnectionRefusedError):
            return "The connection was refused."
        cause = cause.__cause__ or cause.__context__
    return "The connection failed, or what was answered is no HTTP."
