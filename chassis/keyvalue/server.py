"""The key-value server, by the protocol of Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis.clock import Clock
from chassis.faults import Unavailable
from chassis.keyvalue.breaker import PAUSE_SECONDS, Breaker

DEADLINE_SECONDS = 0.5
"""How long a call may take altogether: waiting for a connection, connecting, the answer."""

CONNECTIONS = 32
"""How many connections a process has at most; further calls wait for one until their deadline."""

_HEALTH_SECONDS = 15

_log = structlog.get_logger("chassis.keyvalue")

Script = Callable[[Sequence[str], Sequence[str | bytes | int | float]], Awaitable[Any]]
"""Runs a script on keys with arguments."""


class KeyValueServer:
    """A server that is asked under a deadline, and left alone for a pause when it fails.

    It connects when it is first asked, so that a process starts without it. Its methods raise
    Unavailable: after the deadline at the latest, and at once during the pause.

    Args:
        url: `redis://host:6379/0`; `rediss://` for TLS, `?ssl_ca_certs=…` for an authority of one's
            own.
        clock: for the pause and the watch.
        deadline_seconds: how long a call may take altogether.

    Raises:
        ValueError: that is no such URL.
    """

    def __init__(
        self, url: str, clock: Clock, *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._deadline = deadline_seconds
        self._clock = clock
        self._breaker = Breaker(clock)
        # Once more at once: a connection of the pool may have been cut while nobody used it.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=deadline_seconds,
            socket_connect_timeout=deadline_seconds,
            # Each call has a deadline. With a time of its own for each step the client waits by
            # `asyncio.wait_for`, which in Python 3.11 swallows a cancellation now and then: the
            # deadline would pass unnoticed.
            socket_timeout=None,
            health_check_interval=_HEALTH_SECONDS,
            retry=Retry(NoBackoff(), 1),
            protocol=2,
        )
        self._client = Redis.from_pool(pool)

    @property
    def is_away(self) -> bool:
        """Whether the last that is known of the server is that it failed."""
        return self._breaker.is_open

    def script(self, text: str) -> Script:
        """A script in Lua that runs on the server with nothing else in between.

        It is sent by its digest; a server that does not know it, after a restart, is told it.
        """
        registered = self._client.register_script(text)

        async def run(keys: Sequence[str], arguments: Sequence[str | bytes | int | float]) -> Any:
            return await self._call(lambda: registered(keys=list(keys), args=list(arguments)))

        return run

    async def delete(self, key: str) -> None:
        """Removes a key.

        Raises:
            Unavailable: the server does not answer.
        """
        await self._call(lambda: self._client.delete(key))

    async def ping(self) -> None:
        """Asks whether it is there.

        Raises:
            Unavailable: the server does not answer.
        """
        await self._call(lambda: cast("Awaitable[Any]", self._client.ping()))

    async def watch(self) -> None:
        """Asks every two seconds, until cancelled: so what is known of it is true without calls too."""
        while True:
            # Whether it answered is remembered.
            with contextlib.suppress(Unavailable):
                await self.ping()
            if self.is_away:
                # Some may be to a server that is no more, and would cost a deadline each.
                with contextlib.suppress(RedisError):
                    await self._client.connection_pool.disconnect(inuse_connections=False)
            await self._clock.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """Closes its connections. May be called twice."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _call(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        if not self._breaker.admits():
            raise _away()
        try:
            async with asyncio.timeout(self._deadline):
                answer = await ask()
        except (RedisError, OSError, TimeoutError) as error:
            if self._breaker.failed():
                _log.warning(
                    "key-value server away", error=f"{type(error).__name__}: {error}"[:300]
                )
            raise _away() from None
        if self._breaker.succeeded():
            _log.info("key-value server back")
        return answer


def _away() -> Unavailable:
    return Unavailable(
        "What the replicas share is away at present; try again in a moment.",
        retry_after=PAUSE_SECONDS,
    )
