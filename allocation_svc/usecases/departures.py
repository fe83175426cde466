"""What becomes of the allocations of people whose account has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.volume import VolumeState
from allocation_svc.ports.allocation_store import AllocationStore, Selection
from allocation_svc.ports.volume_store import VolumeSelection, VolumeStore
from chassis.clock import Clock
from chassis.faults import Conflict

_PAGE = 100
_MOST_RACES = 50


class Departures:
    """Has everything removed that a person has rented, once their account has ended.

    A token of the person may be good here for some seconds more, until the revocation has come, so
    what is theirs is looked for once more when it certainly is not. The bus remembers that: the fact is
    consumed by a second group, which is done with it only then, whatever stops or starts meanwhile.
    """

    def __init__(
        self,
        store: AllocationStore,
        clock: Clock,
        kick: Callable[[Allocation], None],
        *,
        look_again_seconds: float = 60.0,
        volumes: VolumeStore | None = None,
        wake: Callable[[str], None] | None = None,
    ) -> None:
        """Works on the store.

        Args:
            store: keeps what is asked for.
            clock: the time.
            kick: has an allocation worked on at once.
            look_again_seconds: when to look again: after that time a token that was revoked is refused
                everywhere.
            volumes: what they have kept besides; None where nothing is.
            wake: has a volume looked after at once.
        """
        self._volumes = volumes
        self._wake = wake
        self._store = store
        self._clock = clock
        self._kick = kick
        self._look_again = timedelta(seconds=look_again_seconds)

    async def left(self, owner: str) -> None:
        """Asks that all allocations of a person are gone; the reconciler sees to it.

        Also where the engine is away: it is done when it is back. The same again changes nothing.

        Args:
            owner: `users/{user}`.

        Raises:
            Unavailable: the store does not answer.
            Conflict: an allocation changes too fast; the others are asked for.
        """
        await self._remove_all(owner)

    async def left_for_good(self, owner: str, time: datetime) -> None:
        """Does the same once more, when no token of the person is good any more.

        It waits for that, at most a minute, so whoever tells of it has to keep it until then.

        Args:
            owner: `users/{user}`.
            time: when the account has ended.

        Raises:
            Unavailable: the store does not answer.
            Conflict: an allocation changes too fast; the others are asked for.
        """
        # A clock that is far ahead elsewhere holds this up no longer than one that is right.
        wait = min(time + self._look_again - self._clock.now(), self._look_again)
        await self._clock.sleep(max(0.0, wait.total_seconds()))
        await self._remove_all(owner)

    async def _remove_all(self, owner: str) -> None:
        after = None
        while page := await self._store.page(Selection(owner), _PAGE, after):
            for allocation in page:
                await self._remove(allocation)
            after = page[-1].create_time, page[-1].name
        await self._remove_volumes(owner)

    async def _remove_volumes(self, owner: str) -> None:
        """Has removed what no allocation has; all others go with theirs."""
        after = None
        while self._volumes is not None and (
            page := await self._volumes.page(VolumeSelection(owner), _PAGE, after)
        ):
            for volume in page:
                if volume.state in (VolumeState.DETACHED, VolumeState.LOST):
                    gone = replace(
                        volume, state=VolumeState.DELETING, update_time=self._clock.now()
                    )
                    await self._volumes.replace(gone)
                    if self._wake is not None:
                        self._wake(volume.name)
            after = page[-1].create_time, page[-1].name

    async def _remove(self, allocation: Allocation) -> None:
        """Makes the change, however often the reconciler is faster."""
        found: Allocation | None = allocation
        for _ in range(_MOST_RACES):
            if found is None or not found.exists:
                return
            after = requests.delete(found, self._clock.now())
            if after is found:
                return
            written = await self._store.replace(after, Fact.STATE_REQUESTED)
            if written is not None:
                self._kick(written)
                return
            found = await self._store.find(allocation.name)
        raise Conflict(
            f"The allocation {allocation.name!r} changes too fast at present; try again.",
            allocation=allocation.name,
        )
