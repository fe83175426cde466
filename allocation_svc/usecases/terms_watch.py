"""Which allocations have something to happen to them by the time alone."""

from __future__ import annotations

from datetime import datetime

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.terms import NO_TERMS
from allocation_svc.usecases.idleness import Idleness


class TermsWatch:
    """Remembers allocations with terms, and when something is planned for each.

    The agenda kicks them at their time, by a clock that nobody sets; this finds those whose time has come
    because the clock was set.
    """

    def __init__(self, idleness: Idleness) -> None:
        """Begins with none; what is stopped for lack of use is watched for it."""
        self._idleness = idleness
        self._planned: dict[str, datetime | None] = {}

    def noticed(self, allocation: Allocation) -> bool:
        """An allocation is so.

        Returns:
            Whether it is to be decided on, since it was not known until now and has terms.
        """
        self._idleness.noticed(allocation)
        if allocation.terms == NO_TERMS or not allocation.exists:
            self._planned.pop(allocation.name, None)
            return False
        is_new = allocation.name not in self._planned
        planned = allocation.planned
        self._planned[allocation.name] = None if planned is None else planned.time
        return is_new

    def due(self, now: datetime) -> list[str]:
        """Those whose planned time has come."""
        return [name for name, time in self._planned.items() if time is not None and time <= now]

    def clear(self) -> None:
        """Forgets all: they are noticed anew."""
        self._planned.clear()
