"""Which volumes an allocation has."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from allocation_svc.domain.faults import MachineTooDifferent
from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.machine import Machine, Plan
from allocation_svc.domain.volume import AllocationVolume, volume_name
from allocation_svc.domain.volume_faults import VolumePathUnknown

MOST_VOLUMES = 8
"""How many volumes an allocation may have, as the contract of the engine's service says."""

_INSTEAD = "remove the allocation and keep its volumes, then rent the machine again with those that you need."


def with_volumes(
    allocation: str, machine: Machine, plan: Plan, wished: Mapping[str, str]
) -> tuple[Plan, tuple[AllocationVolume, ...]]:
    """The plan with the volumes that are wished for, and all volumes of a new allocation.

    Args:
        allocation: its name, after which new volumes are named.
        machine: that is rented.
        plan: how its instances are made.
        wished: the names of detached volumes by path; all other paths get new ones.

    Raises:
        VolumePathUnknown: the machine has no volume at a path.
    """
    paths = {volume.path for volume in machine.volumes}
    for path in wished:
        if path not in paths:
            raise VolumePathUnknown(path, machine.name)
    had = tuple(
        AllocationVolume(volume.path, wished.get(volume.path) or volume_name(allocation, place))
        for place, volume in enumerate(machine.volumes, 1)
    )
    planned = tuple(
        _named(volume, wished[volume.path]) if volume.path in wished else volume
        for volume in machine.volumes
    )
    return replace(plan, volumes=planned), had


def volumes_after(
    allocation: str, former: Sequence[PlannedVolume], machine: Machine
) -> tuple[PlannedVolume, ...]:
    """The volumes of an allocation that becomes one of another version of its machine.

    Those of the machine come first, in its order, in which its program counts them; then those that it
    has no more, which are kept, and seen where they were. Each says which one it is, since that does
    not follow from its place any more.

    Args:
        allocation: its name, after which new volumes are named.
        former: those that it has.
        machine: in the version that shall be.

    Raises:
        MachineTooDifferent: there would be too many, or one in another.
    """
    had = {
        volume.path: _named(volume, volume.volume or volume_name(allocation, place))
        for place, volume in enumerate(former, 1)
    }
    # A place that was given before is at most as high as there are volumes: none ever goes.
    places = itertools.count(len(had) + 1)
    planned = []
    for volume in machine.volumes:
        kept = had.pop(volume.path, None)
        planned.append(kept or _named(volume, volume_name(allocation, next(places))))
    _refuse_what_does_not_fit(machine, tuple(had.values()))
    return (*planned, *had.values())


def _refuse_what_does_not_fit(machine: Machine, others: Sequence[PlannedVolume]) -> None:
    """Lets only those volumes pass that the volumes which a machine has no more leave room for."""
    there = len(machine.volumes) + len(others)
    if there > MOST_VOLUMES:
        raise MachineTooDifferent(
            f"With the volumes of the newest version of {machine.name!r} the allocation would have "
            f"{there}, and it may have {MOST_VOLUMES}; {_INSTEAD}",
            machine=machine.name,
        )
    for volume, other in itertools.product(machine.volumes, others):
        if _holds(volume.path, other.path) or _holds(other.path, volume.path):
            raise MachineTooDifferent(
                f"The newest version of {machine.name!r} has a volume at {volume.path!r}, and the "
                f"allocation keeps one at {other.path!r}, which overlaps it; {_INSTEAD}",
                machine=machine.name,
                path=volume.path,
            )


def _holds(folder: str, path: str) -> bool:
    return path.startswith(f"{folder}/")


def _named(volume: PlannedVolume, name: str) -> PlannedVolume:
    return replace(volume, volume=name.rpartition("/")[2])
