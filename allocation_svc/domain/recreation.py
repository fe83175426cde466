"""What becomes of an allocation whose instance is made anew from a newer version of its machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from allocation_svc.domain.allocation import Allocation, Desired, Endpoint, State, VariableValue
from allocation_svc.domain.crashes import NO_RESTARTS
from allocation_svc.domain.faults import (
    AllocationDeleted,
    AllocationWaiting,
    MachineTooDifferent,
)
from allocation_svc.domain.machine import Machine, MachinePort, Plan


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


def remade(
    allocation: Allocation,
    machine: Machine,
    variables: Sequence[VariableValue],
    now: datetime,
) -> Allocation:
    """The allocation as one of the machine as it is now; its instance is made when it next runs.

    Args:
        allocation: as it is kept.
        machine: its machine, in the version that shall be.
        variables: the values for that version.
        now: the present.

    Raises:
        MachineTooDifferent: it has other ports, or new volumes.
    """
    return replace(
        allocation,
        machine_version=machine.version,
        machine_title=machine.title,
        variables=tuple(variables),
        endpoints=_endpoints(allocation, machine),
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


def plan_after(former: Plan, machine: Machine) -> Plan:
    """How instances are made of the machine as it is now: with the volumes and limits that there are.

    A volume that the machine has no more is kept, and seen where it was.

    Raises:
        MachineTooDifferent: the machine has new volumes.
    """
    had = {volume.path for volume in former.volumes}
    for volume in machine.volumes:
        if volume.path not in had:
            raise MachineTooDifferent(
                f"The newest version of {machine.name!r} has a volume at {volume.path!r}, which this "
                "allocation has not; rent the machine again, and give it your volumes.",
                machine=machine.name,
                path=volume.path,
            )
    return replace(machine.plan(former.limits), volumes=former.volumes)


def _endpoints(allocation: Allocation, machine: Machine) -> tuple[Endpoint, ...]:
    """The same ports of the node, as the machine describes its own now."""
    leased = {(one.container_port, one.protocol): one for one in allocation.endpoints}
    wanted = [(port.number, port.protocol) for port in machine.ports]
    if set(wanted) != set(leased) or len(wanted) != len(allocation.endpoints):
        raise MachineTooDifferent(
            f"The newest version of {machine.name!r} listens on other ports; rent the machine again, "
            "then remove this allocation.",
            machine=machine.name,
        )
    return tuple(_described(leased[port.number, port.protocol], port) for port in machine.ports)


def _described(endpoint: Endpoint, port: MachinePort) -> Endpoint:
    return replace(endpoint, title=port.title, scheme=port.scheme)
