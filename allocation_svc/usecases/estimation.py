"""Estimation: what would come of renting a machine, answered before anybody rents it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from allocation_svc.domain.capacity import AMOUNTS, Amounts, Bounds
from allocation_svc.domain.estimate import Estimate, Obstacle
from allocation_svc.domain.faults import (
    CapacityExhausted,
    EngineUnavailable,
    MachineNotActive,
    MachineNotRunnable,
    NeverFits,
    NodeDrained,
    OthersWait,
    PortsExhausted,
    QuotaExceeded,
    RuntimeAdminsOnly,
    StockExhausted,
)
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.quota import Quota
from allocation_svc.domain.room import NO_BOUNDS, Room, refuse_what_never_fits
from allocation_svc.ports.catalogue import Catalogue
from allocation_svc.ports.waiting_room import Standing, WaitingRoom
from allocation_svc.usecases.admission import Admission, needs_of, refuse_if_drained
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.faults import Fault
from chassis.identity.caller import Caller


class Estimation:
    """Answers whether, when and for how much a machine can be rented; nothing is taken."""

    def __init__(
        self,
        admission: Admission,
        catalogue: Catalogue,
        watch: EngineWatch,
        room: WaitingRoom,
        *,
        allowances: Allowances,
        ports: range,
    ) -> None:
        """Looks at the same things as the decision itself.

        Args:
            admission: says which machines can be rented here.
            catalogue: what can be rented.
            watch: the node where it would run.
            room: what is held, and who waits.
            allowances: what there is to be had.
            ports: those that are leased.
        """
        self._admission = admission
        self._catalogue = catalogue
        self._watch = watch
        self._room = room
        self._allowances = allowances
        self._ports = ports

    async def estimate(self, caller: Caller, machine_name: str) -> Estimate:
        """What would come of renting a machine now.

        Raises:
            NotFound: MACHINE_NOT_FOUND, there is none, or the caller may not see it.
            Unavailable: the catalogue, or an engine that was never asked, does not answer.
        """
        node = await self._watch.node()
        machine = await self._catalogue.machine(machine_name)
        standing = await self._room.standing(caller.user, machine.name, node.name)
        limits = standing.overrides.over(self._allowances.quotas.of(caller.roles))
        quota = Quota(caller.user, limits, standing.of_owner, standing.overrides)
        obstacles: list[Obstacle] = []
        needs, resource_class = Amounts(instances=1), ""
        try:
            self._watch.refuse_if_away(noted=False)
            refuse_if_drained(node)
        except (EngineUnavailable, NodeDrained) as fault:
            obstacles.append(_obstacle(fault))
        try:
            size = await self._admission.size(caller, machine, node)
        except (MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly) as fault:
            obstacles.append(_obstacle(fault, lasts=True))
        else:
            needs, resource_class = needs_of(machine, size), size.id
        obstacles += self._limits(machine, needs, limits, standing, await self._allowances.room())
        waits = bool(obstacles) and not any(each.lasts or each.own for each in obstacles)
        return Estimate(
            tuple(obstacles),
            resource_class,
            needs,
            machine.price,
            quota,
            standing.next_place if waits else None,
        )

    def _limits(
        self,
        machine: Machine,
        needs: Amounts,
        quota: Bounds,
        standing: Standing,
        room: Room,
    ) -> Iterator[Obstacle]:
        capacity = room.capacity
        for of_quota, of_capacity in ((quota, NO_BOUNDS), (NO_BOUNDS, room.most)):
            try:
                refuse_what_never_fits(needs, of_quota, of_capacity)
            except NeverFits as fault:
                yield _obstacle(fault, lasts=True)
        after = standing.of_owner + needs
        for amount in AMOUNTS:
            limit, wanted = getattr(quota, amount), getattr(needs, amount)
            if limit is not None and wanted and wanted <= limit < getattr(after, amount):
                yield _obstacle(
                    QuotaExceeded(limit, amount, getattr(standing.of_owner, amount)), own=True
                )
        if machine.stock and standing.of_machine.instances >= machine.stock:
            yield _obstacle(StockExhausted(machine.name, machine.stock))
        on_node = standing.of_node + needs
        for amount in AMOUNTS:
            limit, wanted = getattr(capacity, amount), getattr(needs, amount)
            if limit is not None and wanted and wanted <= limit < getattr(on_node, amount):
                yield _obstacle(CapacityExhausted(amount))
        for protocol, wanted in Counter(port.protocol.value for port in machine.ports).items():
            if wanted > len(self._ports):
                yield _obstacle(
                    NeverFits("instances", wanted, len(self._ports), "ports"), lasts=True
                )
            elif standing.ports.get(protocol, 0) + wanted > len(self._ports):
                yield _obstacle(PortsExhausted())
        if standing.others_wait:
            yield _obstacle(OthersWait())


def _obstacle(fault: Fault, *, lasts: bool = False, own: bool = False) -> Obstacle:
    return Obstacle(fault.reason, fault.message, lasts, own)
