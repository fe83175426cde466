"""Accepting messages: they are stored before anybody is told that they will be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from notifier.domain.delivery import Delivery
from notifier.ports import DeliveryStore

CLOCKS_APART = timedelta(minutes=5)
"""How far the clocks of replicas may be apart: what is due at once is due so much earlier."""


class Accepting:
    """Stores messages, and has them sent."""

    def __init__(
        self, store: DeliveryStore, *, most_waiting: int, waits: Callable[[], None]
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the messages.
            most_waiting: how many messages of a channel may wait.
            waits: is called when a message was stored: whoever sends shall be woken.
        """
        self._store = store
        self._most_waiting = most_waiting
        self._waits = waits

    async def accept(self, delivery: Delivery) -> None:
        """Stores a message; the same identifier again changes nothing.

        Raises:
            DeliveryQueueFull: as many of its channel wait as may.
        """
        # Due for whoever sends it, also where their clock is behind ours.
        due = replace(delivery, due_time=delivery.accept_time - CLOCKS_APART)
        if await self._store.accept(due, self._most_waiting):
            self._waits()
