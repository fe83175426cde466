"""The topics of states and of facts: what they say goes into the directory and the timelines."""

from __future__ import annotations

from collections.abc import Sequence

from broker.transport.facts import news_of_facts
from broker.transport.mapping import news_of
from broker.usecases.learning import Learning
from chassis.bus import Record
from chassis.clock import Clock

GROUP = "broker.directory"
"""The group as which the directory consumes."""

TIMELINE_GROUP = "broker.timeline"
"""The group as which timelines and the audit trail consume."""


class StateConsumer:
    """Learns what records of topics of states say; called for each, perhaps more than once."""

    def __init__(self, learning: Learning, clock: Clock) -> None:
        """Learns into the directory.

        Args:
            learning: what is done with it.
            clock: tells when something was learnt.
        """
        self._learning = learning
        self._clock = clock

    async def __call__(self, records: Sequence[Record]) -> None:
        """Learns some records.

        Raises:
            Invalid: one is not one that our services publish.
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        news = [news_of(record, now) for record in records]
        await self._learning.states([one for one in news if one is not None])


class FactConsumer:
    """Learns what records of topics of facts say; called for each, perhaps more than once."""

    def __init__(self, learning: Learning) -> None:
        """Learns into the timelines.

        Args:
            learning: what is done with it.
        """
        self._learning = learning

    async def __call__(self, records: Sequence[Record]) -> None:
        """Learns some records.

        Raises:
            Invalid: one is not one that our services publish.
            Unavailable: a store or the bus does not answer.
        """
        await self._learning.facts(news_of_facts(records))
