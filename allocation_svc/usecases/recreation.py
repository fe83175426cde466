"""Making the instance of an allocation anew from the newest version of its machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from allocation_svc.domain.allocation import Allocation
from allocation_svc.domain.facts import Fact
from allocation_svc.domain.faults import AllocationNotFound
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.recreation import plan_after, refuse_unless_remakable, remade
from allocation_svc.domain.variables import chosen_values, generated_values
from allocation_svc.ports.allocation_store import AllocationStore, Remaking
from allocation_svc.ports.catalogue import Catalogue
from allocation_svc.ports.secret_box import SecretBox
from allocation_svc.usecases.admission import Admission
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.clock import Clock
from chassis.faults import Conflict
from chassis.identity.caller import Caller
from chassis.listing import Once

_MOST_RACES = 50


class Recreation:
    """Writes down that an instance shall be made anew; the reconciler does it."""

    def __init__(
        self,
        store: AllocationStore,
        catalogue: Catalogue,
        admission: Admission,
        allowances: Allowances,
        watch: EngineWatch,
        *,
        secret_box: SecretBox,
        clock: Clock,
        kick: Callable[[Allocation], None],
    ) -> None:
        """Works on the store.

        Args:
            store: keeps what is asked for.
            catalogue: has the newest version of each machine.
            admission: knows who may rent what.
            allowances: what there is to be had for new volumes.
            watch: the node where it runs.
            secret_box: opens and seals the values of secret variables.
            clock: the time.
            kick: has an allocation worked on at once.
        """
        self._store = store
        self._catalogue = catalogue
        self._admission = admission
        self._allowances = allowances
        self._watch = watch
        self._secret_box = secret_box
        self._clock = clock
        self._kick = kick

    async def recreate(
        self, caller: Caller, name: str, values: Mapping[str, str], request_id: str = ""
    ) -> tuple[Allocation, Mapping[str, str]]:
        """Has the instance of an allocation made anew from its machine as it is now.

        Args:
            caller: who asks.
            name: which.
            values: of variables that change, by key; the others stay.
            request_id: a UUID with which the request has one effect; empty for none.

        Returns:
            The allocation; and the secrets that were made for it now, by key, told once.

        Raises:
            AllocationNotFound, AllocationDeleted, AllocationWaiting: there is nothing to make anew.
            MachineNotFound, MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly: the machine cannot
                be rented here any more, or not by this person.
            MachineTooDifferent: its volumes do not fit beside those that the allocation keeps.
            NeverFits, QuotaExceeded, CapacityExhausted, OthersWait, PortsExhausted: there is no room for
                its new volumes, or no port; nothing has changed.
            VariableUnknown, VariableMissing, VariableInvalid: the values do not fit.
            EngineUnavailable: the engine is away; it is done when it is back.
            Conflict: REQUEST_ID_REUSED.
        """
        once = Once.of(caller.user, "RecreateAllocation", request_id, name, dict(values))
        if once is not None and (answered := await self._store.answered(once)) is not None:
            return answered, {}
        written, made = await self._written(caller, name, values, once)
        self._kick(written)
        self._watch.refuse_if_away(noted=True)
        return written, made

    async def _written(
        self, caller: Caller, name: str, values: Mapping[str, str], once: Once | None
    ) -> tuple[Allocation, Mapping[str, str]]:
        machine: Machine | None = None
        for _ in range(_MOST_RACES):
            allocation = await self._store.find(name, "" if caller.sees_all else caller.user)
            if allocation is None:
                raise AllocationNotFound(name)
            refuse_unless_remakable(allocation)
            if machine is None:
                machine = await self._catalogue.machine(allocation.machine)
                node = await self._watch.node()
                await self._admission.size(caller, machine, node)
                room = await self._allowances.room(caller, allocation.owner)
            kept = await self._store.plan(name)
            if kept is None:
                raise AllocationNotFound(name)
            former, sealed = kept
            known = self._known(allocation, sealed)
            takes = {variable.key for variable in machine.variables}
            given = {**{key: value for key, value in known.items() if key in takes}, **values}
            made = generated_values(machine.variables, given)
            chosen, secret_values = chosen_values(machine.variables, {**given, **made})
            plan = plan_after(name, former, machine)
            after = remade(
                allocation, machine, chosen, (former, plan), node.public_host, self._clock.now()
            )
            remaking = Remaking(plan, self._sealed(secret_values, name))
            written = await self._store.replace(
                after, Fact.STATE_REQUESTED, once=once, room=room, remaking=remaking
            )
            if written is not None:
                return written, made
        raise Conflict(
            f"The allocation {name!r} changes too fast at present; try again.", allocation=name
        )

    def _known(self, allocation: Allocation, sealed: bytes) -> dict[str, str]:
        """The values that there are, secret ones too."""
        known = {one.key: one.value for one in allocation.variables if not one.secret}
        if sealed:
            known.update(json.loads(self._secret_box.open(sealed, allocation.name)))
        return known

    def _sealed(self, values: Mapping[str, str], name: str) -> bytes:
        if not values:
            return b""
        return self._secret_box.seal(json.dumps(dict(values)).encode(), name)
