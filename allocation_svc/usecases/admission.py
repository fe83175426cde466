"""Admission: renting a machine is one decision, granted as a whole or refused."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from allocation_svc.domain.allocation import Allocation, Desired, State
from allocation_svc.domain.capacity import Amounts
from allocation_svc.domain.crashes import RestartPolicy
from allocation_svc.domain.faults import (
    MachineNotActive,
    MachineNotRunnable,
    NodeDrained,
    RuntimeAdminsOnly,
)
from allocation_svc.domain.instance import Limits, Node
from allocation_svc.domain.machine import Machine
from allocation_svc.domain.planned import replanned
from allocation_svc.domain.resource_class import ResourceClass
from allocation_svc.domain.step import Rules
from allocation_svc.domain.terms import NO_TERMS, TermLimits, Terms
from allocation_svc.domain.variables import chosen_values, generated_values
from allocation_svc.domain.volume_choice import with_volumes
from allocation_svc.ports.allocation_store import AllocationStore, Claim
from allocation_svc.ports.catalogue import Catalogue
from allocation_svc.ports.resource_class_store import ResourceClassStore
from allocation_svc.ports.secret_box import SecretBox
from allocation_svc.ports.wallet_reservations import WalletReservations
from allocation_svc.usecases.allowances import Allowances
from allocation_svc.usecases.engine_watch import EngineWatch
from chassis.clock import Clock
from chassis.faults import Fault, FieldViolation, Invalid
from chassis.identity.caller import Caller
from chassis.listing import Once

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_LENGTH = 8
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to rent.

    Attributes:
        machine: `machines/{machine}`.
        display_name: their own name for it; empty for the machine's title.
        values: of the machine's variables, by key.
        labels: free labels.
        request_id: a UUID with which the request has one effect; empty for none.
        volumes: the names of detached volumes by the paths where they shall be.
        waits: whether it waits where there is no room; else it is refused.
        wait_seconds: for how long at most; 0 for as long as it may.
        restart_policy: what becomes of its program when that ends by itself; None for what the machine says.
        terms: when it ends, rests and wakes by itself.
        resource_class: how much of the host it may use; empty for what the machine says.
    """

    machine: str
    display_name: str = ""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    waits: bool = False
    wait_seconds: float = 0.0
    restart_policy: RestartPolicy | None = None
    terms: Terms = NO_TERMS
    resource_class: str = ""


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
        classes: ResourceClassStore,
        allowances: Allowances,
        wallets: WalletReservations,
        provisioning_seconds: float,
        rules: Rules,
        term_limits: TermLimits,
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
            allowances: what there is to be had.
            wallets: who pays.
            provisioning_seconds: how long making an instance may take without progress.
            rules: how long before an end by itself its owner is warned.
            term_limits: when one may end and rest by itself.
        """
        self._store = store
        self._catalogue = catalogue
        self._watch = watch
        self._secret_box = secret_box
        self._clock = clock
        self._kick = kick
        self._classes = classes
        self._allowances = allowances
        self._wallets = wallets
        self._under_way: set[asyncio.Task[Allocation]] = set()
        self._provisioning_seconds = provisioning_seconds
        self._rules = rules
        self._term_limits = term_limits

    async def rent(self, caller: Caller, wish: Wish) -> tuple[Allocation, Mapping[str, str]]:
        """Rents a machine; the instance is made afterwards.

        Returns:
            The allocation, PROVISIONING, with its address, or PENDING, with its place in the queue; and
            the secrets that were made for it, by key, which nobody is told again: a request that comes
            twice has none the second time.

        Raises:
            EngineUnavailable: the engine is away; nothing was rented.
            NodeDrained: nothing new is taken at present.
            MachineNotFound, MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly: this machine
                cannot be rented here, or not by this person.
            VariableUnknown, VariableMissing, VariableInvalid: the values do not fit.
            ExpireTimeInvalid, IdleTimeoutInvalid: its terms are not allowed here.
            NeverFits: it can never run here, or not for this person.
            VolumePathUnknown, VolumeNotFound, VolumeInUse, VolumeElsewhere: it cannot have a volume.
            QuotaExceeded, QueueFull: it cannot run now, nor wait.
            CapacityExhausted, OthersWait, StockExhausted, PortsExhausted: there is no room.
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
            wish.waits,
            wish.wait_seconds,
            dict(wish.volumes),
            repr(wish.terms),
            wish.resource_class,
        )
        if once is not None and (answered := await self._store.answered(once)) is not None:
            return answered, {}
        self._watch.refuse_if_away(noted=False)
        node = await self._watch.node()
        refuse_if_drained(node)
        machine = await self._catalogue.machine(wish.machine)
        size = await self.size(caller, machine, node)
        if wish.resource_class:
            size = await chosen_class(self._classes, wish.resource_class)
        made = generated_values(machine.variables, wish.values)
        values, secret_values = chosen_values(machine.variables, {**wish.values, **made})

        now = self._clock.now()
        terms = self._term_limits.completed(wish.terms, now)
        self._term_limits.check(NO_TERMS, terms, now, now, unlimited=caller.is_admin)
        plan = machine.plan(Limits(size.cpu_millis, size.memory_bytes, size.pids))
        name = "allocations/" + "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        plan, volumes = with_volumes(name, machine, plan, wish.volumes)
        allocation = Allocation(
            name=name,
            uid=str(uuid4()),
            owner=caller.user,
            machine=machine.name,
            machine_version=machine.version,
            machine_title=machine.title,
            display_name=wish.display_name or machine.title,
            resource_class=size.id,
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
            price=machine.price,
            needs=needs_of(machine, size),
            volumes=volumes,
            terms=terms,
            scheduled_until=now,
        )
        allocation = replanned(allocation, now, self._rules)
        claim = Claim(
            allocation=allocation,
            plan=plan,
            sealed_secrets=self._sealed(secret_values, name),
            ports=machine.ports,
            host=node.public_host,
            room=await self._allowances.room(caller, caller.user),
            stock=machine.stock,
            wait=self._allowances.wait(now, wish.wait_seconds) if wish.waits else None,
            once=once,
        )
        # Whoever asked may go: what was begun ends as a whole all the same.
        taking = asyncio.ensure_future(self._taken(claim, now))
        self._under_way.add(taking)
        taking.add_done_callback(self._under_way.discard)
        rented = await asyncio.shield(taking)
        self._kick(rented)
        # The same request may have been admitted a moment ago: then these are not its secrets.
        return rented, made if rented.uid == allocation.uid else {}

    async def _taken(self, claim: Claim, now: datetime) -> Allocation:
        """Holds the money, then takes everything else as one; lets the money go if that fails."""
        begun = claim.allocation
        until = (claim.wait or self._allowances.wait(now)).deadline
        await self._wallets.reserve(begun.name, begun.owner, begun.price, until)
        try:
            rented = await self._store.admit(claim)
        except Exception:
            # It lapses by itself where this fails too.
            with suppress(Fault):
                await self._wallets.release(begun.name)
            raise
        if rented.uid != begun.uid:
            await self._wallets.release(begun.name)
        elif rented.state is not State.PENDING:
            await self._wallets.settle(begun.name)
        return rented

    async def size(self, caller: Caller, machine: Machine, node: Node) -> ResourceClass:
        """What an instance of the machine may use, if the caller may rent it here.

        Raises:
            MachineNotActive, MachineNotRunnable, RuntimeAdminsOnly: they may not.
        """
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
        size = await self._classes.find(machine.resource_class)
        if size is None:
            raise MachineNotRunnable(
                f"{machine.name!r} is of the resource class {machine.resource_class!r}, which is not "
                "defined here; ask an admin.",
                machine=machine.name,
                resource_class=machine.resource_class,
            )
        return size

    def _sealed(self, values: Mapping[str, str], name: str) -> bytes:
        if not values:
            return b""
        return self._secret_box.seal(json.dumps(dict(values)).encode(), name)


async def chosen_class(classes: ResourceClassStore, name: str) -> ResourceClass:
    """A class that somebody has chosen for an allocation.

    Raises:
        Invalid: there is no such class.
    """
    size = await classes.find(name)
    if size is None:
        message = f"There is no resource class {name!r} here; list the resource classes."
        raise Invalid(message, fields=[FieldViolation("allocation.resource_class", message)])
    return size


def needs_of(machine: Machine, size: ResourceClass) -> Amounts:
    """What an allocation of a machine takes when it runs."""
    volumes = sum(volume.size_mib for volume in machine.volumes) * _MIB
    return Amounts(1, size.cpu_millis, size.memory_bytes, size.disk_bytes + volumes)


def refuse_if_drained(node: Node) -> None:
    """Keeps what is new away from nodes that an admin has drained.

    Raises:
        NodeDrained: every node is.
    """
    if node.drained:
        raise NodeDrained(
            "Nothing new is taken at present: an admin has drained the nodes. Try again later.",
            retry_after=300,
        )
