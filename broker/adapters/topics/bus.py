"""What is still on the bus."""

from __future__ import annotations

from chassis.bus import Bus


class BusTopics:
    """The topics of a bus."""

    def __init__(self, bus: Bus) -> None:
        """Works on a bus.

        Args:
            bus: where the topics are.
        """
        self._bus = bus

    async def erase(self, key: str, but: str) -> int:
        """Erases what the topics keep of a key; see `chassis.bus.Bus.erase`."""
        return await self._bus.erase(key, but)
