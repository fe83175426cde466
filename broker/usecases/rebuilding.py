"""Making the directory anew, while it is read."""

from __future__ import annotations

from broker.ports import DirectoryStore, StateTopics


class Rebuilding:
    """Makes the directory from nothing but the topics of states."""

    def __init__(self, store: DirectoryStore, topics: StateTopics) -> None:
        """Works on a store.

        Args:
            store: what is known.
            topics: where everything stands.
        """
        self._store = store
        self._topics = topics

    async def rebuild(self) -> int | None:
        """Fills a second directory and then reads from it.

        Whatever changes meanwhile goes into both; the first one is read until the second is full.

        Returns:
            How many records were learnt; None where another rebuild has begun since.

        Raises:
            Unavailable: the store or the bus does not answer; what is read is as it was.
        """
        number = await self._store.begin_rebuild()
        learnt = await self._topics.replay(f"broker.directory.rebuild-{number}")
        return learnt if await self._store.finish_rebuild(number) else None
