"""The topics of states: what they say goes into the directory."""

from __future__ import annotations

from broker.domain.entry import Ended, Entry
from broker.ports import DirectoryStore
from broker.transport.mapping import news_of
from chassis.bus import Record
from chassis.clock import Clock

GROUP = "broker.directory"
"""The group as which the directory consumes."""


class StateConsumer:
    """Learns what records say; called for each, perhaps more than once."""

    def __init__(self, store: DirectoryStore, clock: Clock) -> None:
        """Writes into a store.

        Args:
            store: the directory.
            clock: tells when something was learnt.
        """
        self._store = store
        self._clock = clock

    async def __call__(self, record: Record) -> None:
        """Learns one record.

        Raises:
            Invalid: it is not one that our services publish.
            Unavailable: the store does not answer.
        """
        match news_of(record, self._clock.now()):
            case Entry() as entry:
                await self._store.put(entry)
            case Ended() as ended:
                await self._store.end(ended)
            case None:
                pass
