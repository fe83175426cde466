"""What an allocation is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from allocation_svc.domain.capacity import NOTHING_HELD, ONE_INSTANCE, Amounts, Held, Holding
from allocation_svc.domain.crashes import NO_RESTARTS, RestartPolicy, Restarts
from allocation_svc.domain.queue_place import QueuePlace
from allocation_svc.domain.terms import NO_TERMS, Terms
from allocation_svc.domain.volume import AllocationVolume


class Desired(Enum):
    """What an owner asks an allocation to be; the values are the names in the contract."""

    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    DELETED = "DELETED"


class State(Enum):
    """What is so; the values are the names in the contract."""

    PENDING = "PENDING"
    PROVISIONING = "PROVISIONING"
    READY = "READY"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    STARTING = "STARTING"
    UNKNOWN = "UNKNOWN"
    FAILED = "FAILED"
    DELETING = "DELETING"
    DELETED = "DELETED"
    UNHEALTHY = "UNHEALTHY"


MOVING = frozenset({State.PROVISIONING, State.STARTING, State.STOPPING, State.DELETING})
"""The states that are on their way to another one, each with a deadline."""


class Protocol(Enum):
    """Transport protocols; the values are the names in the contract."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, slots=True)
class VariableValue:
    """The value of one variable of the machine.

    Attributes:
        key: the variable's key.
        value: its value; empty where it is secret: secrets are kept sealed, elsewhere.
        secret: whether it is.
    """

    key: str
    value: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one port of the machine is reached.

    Attributes:
        host: the host name or address.
        port: the port on the node, leased to the allocation; 0 where that is still to be leased.
        protocol: the transport protocol.
        container_port: the port's number inside the machine.
        title: what it is for.
        scheme: with which a client opens it; empty where there is none.
    """

    host: str
    port: int
    protocol: Protocol
    container_port: int
    title: str = ""
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class StateReason:
    """Why an allocation is in its state.

    Attributes:
        reason: from the closed list.
        message: the same in a sentence, with what to do.
        exit_code: of the program, where it has ended.
        out_of_memory: whether the engine ended it for lack of memory.
        last_lines: the end of its log, at most 50 lines, where it has failed.
    """

    reason: str
    message: str
    exit_code: int | None = None
    out_of_memory: bool = False
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What happens to an allocation by itself, if nothing changes before.

    Attributes:
        time: when.
        desired: what it shall be then.
        reason: why: EXPIRED, IDLE or SCHEDULED.
        warn_time: when its owner is warned; None for a change that nobody is warned of.
        warned: whether that was done.
    """

    time: datetime
    desired: Desired
    reason: StateReason
    warn_time: datetime | None = None
    warned: bool = False


@dataclass(frozen=True, slots=True)
class LastKnown:
    """The state before the engine went away.

    Attributes:
        state: what was so.
        state_time: since when.
        reason: why.
    """

    state: State
    state_time: datetime
    reason: StateReason | None


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour costs, in the smallest unit of a currency of three letters."""

    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class Allocation:
    """One person's lease of a machine, without its secrets.

    What people see:

    Attributes:
        name: `allocations/{allocation}`.
        uid: a UUID that is never used twice.
        owner: `users/{user}`.
        machine: `machines/{machine}`.
        machine_version: which version of the machine it was made from.
        machine_title: the title of the machine when it was rented.
        display_name: the owner's own name for it.
        variables: the values of the machine's variables, in the machine's order.
        labels: free labels.
        resource_class: how much of the host it may use, from its next start on.
        terms: when it ends, rests and wakes by itself.
        planned: what happens to it next by itself; None where nothing does.
        desired: what the owner, or one of its terms, asked for last.
        state: what is so.
        reason: why; None where there is nothing to say.
        state_time: since when it is in that state.
        endpoints: where it answers; the main one first.
        generation: counts the instances that were made for it, from 1.
        observed_time: when the engine was last heard of it.
        progress: what is being done, in words, while the state moves.
        create_time: when it was rented.
        update_time: when it last changed.
        delete_time: when it was removed.
        restart_policy: what becomes of its program when that ends by itself.
        version: counts the changes, from 1.
        price: what an hour in READY costs, by its machine when it was rented; None for nothing.
        volumes: its volumes by their paths, in the machine's order.
        queue: where it stands in the queue; filled in for those who look, never kept.

    What the reconciler needs besides:

    Attributes:
        node: what its ports are leased of: a host, or a cluster as a whole.
        deadline: when the present moving state is out of time; None in states of rest.
        incarnation: how often its program had been started when it was last heard of.
        after_incarnation: the program shall run with an incarnation above this one; so a start or a
            restart that was asked for once happens once.
        scheduled_until: until when its schedule is followed: what it said before is done, or was
            overruled.
        to_be_remade: whether it is to have an instance of a new generation when it next runs.
        leaving: ports that its machine has no more, leased as long as the instance that has them may run.
        asked: whether the owner has asked for something since it came to rest, so that a FAILED one
            is tried again.
        first_ready_time: when it first answered; None if it never did.
        last_known: the state before the engine went away; set while the state is UNKNOWN.
        recreated: when its instance was lost and made anew, the newest last.
        port_tries: how often a leased port turned out to be taken by a stranger, since it last ran.
        stop_grace_seconds: how long its program may take to stop.
        probe_seconds: how long its program may take to become ready.
        placed_on: the name of the node that its instance was last heard of on; empty before.
        keep_volumes: whether its volumes stay, detached, when it goes.
        stop_reason: why it shall not run, where that was not its owner's wish.
        machine_restart_policy: what its machine says of programs that end by themselves.
        restart_unhealthy: whether a program that does not answer any more is restarted.
        restarts: those that nobody asked for.
        needs: what it takes when it runs.
        held: what is counted for it at present: the store alone writes it, with each change.
        admitted: whether it has ever had room; until then it has no ports.
    """

    name: str
    uid: str
    owner: str
    machine: str
    machine_version: int
    machine_title: str
    display_name: str
    resource_class: str
    desired: Desired
    state: State
    state_time: datetime
    create_time: datetime
    update_time: datetime
    node: str
    variables: tuple[VariableValue, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    terms: Terms = NO_TERMS
    planned: PlannedChange | None = None
    reason: StateReason | None = None
    endpoints: tuple[Endpoint, ...] = ()
    generation: int = 1
    observed_time: datetime | None = None
    progress: str = ""
    delete_time: datetime | None = None
    version: int = 1
    deadline: datetime | None = None
    incarnation: int = 0
    after_incarnation: int = 0
    scheduled_until: datetime | None = None
    to_be_remade: bool = False
    leaving: tuple[Endpoint, ...] = ()
    asked: bool = False
    first_ready_time: datetime | None = None
    last_known: LastKnown | None = None
    recreated: tuple[datetime, ...] = ()
    port_tries: int = 0
    stop_grace_seconds: float = 10.0
    probe_seconds: float = 60.0
    placed_on: str = ""
    restart_policy: RestartPolicy = RestartPolicy.NEVER
    machine_restart_policy: RestartPolicy = RestartPolicy.NEVER
    restart_unhealthy: bool = False
    restarts: Restarts = NO_RESTARTS
    price: Price | None = None
    queue: QueuePlace | None = None
    volumes: tuple[AllocationVolume, ...] = ()
    keep_volumes: bool = False
    stop_reason: StateReason | None = None
    needs: Amounts = ONE_INSTANCE
    held: Held = NOTHING_HELD
    admitted: bool = True

    @property
    def exists(self) -> bool:
        """Whether it is not yet history."""
        return self.state is not State.DELETED

    @property
    def is_moving(self) -> bool:
        """Whether its state is on its way to another one."""
        return self.state in MOVING

    @property
    def known_state(self) -> State:
        """What is so, or was when the engine was last heard of."""
        return self.last_known.state if self.last_known else self.state

    @property
    def holds(self) -> Held:
        """What is to be counted for it: of its owner's quota, its node, and its machine's stock.

        Once it rests it holds no processor and no memory until it shall run again, also while it is
        removed.
        """
        rests = self.known_state is State.STOPPED or self.held.holding in (
            Holding.RESTING,
            Holding.WAITING_AGAIN,
        )
        if self.state is State.DELETED:
            return Held()
        if self.state is State.PENDING:
            holding = Holding.WAITING_AGAIN if self.admitted else Holding.WAITING
        elif rests and self.desired is not Desired.RUNNING:
            holding = Holding.RESTING
        else:
            holding = Holding.RUNNING
        return Held(holding, self.node, self.needs)

    @property
    def has_former_instance(self) -> bool:
        """Whether an instance may run that was made before it was last to be made anew.

        It goes on until the image of the next one is there, and is removed before that one is made: also
        where that takes longer than it may, and the allocation counts as failed meanwhile.
        """
        if self.known_state in (State.STOPPED, State.DELETED):
            return False
        return self.to_be_remade or self.known_state not in (State.READY, State.UNHEALTHY)

    def overdue(self, now: datetime) -> bool:
        """Whether the present moving state is out of time."""
        return self.deadline is not None and now >= self.deadline

    def moved(
        self,
        state: State,
        now: datetime,
        *,
        reason: StateReason | None = None,
        deadline: datetime | None = None,
    ) -> Allocation:
        """The allocation in another state; what belonged to the present one is gone."""
        return replace(
            self,
            state=state,
            state_time=now,
            reason=reason,
            deadline=deadline,
            progress="",
            last_known=None,
            restarts=self.restarts.unplanned,
        )
