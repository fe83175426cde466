"""Dead letters: reading them, having them taken in again, throwing them away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from broker.domain.faults import no_letter
from broker.domain.letter import Letter, LetterFact, Notice
from broker.ports import DeadLetters, Notices
from chassis.clock import Clock

_AT_ONCE = 200
_MOST_LOOKED_AT = 2000


class PostOffice:
    """What admins do with dead letters. Each deed is told of before it is done."""

    def __init__(self, letters: DeadLetters, notices: Notices, clock: Clock) -> None:
        """Works on the dead letters of a bus.

        Args:
            letters: where they are.
            notices: tells everybody what was done.
            clock: the time.
        """
        self._letters = letters
        self._notices = notices
        self._clock = clock

    async def page(
        self, wanted: Callable[[Letter], bool], after: int, size: int
    ) -> tuple[Sequence[Letter], int]:
        """A page of the letters, the oldest first.

        Args:
            wanted: which ones.
            after: the id after which the page begins.
            size: how many at most.

        Returns:
            The letters, and the id after which the next page begins; 0 at the end. Where few are
            wanted, a page may have fewer than there are.
        """
        found: list[Letter] = []
        looked_at = 0
        while looked_at < _MOST_LOOKED_AT:
            some = await self._letters.page(_AT_ONCE, after)
            for place, letter in enumerate(some):
                after = letter.id
                if wanted(letter):
                    found.append(letter)
                if len(found) == size:
                    is_last = place == len(some) - 1 and len(some) < _AT_ONCE
                    return found, 0 if is_last else after
            if len(some) < _AT_ONCE:
                return found, 0
            looked_at += len(some)
        return found, after

    async def get(self, letter: int) -> Letter:
        """One letter.

        Raises:
            DeadLetterNotFound: it is not there.
        """
        found = await self._letters.page(1, letter - 1)
        if not found or found[0].id != letter:
            raise no_letter(f"deadLetters/{letter}")
        return found[0]

    async def replay(self, letter: int) -> Letter:
        """Has a letter taken in again.

        Raises:
            DeadLetterNotFound: it is not there.
        """
        found = await self.get(letter)
        await self._tell(LetterFact.REPLAYED, found)
        if not await self._letters.replay(letter):
            raise no_letter(found.name)
        return replace(found, replaying=True)

    async def replay_all(self, group: str) -> int:
        """Has all letters taken in again that are there now, or those of one group; says how many."""
        await self._notices.tell(Notice(LetterFact.ALL_REPLAYED, self._clock.now(), None, group))
        count = after = 0
        # Those that fail again meanwhile keep their ids: nothing is met twice.
        while some := await self._letters.page(_AT_ONCE, after):
            after = some[-1].id
            for letter in some:
                if not group or letter.group == group:
                    count += await self._letters.replay(letter.id)
        return count

    async def discard(self, letter: int) -> None:
        """Throws a letter away.

        Raises:
            DeadLetterNotFound: it is not there.
        """
        found = await self.get(letter)
        await self._tell(LetterFact.DISCARDED, found)
        if not await self._letters.discard(letter):
            raise no_letter(found.name)

    async def _tell(self, fact: LetterFact, letter: Letter) -> None:
        await self._notices.tell(Notice(fact, self._clock.now(), letter))
