"""How machines are added, edited and deleted: by admins, and by people as far as they may."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.listing import Condition, Once
from machines_svc.domain.facts import MachineCreated, MachineDeleted, MachineUpdated
from machines_svc.domain.faults import DraftsExceeded, MachineChanged, changed_since
from machines_svc.domain.machine import Lineage, Machine, MachineSpec, State
from machines_svc.domain.rules import check_by_people, check_spec
from machines_svc.ports import MachineStore
from machines_svc.usecases.changing import LOST_RACES_BORNE, change, check_may_change, read


class Editing:
    """Adds, changes and deletes machines."""

    def __init__(
        self,
        store: MachineStore,
        clock: Clock,
        default_resource_class: str,
        drafts_per_person: int,
    ) -> None:
        """Works on a store.

        Args:
            store: where the machines are.
            clock: tells when.
            default_resource_class: of machines that name none.
            drafts_per_person: how many drafts somebody who is no admin may have.
        """
        self._store = store
        self._clock = clock
        self._default_resource_class = default_resource_class
        self._drafts_per_person = drafts_per_person

    async def create(
        self, name: str, spec: MachineSpec, caller: Caller, once: Once | None = None
    ) -> Machine:
        """Adds a machine, as a DRAFT of whoever calls.

        Args:
            name: `machines/{machine}`.
            spec: what it is.
            caller: who makes it.
            once: the request, if it has an id.

        Raises:
            SpecInvalid, VariableInvalid: the spec contradicts itself.
            CommandAdminsOnly, DraftsExceeded: they may not.
            MachineExists: the name is taken.
            Conflict: REQUEST_ID_REUSED.
        """
        return await self._add(name, spec, caller, once=once)

    async def fork(self, name: str, of: Machine, title: str, caller: Caller) -> Machine:
        """Adds a machine that is like another one, as a DRAFT of whoever calls.

        Args:
            name: of the new one.
            of: the other one, which the caller sees.
            title: of the new one; empty for the same.
            caller: who makes it.

        Raises:
            SpecInvalid, VariableInvalid: the title does not do.
            CommandAdminsOnly, DraftsExceeded: they may not.
            MachineExists: the name is taken.
        """
        spec = replace(of.spec, title=title or of.spec.title)
        return await self._add(name, spec, caller, like=of)

    async def update(
        self,
        name: str,
        version: int | None,
        spec: MachineSpec,
        fields: Collection[str],
        caller: Caller,
    ) -> Machine:
        """Changes a machine.

        Args:
            name: `machines/{machine}`.
            version: the one that the change was made from; None for whatever is there.
            spec: holds the new values.
            fields: the attributes of the spec to change.
            caller: who changes it.

        Returns:
            The machine as it is now; where nothing differs, as it was.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineNotDraft: it is the caller's own, and no draft any more.
            MachineChanged: it is of another version.
            SpecInvalid, VariableInvalid: what would come out contradicts itself.
            CommandAdminsOnly: the caller may not make it so.
        """
        changes: dict[str, Any] = {field: getattr(spec, field) for field in fields}

        def alter(machine: Machine) -> Machine:
            check_may_change(caller, machine)
            merged = self._completed(replace(machine.spec, **changes))
            check_spec(merged)
            if not caller.is_admin:
                merged = check_by_people(merged, machine.spec)
            return machine.edited(merged, self._clock.now(), by_admin=caller.is_admin)

        return await change(self._store, name, version, alter, MachineUpdated)

    async def delete(self, name: str, version: int | None, caller: Caller) -> None:
        """Deletes a machine that is not in the catalogue.

        Args:
            name: `machines/{machine}`.
            version: the one that was read; None for whatever is there.
            caller: who deletes it.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineNotDraft: it is the caller's own, and no draft any more.
            MachineChanged: it is of another version.
            MachineActive: it is in the catalogue.
        """
        for _ in range(LOST_RACES_BORNE):
            machine = await read(self._store, name, version)
            check_may_change(caller, machine)
            machine.check_deletable()
            try:
                await self._store.delete(machine, MachineDeleted(machine, self._clock.now()))
            except MachineChanged:
                if version is not None:
                    raise
            else:
                return
        raise changed_since(name)

    async def _add(
        self,
        name: str,
        spec: MachineSpec,
        caller: Caller,
        *,
        like: Machine | None = None,
        once: Once | None = None,
    ) -> Machine:
        spec = self._completed(spec)
        check_spec(spec)
        if not caller.is_admin:
            spec = check_by_people(spec, like.spec if like else None)
            await self._check_drafts(caller)
        now = self._clock.now()
        machine = Machine(
            name=name,
            uid=str(uuid.uuid4()),
            spec=spec,
            state=State.DRAFT,
            publisher=caller.user,
            version=1,
            create_time=now,
            update_time=now,
            forked_from=Lineage(like.name, like.version) if like else None,
        )
        return await self._store.insert(machine, MachineCreated(machine), once)

    async def _check_drafts(self, caller: Caller) -> None:
        # Of several requests at once each may be the last one that is allowed: it is no quota of money.
        theirs = [
            Condition("publisher", "=", caller.user),
            Condition("state", "=", State.DRAFT.value),
        ]
        found = await self._store.list(theirs, [("title", False)], None, self._drafts_per_person)
        if len(found) >= self._drafts_per_person:
            raise DraftsExceeded(
                f"You have {len(found)} drafts, as many as one may have; delete one, or wait until "
                "an admin has published one.",
                most=str(self._drafts_per_person),
            )

    def _completed(self, spec: MachineSpec) -> MachineSpec:
        if spec.resource_class:
            return spec
        return replace(spec, resource_class=self._default_resource_class)
