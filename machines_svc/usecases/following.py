"""What this service makes of what others say: ratings, rents, people who have gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from chassis.clock import Clock
from chassis.listing import Condition
from machines_svc.domain.facts import MachineUpdated
from machines_svc.domain.faults import MachineNotFound
from machines_svc.domain.machine import Machine
from machines_svc.ports import MachineStore, StandingStore
from machines_svc.usecases.changing import change

_AT_ONCE = 50


class Following:
    """Takes in what has happened elsewhere. Each may be told again, and late: that changes nothing."""

    def __init__(
        self,
        store: MachineStore,
        standing: StandingStore,
        clock: Clock,
        rated: Callable[[], Awaitable[None]],
    ) -> None:
        """Works on stores.

        Args:
            store: where the machines are.
            standing: where it stands what others make of them.
            clock: tells when.
            rated: is told that a machine shows other stars; it must not fail.
        """
        self._store = store
        self._standing = standing
        self._clock = clock
        self._rated = rated

    async def machine_rated(
        self, name: str, average_rating: float, reviews: int, feed_version: int
    ) -> None:
        """The feed of a machine has changed.

        Args:
            name: `machines/{machine}`.
            average_rating: the mean of its stars, 1 to 5; 0 without reviews.
            reviews: how many it has.
            feed_version: counts the changes of the feed.
        """
        hundredths = round(average_rating * 100)
        if await self._standing.rated(name, hundredths, reviews, feed_version):
            await self._rated()

    async def machine_rented(self, name: str, allocation: str, time: datetime) -> None:
        """Somebody has rented a machine. The count is some seconds late in answers that are given again."""
        await self._standing.rented(name, allocation, time)

    async def person_gone(self, user: str) -> None:
        """A person has gone: what they published stays, and does not name them any more."""
        theirs = [Condition("publisher", "=", user)]

        def alter(machine: Machine) -> Machine:
            return machine.disowned(self._clock.now()) if machine.publisher == user else machine

        while found := await self._store.list(theirs, [("title", False)], None, _AT_ONCE):
            for machine in found:
                try:
                    await change(self._store, machine.name, None, alter, MachineUpdated)
                except MachineNotFound:
                    continue  # deleted meanwhile
        # After the present ones, which are former ones now.
        await self._store.disown_versions(user)
