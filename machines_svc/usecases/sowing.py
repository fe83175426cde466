"""The first machines of a new installation."""

from __future__ import annotations

import uuid
from dataclasses import replace

from chassis.clock import Clock
from machines_svc.domain.facts import MachinePublished
from machines_svc.domain.machine import Machine, State
from machines_svc.domain.rules import check_spec
from machines_svc.ports import MachineStore, StarterCatalogue


class Sowing:
    """Fills a new store with the starter catalogue, once in its life."""

    def __init__(
        self,
        store: MachineStore,
        starters: StarterCatalogue,
        clock: Clock,
        default_resource_class: str,
    ) -> None:
        """Works on a store.

        Args:
            store: where the machines go.
            starters: which machines.
            clock: tells when.
            default_resource_class: of machines that name none.
        """
        self._store = store
        self._starters = starters
        self._clock = clock
        self._default_resource_class = default_resource_class

    async def sow(self) -> int:
        """Adds the starter catalogue, ACTIVE at once, if the store is new and empty.

        Machines that an admin deletes later do not come back, and none is ever overwritten.

        Returns:
            How many machines were added.

        Raises:
            SpecInvalid, VariableInvalid: a machine of the starter catalogue breaks our own rules.
        """
        now = self._clock.now()
        machines = []
        for name, spec in self._starters.machines():
            completed = replace(
                spec, resource_class=spec.resource_class or self._default_resource_class
            )
            check_spec(completed)
            machine = Machine(name, str(uuid.uuid4()), completed, State.ACTIVE, "", 1, now, now)
            machines.append((machine, MachinePublished(machine)))
        return len(machines) if await self._store.sow(machines) else 0
