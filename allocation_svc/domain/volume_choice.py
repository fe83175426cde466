"""Which volumes a new allocation has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from allocation_svc.domain.instance import Volume as PlannedVolume
from allocation_svc.domain.machine import Machine, Plan
from allocation_svc.domain.volume import AllocationVolume, volume_name
from allocation_svc.domain.volume_faults import VolumePathUnknown


def with_volumes(
    allocation: str, machine: Machine, plan: Plan, wished: Mapping[str, str]
) -> tuple[Plan, tuple[AllocationVolume, ...]]:
    """The plan with the volumes that are wished for, and all volumes of the allocation.

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


def _named(volume: PlannedVolume, name: str) -> PlannedVolume:
    return replace(volume, volume=name.rpartition("/")[2])
