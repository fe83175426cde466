"""What allocations were, and for how long: one, those of a machine, and reports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.faults import AllocationNotFound, MachineUsageNotYours
from allocation_svc.domain.usage import Interval, Usage, Window
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.ports.catalogue import Catalogue
from allocation_svc.ports.usage_store import UsageStore
from allocation_svc.usecases.reading import owner_seen
from chassis.clock import Clock
from chassis.faults import NotFound
from chassis.identity.caller import Caller
from chassis.listing import next_token, page_of

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Period:
    """Of which time somebody asks.

    Attributes:
        since: from when on; None for the beginning.
        until: until when, without this instant; None for now. What is yet to come is never told.
    """

    since: datetime | None = None
    until: datetime | None = None

    def until_now(self, now: datetime) -> Window:
        """What of it has passed."""
        return Window(max(self.since or _BEGINNING, _BEGINNING), min(self.until or now, now))


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of one allocation.

    Attributes:
        allocation: which.
        window: of which time.
        usage: in all of it.
        intervals: a page of the intervals, newest first.
        next_page: the token of the next page; empty at the end.
    """

    allocation: Allocation
    window: Window
    usage: Usage
    intervals: Sequence[Interval]
    next_page: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of several allocations.

    Attributes:
        window: of which time.
        lives: each allocation that lived then, by name, with what it comes to. Read as it is asked for,
            some at a time.
    """

    window: Window
    lives: AsyncIterator[tuple[Allocation, Usage]]


class UsageReading:
    """Tells what allocations were, and for how long."""

    def __init__(
        self, store: UsageStore, allocations: AllocationStore, catalogue: Catalogue, clock: Clock
    ) -> None:
        """Reads from the stores; asks the catalogue whose a machine is."""
        self._store = store
        self._allocations = allocations
        self._catalogue = catalogue
        self._clock = clock

    async def of_allocation(
        self,
        caller: Caller,
        name: str,
        period: Period,
        *,
        page_size: int = 0,
        page_token: str = "",
    ) -> Told:
        """What one allocation was.

        Raises:
            AllocationNotFound: there is none, or it is somebody else's.
            Invalid: PAGE_TOKEN_INVALID.
        """
        # The first page's present is that of the others too, so that they fit together.
        bound = (name, period.since, period.until)
        key = page_of(page_size, page_token, *bound, key=(datetime, int))
        now, below = key.after or (self._clock.now(), None)
        allocation = await self._one(caller, name)
        window = period.until_now(now)
        usage = await self._store.usage(name, window)
        found = await self._store.intervals(name, window, key.size + 1, below)
        shown, token = found[: key.size], ""
        if len(found) > key.size:
            token = next_token((now, shown[-1].number), *bound)
        return Told(allocation, window, usage, shown, token)

    async def of_machine(self, caller: Caller, name: str, period: Period) -> tuple[Usage, int]:
        """What all allocations of a machine were together, and how many of them lived in the window.

        Raises:
            MachineUsageNotYours: the caller is neither its publisher nor an admin.
            NotFound: MACHINE_NOT_FOUND, there is none, and never was one that anybody has rented.
            Unavailable: the catalogue does not answer.
        """
        known: NotFound | None = None
        try:
            machine = await self._catalogue.machine(name)
            if not caller.sees_all and machine.publisher != caller.user:
                raise MachineUsageNotYours(name)
        except NotFound as fault:
            if not caller.sees_all:
                raise
            known = fault
        window = period.until_now(self._clock.now())
        usage, count = await self._store.usage_of_machine(name, window)
        if known is not None and not count:
            raise known
        return usage, count

    async def report(self, caller: Caller, parent: str, name: str, period: Period) -> Report:
        """What each of several allocations was, those too that were removed.

        Args:
            caller: who asks.
            parent: whose, as in lists.
            name: only this allocation; empty for all.
            period: when.

        Raises:
            Forbidden: PARENT_FOREIGN.
            AllocationNotFound: there is no such allocation, or it is somebody else's.
        """
        owner = owner_seen(caller, parent)
        window = period.until_now(self._clock.now())
        if not name:
            return Report(window, self._lives(owner, window))
        if not parent and caller.sees_all:
            owner = ""
        allocation = await self._allocations.find(name, owner)
        if allocation is None:
            raise AllocationNotFound(name)
        usage = await self._store.usage(name, window)
        return Report(window, _only(allocation, usage))

    async def _lives(self, owner: str, window: Window) -> AsyncIterator[tuple[Allocation, Usage]]:
        after = ""
        while page := await self._store.page(owner, window, _AT_ONCE, after):
            for allocation, usage in page:
                if usage.start is not None:
                    yield allocation, usage
            after = page[-1][0].name

    async def _one(self, caller: Caller, name: str) -> Allocation:
        allocation = await self._allocations.find(name, "" if caller.sees_all else caller.user)
        if allocation is None:
            raise AllocationNotFound(name)
        return allocation


async def _only(allocation: Allocation, usage: Usage) -> AsyncIterator[tuple[Allocation, Usage]]:
    if usage.start is not None:
        yield allocation, usage
