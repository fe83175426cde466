"""Admission: renting a machine is one decision, granted as a whole or refused."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.faults import MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly
from allocation_svc.domain.instance import Limits, Node
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.variables import chosen_values, generated_values
from allocation_svc.ports.allocation_store import AllocationStore, Claim
from allocation_svc.ports.catalogue import Catalogue
from allocation_svc.ports.secret_box import SecretBox
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.listing import Once

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to rent.

    Attributes:
        machine: `machines/{machine}`.
        display_name: their own name for it; empty for the machine's title.
        values: of the machine's variables, by key.
        labels: free labels.
        request_id: a UUID with which the request has one effect; empty for none.
        restart_policy: what becomes of its program when that ends by itself; None for what the machine says.
    """

    machine: str
    display_name: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    restart_policy: RestartPolicy | None = None


class Admission:
    """Rents machines."""

    def __init__(
        self,
        store: AllocationStore,
        catalogue: Catalogue,
        watch: EngineWatch,
        *,
        secret_box: SecretBox,
        clock: Clock,
        kick: Callable[[Allocation], None],
        classes: Mapping[str, Limits],
        default_class: str,
        quota: int,
        provisioning_seconds: float,
    ) -> None:
        """Decides by these.

        Args:
            store: keeps what is rented.
            catalogue: what can be rented.
            watch: the node where it runs.
            secret_box: seals the values of secret variables.
            clock: the time.
            kick: has an allocation worked on at once.
            classes: what each resource class may use.
            default_class: of machines that name none.
            quota: how many allocations a person may have; admins have no limit.
            provisioning_seconds: how long making an instance may take without progress.
        """
        self._store = store
        self._catalogue = catalogue
        self._watch = watch
        self._secret_box = secret_box
        self._clock = clock
        self._kick = kick
        self._classes = classes
        self._default_class = default_class
        self._quota = quota
        self._provisioning_seconds = provisioning_seconds

    async def rent(self, caller: Caller, wish: Wish) -> tuple[Allocation, Mapping[str, str]]:
        """Rents a machine; the instance is made afterwards.

        Returns:
            The allocation, PROVISIONING, with its address; and the secrets that were made for it, by
            key, which nobody is told again: a request that comes twice has none the second time.

        Raises:
            EngineUnavailable: the engine is away; nothing was rented.
            MachineNotFound, MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly: this machine
                cannot be rented here, or not by this person.
            VariableUnknown, VariableMissing, VariableInvalid: the values do not fit.
            QuotaExceeded, StockExhausted, PortsExhausted: there is no room.
            Conflict: REQUEST_ID_REUSED.
        """
        once = Once.of(
            caller.user,
            "CreateAllocation",
            wish.request_id,
            wish.machine,
            wish.display_name,
            dict(wish.values),
            dict(wish.labels),
            wish.restart_policy and wish.restart_policy.value,
        )
        if once is not None and (answered := await self._store.answered(once)) is not None:
            return answered, {}
        self._watch.refuse_if_away(noted=False)
        node = await self._watch.node()
        machine = await self._catalogue.machine(wish.machine)
        limits = self._admissible(caller, machine, node)
        made = generated_values(machine.variables, wish.values)
        values, secret_values = chosen_values(machine.variables, {**wish.values, **made})

        now = self._clock.now()
        plan = machine.plan(limits)
        name = "allocations/" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        allocation = Allocation(
            name=name,
            uid=str(uuid4()),
            owner=caller.user,
            machine=machine.name,
            machine_version=machine.version,
            machine_title=machine.title,
            display_name=wish.display_name or machine.title,
            resource_class=machine.resource_class or self._default_class,
            desired=Desired.RUNNING,
            state=State.PROVISIONING,
            state_time=now,
            create_time=now,
            update_time=now,
            node=node.name,
            variables=values,
            labels=dict(wish.labels),
            deadline=now + timedelta(seconds=max(self._provisioning_seconds, plan.probe_seconds)),
            stop_grace_seconds=plan.stop_grace_seconds,
            probe_seconds=plan.probe_seconds,
            restart_policy=wish.restart_policy or machine.restart_policy,
            machine_restart_policy=machine.restart_policy,
            restart_unhealthy=machine.restart_unhealthy,
        )
        rented = await self._store.admit(
            Claim(
                allocation=allocation,
                plan=plan,
                sealed_secrets=self._sealed(secret_values, name),
                ports=machine.ports,
                host=node.public_host,
                quota=None if caller.is_admin else self._quota,
                stock=machine.stock,
                once=once,
            )
        )
        self._kick(rented)
        # The same request may have been admitted a moment ago: then these are not its secrets.
        return rented, made if rented.uid == allocation.uid else {}

    def _admissible(self, caller: Caller, machine: Machine, node: Node) -> Limits:
        """What an instance of the machine may use, if the caller may rent it here."""
        if not machine.active:
            raise MachineNotActive(
                f"{machine.name!r} is not in the catalogue; choose a machine that is ACTIVE, or "
                "publish it.",
                machine=machine.name,
            )
        if node.admins_only and not caller.is_admin:
            raise RuntimeAdminsOnly(
                "Instances are kept apart so little here that only admins may rent; ask an admin for "
                "a container engine, or to declare everyone here trusted.",
                runtime=node.runtime,
            )
        if not machine.runs_on(node):
            raise MachineNotRunnable(
                f"{machine.name!r} cannot be run here by the runtime {node.runtime!r}; choose a "
                "machine whose availability is RUNNABLE.",
                machine=machine.name,
                runtime=node.runtime,
            )
        name = machine.resource_class or self._default_class
        limits = self._classes.get(name)
        if limits is None:
            raise MachineNotRunnable(
                f"{machine.name!r} is of the resource class {name!r}, which is not defined here; ask "
                "an admin.",
                machine=machine.name,
                resource_class=name,
            )
        return limits

    def _sealed(self, values: Mapping[str, str], name: str) -> bytes:
        if not values:
            return b""
        return self._secret_box.seal(json.dumps(dict(values)).encode(), name)
