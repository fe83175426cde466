"""Making the broker's read models anew from what the bus keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import islice

from allocctl.keeping.bus_records import kept_records
from allocctl.keeping.installation import Installation
from broker.adapters.topics.nowhere import NoTopics
from broker.composition import open_read_models, stores
from broker.settings import Settings
from broker.transport.consumer import FactConsumer, StateConsumer
from broker.transport.events import anonymous
from broker.transport.facts import fact_topics
from broker.transport.mapping import TOPICS
from broker.usecases.erasing import Erasing
from broker.usecases.learning import Learning
from broker.usecases.rebuilding import Rebuilding
from chassis.bus import EffectOfMany, Record
from chassis.clock import SystemClock
from chassis.faults import Invalid

_AT_ONCE = 500


class KeptTopics:
    """Topics, read to where they end now, as no group."""

    def __init__(
        self,
        installation: Installation,
        wanted: Sequence[str],
        learn: EffectOfMany,
        left_out: Callable[[str], object],
    ) -> None:
        """Reads the bus of an installation.

        Args:
            installation: whose bus.
            wanted: which topics.
            learn: what to do with records.
            left_out: told of each record that cannot be learnt.
        """
        self._installation = installation
        self._wanted = wanted
        self._learn = learn
        self._left_out = left_out

    async def replay(self, group: str) -> int:
        """See `broker.ports.StateTopics`."""
        del group  # what is read leaves no trace
        learnt = 0
        # Read in the loop: this process does nothing else.
        kept = kept_records(self._installation)
        try:
            for topic in sorted(set(kept.topics()) & set(self._wanted)):
                for records in _together(kept.records(topic)):
                    learnt += await self._learnt(records)
        finally:
            kept.close()
        return learnt

    async def _learnt(self, records: Sequence[Record]) -> int:
        """Has records learnt; says how many could be."""
        try:
            await self._learn(records)
        except Invalid as fault:
            if len(records) > 1:
                return sum([await self._learnt([record]) for record in records])
            self._left_out(fault.message)
            return 0
        return len(records)


def _together(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, _AT_ONCE)):
        yield some


async def rebuild_directory(
    installation: Installation, left_out: Callable[[str], object] = lambda _why: None
) -> int | None:
    """Makes the directory anew, while it is read, and adds to timelines what they do not have.

    Args:
        installation: whose directory.
        left_out: told of each record that cannot be learnt.

    Returns:
        How many records the directory was made from; None where another rebuild has begun since.

    Raises:
        SchemaTooOld, SchemaTooNew: the store is not of this version.
        Unavailable: the store or the bus does not answer; what is read is as it was.
    """
    clock = SystemClock()
    async with AsyncExitStack() as exits:
        [store] = stores(installation.settings)
        most = installation.settings.of(Settings).timeline_most_events
        models = await open_read_models(store, installation.folder, clock, exits, most)
        # Who has gone was taken out of the topics when that was heard of.
        erasing = Erasing(models.directory, NoTopics(), anonymous)
        learning = Learning(models.directory, models.timeline, erasing, anonymous)
        facts = KeptTopics(installation, fact_topics(), FactConsumer(learning), left_out)
        states = KeptTopics(installation, TOPICS, StateConsumer(learning, clock), left_out)
        # Facts first: who has gone is known then.
        await facts.replay("")
        return await Rebuilding(models.directory, states).rebuild()
