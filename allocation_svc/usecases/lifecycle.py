"""What owners ask of their allocations: start, stop, restart, remove, rename."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import AllocationDeleted, AllocationNotFound
from allocation_svc.domain.room import Wait
from allocation_svc.ports.allocation_store import AllocationStore
from allocation_svc.usecases.allowances import takes_more
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.starting import Starting
from chassis.clock import Clock
from chassis.faults import Conflict
from chassis.identity.caller import Caller
from chassis.listing import Once

_MOST_RACES = 50


@dataclass(frozen=True, slots=True)
class RestartChoice:
    """What an owner wants to become of a program that ends by itself; None for what its machine says."""

    policy: RestartPolicy | None


class Lifecycle:
    """Writes down what owners ask for; the reconciler does it."""

    def __init__(
        self,
        store: AllocationStore,
        watch: EngineWatch,
        clock: Clock,
        kick: Callable[[Allocation], None],
        starting: Starting,
    ) -> None:
        """Works on the store.

        Args:
            store: keeps what is asked for.
            watch: whether the engine answers.
            clock: the time.
            kick: has an allocation worked on at once.
            starting: takes room for what was stopped.
        """
        self._starting = starting
        self._store = store
        self._watch = watch
        self._clock = clock
        self._kick = kick

    async def start(
        self,
        caller: Caller,
        name: str,
        request_id: str = "",
        wait_seconds: float | None = None,
    ) -> Allocation:
        """Has an allocation run; one that was stopped has to be admitted again.

        Args:
            caller: who asks.
            name: which.
            request_id: a UUID with which the request has one effect; empty for none.
            wait_seconds: for how long it waits at most where there is no room; 0 for as long as it may,
                None if it is refused then.

        Raises:
            AllocationNotFound, AllocationDeleted: there is nothing to start.
            NeverFits, QuotaExceeded, QueueFull: it cannot run, nor wait.
            CapacityExhausted, OthersWait: there is no room.
            EngineUnavailable: the engine is away; it is done when it is back.
            Conflict: REQUEST_ID_REUSED.
        """
        once = Once.of(caller.user, "StartAllocation", request_id, name, wait_seconds)
        wait = self._starting.wait(wait_seconds)
        return await self._ask(caller, name, requests.start, once=once, wait=wait)

    async def stop(self, caller: Caller, name: str) -> Allocation:
        """Has an allocation not run.

        Raises:
            AllocationNotFound, AllocationDeleted: there is nothing to stop.
            EngineUnavailable: the engine is away; it is done when it is back.
        """
        return await self._ask(caller, name, requests.stop)

    async def restart(self, caller: Caller, name: str, request_id: str = "") -> Allocation:
        """Has the program of an allocation end and start again.

        Raises:
            AllocationNotFound, AllocationDeleted, AllocationNotRunning: there is nothing to restart.
            EngineUnavailable: the engine is away; it is done when it is back.
            Conflict: REQUEST_ID_REUSED.
        """
        once = Once.of(caller.user, "RestartAllocation", request_id, name)
        return await self._ask(caller, name, requests.restart, once=once)

    async def delete(
        self,
        caller: Caller,
        name: str,
        version: int | None = None,
        *,
        keep_volumes: bool = False,
    ) -> Allocation:
        """Has an allocation removed, from whatever state it is in.

        Args:
            caller: who asks.
            name: which.
            version: that it must have; None for any.
            keep_volumes: whether its volumes stay, detached.

        Raises:
            AllocationNotFound: there is none.
            Conflict: ETAG_STALE, it has another version.
            EngineUnavailable: the engine is away; it is done when it is back.
        """
        change = partial(requests.delete, keep_volumes=keep_volumes)
        return await self._ask(caller, name, change, version=version)

    async def update(
        self,
        caller: Caller,
        name: str,
        version: int | None,
        *,
        display_name: str | None = None,
        labels: Mapping[str, str] | None = None,
        restart: RestartChoice | None = None,
    ) -> Allocation:
        """Changes the display name, the labels, the restart policy; None leaves one as it is.

        Raises:
            AllocationNotFound, AllocationDeleted: there is nothing to change.
            Conflict: ETAG_STALE, it has another version than the given one.
        """

        def changed(allocation: Allocation, now: datetime) -> Allocation:
            if not allocation.exists:
                raise AllocationDeleted(allocation.name)
            title = allocation.display_name if display_name is None else display_name
            after = replace(
                allocation,
                display_name=title or allocation.machine_title,
                labels=allocation.labels if labels is None else dict(labels),
            )
            if restart is not None:
                policy = restart.policy or allocation.machine_restart_policy
                after = replace(after, restart_policy=policy)
            return allocation if after == allocation else replace(after, update_time=now)

        return await self._write(caller, name, changed, Fact.UPDATED, version=version)

    async def _ask(
        self,
        caller: Caller,
        name: str,
        change: Callable[[Allocation, datetime], Allocation],
        *,
        once: Once | None = None,
        version: int | None = None,
        wait: Wait | None = None,
    ) -> Allocation:
        if once is not None and (answered := await self._store.answered(once)) is not None:
            return answered
        allocation = await self._write(
            caller, name, change, Fact.STATE_REQUESTED, once=once, version=version, wait=wait
        )
        if allocation.exists:
            self._kick(allocation)
            self._watch.refuse_if_away(noted=True)
        return allocation

    async def _write(
        self,
        caller: Caller,
        name: str,
        change: Callable[[Allocation, datetime], Allocation],
        fact: Fact,
        *,
        once: Once | None = None,
        version: int | None = None,
        wait: Wait | None = None,
    ) -> Allocation:
        """Makes a change, however often the reconciler is faster."""
        for _ in range(_MOST_RACES):
            allocation = await self._store.find(name, "" if caller.sees_all else caller.user)
            if allocation is None:
                raise AllocationNotFound(name)
            if version is not None and allocation.version != version:
                raise Conflict(
                    f"The allocation {name!r} was changed since it was read; read it again and send "
                    "that etag.",
                    allocation=name,
                )
            after = change(allocation, self._clock.now())
            if after is allocation:
                return allocation
            if takes_more(after):
                written = await self._starting.asked(caller, after, fact, once=once, wait=wait)
            else:
                written = await self._store.replace(after, fact, once=once)
            if written is not None:
                return written
        raise Conflict(
            f"The allocation {name!r} changes too fast at present; try again.", allocation=name
        )
