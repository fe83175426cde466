"""What becomes of an allocation whose instance is made anew from a newer version of its machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, Endpoint, State, VariableValue
from allocation_svc.domain.crashes import NO_RESTARTS
from allocation_svc.domain.faults import AllocationDeleted, AllocationWaiting
from allocation_svc.domain.machine import Machine, Plan
from allocation_svc.domain.volume import MIB, AllocationVolume
from allocation_svc.domain.volume_choice import volumes_after


def refuse_unless_remakable(allocation: Allocation) -> None:
    """Lets only those pass whose instance can be made anew.

    Raises:
        AllocationDeleted: it has been, or is to be, removed.
        AllocationWaiting: it waits for room.
    """
    if allocation.desired is Desired.DELETED:
        raise AllocationDeleted(allocation.name)
    if allocation.state is State.PENDING:
        raise AllocationWaiting(allocation.name)


def plan_after(allocation: str, former: Plan, machine: Machine) -> Plan:
    """How instances are made of the machine as it is now: with the limits that there are.

    Args:
        allocation: its name.
        former: how they were made.
        machine: in the version that shall be.

    Raises:
        MachineTooDifferent: its volumes do not fit beside those that the allocation keeps.
    """
    volumes = volumes_after(allocation, former.volumes, machine)
    return replace(machine.plan(former.limits), volumes=volumes)


def remade(  # noqa: PLR0917 - what was, and what shall be
    allocation: Allocation,
    machine: Machine,
    variables: Sequence[VariableValue],
    plans: tuple[Plan, Plan],
    host: str,
    now: datetime,
) -> Allocation:
    """The allocation as one of the machine as it is now; its instance is made when it next runs.

    Ports that the machine still has stay where they are. New ones have the number 0: they are leased with
    the change. Others are leased until the present instance is gone, which goes on for a while.

    Args:
        allocation: as it is kept.
        machine: its machine, in the version that shall be.
        variables: the values for that version.
        plans: how its instances were made, and how they shall be.
        host: what people are shown as the host of new ports.
        now: the present.
    """
    former, plan = plans
    endpoints, leaving = _ports_after(allocation, machine, host)
    more_mib = sum(v.size_mib for v in plan.volumes) - sum(v.size_mib for v in former.volumes)
    needs = allocation.needs
    return replace(
        allocation,
        machine_version=machine.version,
        machine_title=machine.title,
        variables=tuple(variables),
        endpoints=endpoints,
        leaving=leaving,
        volumes=tuple(AllocationVolume(v.path, f"volumes/{v.volume}") for v in plan.volumes),
        needs=replace(needs, disk_bytes=needs.disk_bytes + more_mib * MIB),
        stop_grace_seconds=machine.stop_grace_seconds,
        probe_seconds=machine.probe_seconds,
        restart_policy=machine.restart_policy
        if allocation.restart_policy is allocation.machine_restart_policy
        else allocation.restart_policy,
        machine_restart_policy=machine.restart_policy,
        restart_unhealthy=machine.restart_unhealthy,
        to_be_remade=True,
        asked=allocation.desired is Desired.RUNNING,
        restarts=NO_RESTARTS,
        recreated=(),
        update_time=now,
    )


def _ports_after(
    allocation: Allocation, machine: Machine, host: str
) -> tuple[tuple[Endpoint, ...], tuple[Endpoint, ...]]:
    """The ports as the machine describes them now, and those that it has no more."""
    leased = {
        (one.container_port, one.protocol): one
        for one in (*allocation.leaving, *allocation.endpoints)
    }
    endpoints = []
    for port in machine.ports:
        fresh = Endpoint(host, 0, port.protocol, port.number)
        had = leased.pop((port.number, port.protocol), fresh)
        endpoints.append(replace(had, title=port.title, scheme=port.scheme))
    return tuple(endpoints), tuple(leased.values())
