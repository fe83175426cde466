"""One change of one machine, made from the version that is kept."""

from __future__ import annotations

from collections.abc import Callable

from chassis.identity.caller import Caller
from machines_svc.domain.facts import Fact
from machines_svc.domain.faults import MachineChanged, changed_since, no_machine
from machines_svc.domain.machine import Machine, State
from machines_svc.ports import MachineStore

LOST_RACES_BORNE = 5
"""How often a change that names no version is tried again when another one comes in between."""


def sees(caller: Caller, machine: Machine) -> bool:
    """Whether somebody sees a machine: a draft only its publisher, admins and peers."""
    return (
        machine.state is not State.DRAFT
        or caller.sees_all
        or (bool(caller.user) and caller.user == machine.publisher)
    )


def check_may_change(caller: Caller, machine: Machine) -> None:
    """Makes sure that somebody may change a machine: admins any, others a draft of their own.

    Raises:
        MachineNotFound: it is somebody else's.
        MachineNotDraft: it is their own, and no draft any more.
    """
    if caller.is_admin:
        return
    if not caller.user or machine.publisher != caller.user:
        raise no_machine(machine.name)
    machine.check_draft()


async def read(store: MachineStore, name: str, version: int | None) -> Machine:
    """Reads a machine that is about to be changed.

    Args:
        store: where it is.
        name: `machines/{machine}`.
        version: the one that the caller has read; None for whatever is there.

    Raises:
        MachineNotFound: there is none of the name.
        MachineChanged: it is of another version.
    """
    machine = await store.get(name)
    if machine is None:
        raise no_machine(name)
    if version is not None and machine.version != version:
        raise changed_since(name)
    return machine


async def change(
    store: MachineStore,
    name: str,
    version: int | None,
    alter: Callable[[Machine], Machine],
    fact: Callable[[Machine], Fact],
) -> Machine:
    """Changes a machine.

    Args:
        store: where it is.
        name: `machines/{machine}`.
        version: the one that the change was made from; None for whatever is there.
        alter: makes the machine as it shall be; itself where nothing is to be done.
        fact: what has then happened.

    Raises:
        MachineNotFound: there is none of the name.
        MachineChanged: it is of another version, or changes faster than this can follow.
        Fault: what `alter` raises.
    """
    for _ in range(LOST_RACES_BORNE):
        machine = await read(store, name, version)
        altered = alter(machine)
        if altered is machine:
            return machine
        try:
            await store.replace(altered, machine.version, fact(altered))
        except MachineChanged:
            if version is not None:
                raise
        else:
            return altered
    raise changed_since(name)
