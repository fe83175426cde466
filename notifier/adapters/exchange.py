"""One request to somebody else's HTTP server, of whom nothing good is expected."""

from __future__ import annotations

import email.utils
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

MOST_READ = 64 * 1024
"""How much of an answer is read, bytes."""

LONGEST_WAIT = 3600.0
"""The longest Retry-After that is obeyed, seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: of HTTP.
        retry_after: how long it wants to be left alone, seconds; None where it does not say.
        body: the beginning of what it said, `MOST_READ` bytes at most.
    """

    status: int
    retry_after: float | None
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it did what it was asked to."""
        return 200 <= self.status < 300


async def exchange(client: httpx2.AsyncClient, request: httpx2.Request, now: datetime) -> Answer:
    """Sends a request and reads the beginning of its answer; redirects are not followed.

    Args:
        client: whose time limits are those of each step; the caller limits the whole.
        request: what to send.
        now: the present, which a date in Retry-After is compared with.

    Raises:
        httpx2.HTTPError: there is no answer, or none that is HTTP.
    """
    async with AsyncExitStack() as exits:
        response = await client.send(request, stream=True, follow_redirects=False)
        exits.push_async_callback(response.aclose)
        body = bytearray()
        # Raw: what was packed small is not unpacked large.
        async for part in response.aiter_raw(8 * 1024):
            body += part
            if len(body) >= MOST_READ:
                break
        wait = _retry_after(response.headers.get("retry-after", ""), now)
        return Answer(response.status_code, wait, bytes(body[:MOST_READ]))


def _retry_after(said: str, now: datetime) -> float | None:
    """Seconds from `Retry-After`: a number, or a date (RFC 9110, 10.2.3)."""
    if not said:
        return None
    if said.isascii() and said.isdigit():
        return min(float(said[:10]), LONGEST_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), LONGEST_WAIT)
