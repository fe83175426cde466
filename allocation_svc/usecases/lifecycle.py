"""What owners ask of their allocations: start, stop, restart, remove, change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from allocation_svc.domain import requests
from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import AllocationDeleted, AllocationNotFound
from allocation_svc.domain.instance import Limits
from allocation_svc.domain.planned import replanned
from allocation_svc.domain.resource_class import ResourceClass
from allocation_svc.domain.room import Wait
from allocation_svc.domain.step import Rules
from allocation_svc.domain.terms import TermLimits, Terms
from allocation_svc.ports.allocation_store import AllocationStore, Remaking
from allocation_svc.ports.resource_class_store import ResourceClassStore
from allocation_svc.usecases.admission import chosen_class
from allocation_svc.usecases.allowances import Allowances, takes_more
from allocation_svc.usecases.engine_watch import EngineWatch
from allocation_svc.usecases.starting import Starting
from chassis.clock import Clock
from chassis.faults import Conflict
from chassis.identity.caller import Caller
from chassis.listing import Once

_MOST_RACES = 50
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class RestartChoice:
    """What an owner wants to become of a program that ends by itself; None for what its machine says."""

    policy: RestartPolicy | None


@dataclass(frozen=True, slots=True)
class Choices:
    """What may be chosen for what is rented.

    Attributes:
        classes: the resource classes that there are.
        allowances: what there is to be had.
        term_limits: when allocations may end and rest by themselves.
        rules: how long before such an end its owner is warned.
    """

    classes: ResourceClassStore
    allowances: Allowances
    term_limits: TermLimits
    rules: Rules


@dataclass(frozen=True, slots=True)
class Changes:
    """What an update changes; None leaves a part as it is.

    Attributes:
        display_name: the owner's own name for it; empty for the machine's title.
        labels: free labels.
        restart: what becomes of a program that ends by itself.
        terms: what becomes of when it ends, rests and wakes by itself.
        resource_class: how much of the host it may use, from its next start on; empty for the default one.
    """

    display_name: str | None = None
    labels: Mapping[str, str] | None = None
    restart: RestartChoice | None = None
    terms: Callable[[Terms], Terms] | None = None
    resource_class: str | None = None


class Lifecycle:
    """Writes down what owners ask for; the reconciler does it."""

    def __init__(
        self,
        store: AllocationStore,
        watch: EngineWatch,
        clock: Clock,
        kick: Callable[[Allocation], None],
        *,
        starting: Starting,
        choices: Choices,
    ) -> None:
        """Works on the store.

        Args:
            store: keeps what is asked for.
            watch: whether the engine answers.
            clock: the time.
            kick: has an allocation worked on at once.
            starting: takes room for what was stopped.
            choices: what may be chosen.
        """
        self._choices = choices
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
        self, caller: Caller, name: str, version: int | None, changes: Changes
    ) -> Allocation:
        """Changes what its owner may change; what runs goes on.

        Raises:
            AllocationNotFound, AllocationDeleted: there is nothing to change.
            ExpireTimeInvalid, IdleTimeoutInvalid: its terms are not allowed here.
            Invalid: there is no such resource class.
            NeverFits, QuotaExceeded, CapacityExhausted, OthersWait: there is no room for more.
            Conflict: ETAG_STALE, it has another version than the given one.
        """
        size = (
            None
            if changes.resource_class is None
            else await chosen_class(self._choices.classes, changes.resource_class)
        )

        def changed(allocation: Allocation, now: datetime) -> Allocation:
            if not allocation.exists:
                raise AllocationDeleted(allocation.name)
            after = _renamed(allocation, changes)
            if size is not None and size.id != allocation.resource_class:
                after = replace(after, resource_class=size.id)
            if changes.terms is not None:
                after = self._with_terms(caller, after, changes.terms, now)
            return allocation if after == allocation else replace(after, update_time=now)

        written = await self._write(caller, name, changed, Fact.UPDATED, version=version, size=size)
        if changes.terms is not None:
            # When there is next something to do for it has changed.
            self._kick(written)
        return written

    def _with_terms(
        self,
        caller: Caller,
        allocation: Allocation,
        change: Callable[[Terms], Terms],
        now: datetime,
    ) -> Allocation:
        terms = change(allocation.terms)
        self._choices.term_limits.check(
            allocation.terms, terms, allocation.create_time, now, unlimited=caller.is_admin
        )
        after = replace(allocation, terms=terms)
        if terms.schedule != allocation.terms.schedule:
            # What it says of the time before now is not made up for.
            after = replace(after, scheduled_until=now)
        return replanned(after, now, self._choices.rules)

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
        size: ResourceClass | None = None,
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
            elif size is not None and after.resource_class != allocation.resource_class:
                written = await self._resized(caller, after, fact, size)
            else:
                written = await self._store.replace(after, fact, once=once)
            if written is not None:
                return written
        raise Conflict(
            f"The allocation {name!r} changes too fast at present; try again.", allocation=name
        )

    async def _resized(
        self, caller: Caller, after: Allocation, fact: Fact, size: ResourceClass
    ) -> Allocation | None:
        """Writes down another resource class, if there is room for what that takes more."""
        kept = await self._store.plan(after.name)
        if kept is None:
            return None
        limits = Limits(size.cpu_millis, size.memory_bytes, size.pids)
        volumes = sum(volume.size_mib for volume in kept[0].volumes) * _MIB
        disk_bytes = size.disk_bytes + volumes
        needs = Amounts(1, size.cpu_millis, size.memory_bytes, disk_bytes)
        room = await self._choices.allowances.room(caller, after.owner)
        remaking = Remaking(replace(kept[0], limits=limits))
        return await self._store.replace(
            replace(after, needs=needs), fact, room=room, remaking=remaking
        )


def _renamed(allocation: Allocation, changes: Changes) -> Allocation:
    title = allocation.display_name if changes.display_name is None else changes.display_name
    after = replace(
        allocation,
        display_name=title or allocation.machine_title,
        labels=allocation.labels if changes.labels is None else dict(changes.labels),
    )
    if changes.restart is None:
        return after
    return replace(
        after, restart_policy=changes.restart.policy or allocation.machine_restart_policy
    )
