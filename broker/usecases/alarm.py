"""Having everybody told of dead letters."""

from __future__ import annotations

from collections.abc import Callable

from broker.domain.letter import Letter, LetterFact, Notice
from broker.ports import DeadLetters, Notices
from chassis.clock import Clock
from chassis.faults import Fault

_AT_ONCE = 200


class Alarm:
    """Counts dead letters and tells of new ones; one replica at a time does."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        letters: DeadLetters,
        notices: Notices,
        clock: Clock,
        seconds: float,
        waiting: Callable[[int], object],
        is_told_of: Callable[[Letter], bool],
        failed: Callable[[Fault], object],
    ) -> None:
        """Watches the dead letters of a bus.

        Args:
            letters: where they are.
            notices: tells everybody.
            clock: the time.
            seconds: how long it waits before it looks again.
            waiting: is told how many there are.
            is_told_of: which ones are told of: that a notice is a dead letter itself is none.
            failed: is told why it could not look.
        """
        self._letters = letters
        self._notices = notices
        self._clock = clock
        self._seconds = seconds
        self._waiting = waiting
        self._is_told_of = is_told_of
        self._failed = failed

    async def run(self) -> None:
        """Looks, again and again, until it is cancelled."""
        seen = 0
        try:
            while True:
                try:
                    seen = await self.look(seen)
                except Fault as fault:
                    self._failed(fault)
                await self._clock.sleep(self._seconds)
        finally:
            self._waiting(0)

    async def look(self, after: int = 0) -> int:
        """Counts, and tells of letters after an id; says up to which id.

        Raises:
            Unavailable: the bus or the store does not answer.
        """
        self._waiting(await self._letters.count())
        while some := await self._letters.page(_AT_ONCE, after):
            for letter in some:
                if self._is_told_of(letter):
                    await self._notices.tell_once(
                        Notice(LetterFact.ADDED, self._clock.now(), letter)
                    )
                after = letter.id
        return after
