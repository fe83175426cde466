"""Making the broker's directory anew from what the bus keeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from allocctl.keeping.bus_records import kept_records
from allocctl.keeping.installation import Installation
from broker.composition import open_directory_store, stores
from broker.transport.consumer import StateConsumer
from broker.transport.mapping import TOPICS
from broker.usecases.rebuilding import Rebuilding
from chassis.bus import Effect
from chassis.clock import SystemClock
from chassis.faults import Invalid


class KeptStateTopics:
    """The topics of states, read to where they end now, as no group."""

    def __init__(
        self, installation: Installation, learn: Effect, left_out: Callable[[str], object]
    ) -> None:
        """Reads the bus of an installation.

        Args:
            installation: whose bus.
            learn: what to do with each record.
            left_out: told of each record that cannot be learnt.
        """
        self._installation = installation
        self._learn = learn
        self._left_out = left_out

    async def replay(self, group: str) -> int:
        """See `broker.ports.StateTopics`."""
        del group  # what is read leaves no trace
        learnt = 0
        # Read in the loop: this process does nothing else.
        kept = kept_records(self._installation)
        try:
            for topic in sorted(set(kept.topics()) & set(TOPICS)):
                for record in kept.records(topic):
                    try:
                        await self._learn(record)
                    except Invalid as fault:
                        self._left_out(fault.message)
                    else:
                        learnt += 1
        finally:
            kept.close()
        return learnt


async def rebuild_directory(
    installation: Installation, left_out: Callable[[str], object] = lambda _why: None
) -> int | None:
    """Makes the directory anew, while it is read.

    Args:
        installation: whose directory.
        left_out: told of each record that cannot be learnt.

    Returns:
        How many records it was made from; None where another rebuild has begun since.

    Raises:
        SchemaTooOld, SchemaTooNew: the store is not of this version.
        Unavailable: the store or the bus does not answer; what is read is as it was.
    """
    clock = SystemClock()
    async with AsyncExitStack() as exits:
        [store] = stores(installation.settings)
        directory = await open_directory_store(store, installation.folder, clock, exits)
        topics = KeptStateTopics(installation, StateConsumer(directory, clock), left_out)
        return await Rebuilding(directory, topics).rebuild()
