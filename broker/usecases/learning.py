"""Learning from facts and states."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from broker.domain.entry import Ended, Entry
from broker.domain.event import News
from broker.ports import DirectoryStore, TimelineStore
from broker.usecases.erasing import Erasing


class Learning:
    """Keeps what facts and states say; again, late or in another order, it comes to the same."""

    def __init__(
        self,
        directory: DirectoryStore,
        timeline: TimelineStore,
        erasing: Erasing,
        anonymous: Callable[[Entry], Entry | None],
    ) -> None:
        """Writes into the stores.

        Args:
            directory: what is known of resources.
            timeline: what has happened.
            erasing: for people who have gone.
            anonymous: as `Erasing` has it.
        """
        self._directory = directory
        self._timeline = timeline
        self._erasing = erasing
        self._anonymous = anonymous

    async def states(self, news: Sequence[Entry | Ended]) -> None:
        """Keeps where resources stand.

        Raises:
            Unavailable: the store does not answer.
        """
        owners = {one.owner for one in news if isinstance(one, Entry) and one.owner}
        gone = await self._timeline.gone(owners)
        await self._directory.learn(
            [
                (self._anonymous(one) or one)
                if isinstance(one, Entry) and one.owner in gone
                else one
                for one in news
            ]
        )

    async def facts(self, news: News) -> None:
        """Keeps what has happened.

        Raises:
            Unavailable: a store or the bus does not answer.
        """
        await self._timeline.learn(news)
        for leaver in news.leavers:
            await self._erasing.erase(leaver)
