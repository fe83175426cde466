"""How admins change the catalogue: add, edit, delete."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from chassis.clock import Clock
from chassis.listing import Once
from machines_svc.domain.facts import MachineCreated, MachineDeleted, MachineUpdated
from machines_svc.domain.faults import MachineChanged, changed_since
from machines_svc.domain.machine import Machine, MachineSpec, State
from machines_svc.domain.rules import check_spec
from machines_svc.ports import MachineStore
from machines_svc.usecases.changing import LOST_RACES_BORNE, change, read


class Editing:
    """Adds, changes and deletes machines."""

    def __init__(self, store: MachineStore, clock: Clock, default_resource_class: str) -> None:
        """Works on a store.

        Args:
            store: where the machines are.
            clock: tells when.
            default_resource_class: of machines that name none.
        """
        self._store = store
        self._clock = clock
        self._default_resource_class = default_resource_class

    async def create(
        self, name: str, spec: MachineSpec, publisher: str, once: Once | None
    ) -> Machine:
        """Adds a machine, as a DRAFT.

        Args:
            name: `machines/{machine}`.
            spec: what it is.
            publisher: who makes it, `users/{user}`.
            once: the request, if it has an id.

        Raises:
            SpecInvalid, VariableInvalid: the spec contradicts itself.
            MachineExists: the name is taken.
            Conflict: REQUEST_ID_REUSED.
        """
        spec = self._completed(spec)
        check_spec(spec)
        now = self._clock.now()
        machine = Machine(name, str(uuid.uuid4()), spec, State.DRAFT, publisher, 1, now, now)
        return await self._store.insert(machine, MachineCreated(machine), once)

    async def update(
        self, name: str, version: int | None, spec: MachineSpec, fields: Collection[str]
    ) -> Machine:
        """Changes a machine.

        Args:
            name: `machines/{machine}`.
            version: the one that the change was made from; None for whatever is there.
            spec: holds the new values.
            fields: the attributes of the spec to change.

        Returns:
            The machine as it is now; where nothing differs, as it was.

        Raises:
            MachineNotFound: there is none of the name.
            MachineChanged: it is of another version.
            SpecInvalid, VariableInvalid: what would come out contradicts itself.
        """
        changes: dict[str, Any] = {field: getattr(spec, field) for field in fields}

        def alter(machine: Machine) -> Machine:
            merged = self._completed(replace(machine.spec, **changes))
            check_spec(merged)
            return machine.edited(merged, self._clock.now())

        return await change(self._store, name, version, alter, MachineUpdated)

    async def delete(self, name: str, version: int | None) -> None:
        """Deletes a machine that is not in the catalogue.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.

        Raises:
            MachineNotFound: there is none of the name.
            MachineChanged: it is of another version.
            MachineActive: it is in the catalogue.
        """
        for _ in range(LOST_RACES_BORNE):
            machine = await read(self._store, name, version)
            machine.check_deletable()
            try:
                await self._store.delete(machine, MachineDeleted(machine, self._clock.now()))
            except MachineChanged:
                if version is not None:
                    raise
            else:
                return
        raise changed_since(name)

    def _completed(self, spec: MachineSpec) -> MachineSpec:
        if spec.resource_class:
            return spec
        return replace(spec, resource_class=self._default_resource_class)
