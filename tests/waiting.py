"""Waiting for what comes by itself: asked again and again, with an end, and never by sleeping blindly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 20.0
"""How long anything may take, seconds: tests run beside each other on slow machines."""


async def until(
    condition: Callable[[], Awaitable[bool]], within: float = PATIENCE, every: float = 0.0
) -> None:
    """Asks until something is so.

    Args:
        condition: answers whether it is.
        within: how long it may take, seconds.
        every: how long to leave whoever is asked alone between two questions, seconds.

    Raises:
        TimeoutError: it was not so in time.
    """
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - a server is asked
            # An answer from memory lets nobody else go on.
            await asyncio.sleep(every)
