"""How this service fails."""

from __future__ import annotations

from allocation_svc.domain.spoken import KINDS, quantity
from chassis.faults import (
    AlreadyExists,
    Exhausted,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
    WrongState,
)


class AllocationNotFound(NotFound):
    """There is no such allocation, or it is somebody else's."""

    reason = "ALLOCATION_NOT_FOUND"

    def __init__(self, name: str) -> None:
        """Names the allocation."""
        super().__init__(
            f"There is no allocation {name!r} of yours; list your allocations.", allocation=name
        )


class AllocationDeleted(WrongState):
    """The allocation has been deleted."""

    reason = "ALLOCATION_DELETED"

    def __init__(self, name: str) -> None:
        """Names the allocation."""
        super().__init__(
            f"The allocation {name!r} has been deleted; rent the machine again.", allocation=name
        )


class AllocationNotRunning(WrongState):
    """The allocation does not run."""

    reason = "ALLOCATION_NOT_RUNNING"

    def __init__(self, name: str, state: str) -> None:
        """Names the allocation and its state."""
        super().__init__(
            f"The allocation {name!r} is {state}, so it cannot be restarted; start it.",
            allocation=name,
            state=state,
        )


class MachineUsageNotYours(Forbidden):
    """Somebody else has published the machine."""

    reason = "MACHINE_USAGE_NOT_YOURS"

    def __init__(self, machine: str) -> None:
        """Names the machine."""
        super().__init__(
            f"The usage of {machine!r} is for its publisher and admins; that of your own allocations "
            "you see at each of them.",
            machine=machine,
        )


class MachineNotActive(WrongState):
    """The machine is not in the catalogue."""

    reason = "MACHINE_NOT_ACTIVE"


class MachineNotRunnable(WrongState):
    """The runtime of this installation cannot run the machine."""

    reason = "MACHINE_NOT_RUNNABLE"


class RuntimeAdminsOnly(Forbidden):
    """The present runtime keeps instances so little apart that only admins may rent."""

    reason = "RUNTIME_ADMINS_ONLY"


class VariableMissing(Invalid):
    """A variable that the machine needs has no value."""

    reason = "VARIABLE_MISSING"


class VariableUnknown(Invalid):
    """The machine has no such variable."""

    reason = "VARIABLE_UNKNOWN"


class VariableInvalid(Invalid):
    """The value of a variable does not fit its rules."""

    reason = "VARIABLE_INVALID"


class AllocationExpired(WrongState):
    """The time of the allocation is over."""

    reason = "ALLOCATION_EXPIRED"

    def __init__(self, name: str, expire_time: str) -> None:
        """Names the allocation and when its time was over."""
        super().__init__(
            f"The time of the allocation {name!r} was over at {expire_time}; set a later expire_time, "
            "then start it.",
            allocation=name,
            expire_time=expire_time,
        )


class ExpireTimeInvalid(Invalid):
    """An allocation cannot end then."""

    reason = "EXPIRE_TIME_INVALID"


class IdleTimeoutInvalid(Invalid):
    """An allocation cannot be idle for that long before it is stopped."""

    reason = "IDLE_TIMEOUT_INVALID"


class ScheduleInvalid(Invalid):
    """A schedule cannot be followed."""

    reason = "SCHEDULE_INVALID"


class MachineTooDifferent(WrongState):
    """The volumes of the newest version of the machine do not fit beside those that are kept."""

    reason = "MACHINE_TOO_DIFFERENT"


class QuotaExceeded(Exhausted):
    """The person has as much as they may."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, limit: int, amount: str = "instances", used: int | None = None) -> None:
        """Says how much that is.

        Args:
            limit: what they may have.
            amount: of what, as in `capacity.AMOUNTS`.
            used: what they have; None for all that they may.
        """
        has = limit if used is None else used
        if amount == "instances":
            message = f"You have {has} allocations, as many as you may"
            if has < limit:
                message = f"You may have {limit} allocations"
        else:
            message = (
                f"You use {quantity(amount, has)} of the {quantity(amount, limit)} of "
                f"{KINDS[amount]} that you may"
            )
        super().__init__(
            f"{message}; stop or remove one, or ask an admin for more."
            if amount in ("cpu_millis", "memory_bytes")
            else f"{message}; remove one, or ask an admin for more.",
            limit=str(limit),
            used=str(has),
            resource=amount,
        )


class StockExhausted(Exhausted):
    """As many of the machine are rented as there are."""

    reason = "STOCK_EXHAUSTED"

    def __init__(self, machine: str, stock: int) -> None:
        """Names the machine and how many there are."""
        super().__init__(
            f"All {stock} of {machine!r} are rented; try again when somebody has removed one.",
            retry_after=60,
            machine=machine,
            stock=str(stock),
        )


class PortsExhausted(Exhausted):
    """No port is left in the range of this installation."""

    reason = "PORTS_EXHAUSTED"

    def __init__(self) -> None:
        """Says what to do."""
        super().__init__(
            "No port is left in the range of this installation; try again in a minute. An admin can "
            "widen the range.",
            retry_after=60,
        )


class EngineUnavailable(Unavailable):
    """The engine does not answer."""

    reason = "ENGINE_UNAVAILABLE"


class CapacityExhausted(Exhausted):
    """So much is allocated that there is no room."""

    reason = "CAPACITY_EXHAUSTED"

    def __init__(self, amount: str, retry_after: float = 60.0) -> None:
        """Says of what, as in `capacity.AMOUNTS`, and when to try again, in seconds."""
        super().__init__(
            f"There is not enough {KINDS[amount]} left at present; try again later, or ask to wait "
            "for your turn.",
            retry_after=retry_after,
            resource=amount,
        )


class OthersWait(Exhausted):
    """There may be room, but others have waited for it for longer."""

    reason = "OTHERS_WAIT"

    def __init__(self, retry_after: float = 60.0) -> None:
        """Says when to try again, in seconds."""
        super().__init__(
            "Others wait for room, and what becomes free is theirs; try again later, or ask to wait for "
            "your turn.",
            retry_after=retry_after,
        )


class NeverFits(WrongState):
    """It needs more than there is, or than its owner may ever have."""

    reason = "NEVER_FITS"

    def __init__(self, amount: str, needed: int, limit: int, whose: str) -> None:
        """Names the limit.

        Args:
            amount: of what, as in `capacity.AMOUNTS`.
            needed: by the machine.
            limit: that says no.
            whose: limit that is: `quota`, `capacity`, `ports`.
        """
        of_whom = {
            "quota": "you may have",
            "capacity": "this installation has",
            "ports": "this installation leases",
        }[whose]
        needs = quantity(amount, needed)
        if whose == "ports" or amount == "instances":
            needs += " ports" if whose == "ports" else " allocations"
        else:
            needs += f" of {KINDS[amount]}"
        super().__init__(
            f"It needs {needs}, but {of_whom} {quantity(amount, limit)}, so waiting does not help; "
            "choose a smaller machine, or ask an admin.",
            resource=amount,
            needed=str(needed),
            limit=str(limit),
            whose=whose,
        )


class QueueFull(Exhausted):
    """As many wait as may."""

    reason = "QUEUE_FULL"

    def __init__(self, length: int) -> None:
        """Says how many that is."""
        super().__init__(
            f"There is no room, and {length} wait for it already; try again later.",
            retry_after=300,
            length=str(length),
        )


NO_ROOM = (CapacityExhausted, OthersWait, PortsExhausted, StockExhausted)
"""What is worth waiting for: it passes when others have gone."""


class AllocationNotWaiting(WrongState):
    """The allocation does not wait for room."""

    reason = "ALLOCATION_NOT_WAITING"

    def __init__(self, name: str, state: str) -> None:
        """Names the allocation and its state."""
        super().__init__(
            f"The allocation {name!r} is {state}, so it waits for nothing; stop it or remove it.",
            allocation=name,
            state=state,
        )


class AllocationWaiting(WrongState):
    """The allocation still waits for room."""

    reason = "ALLOCATION_WAITING"

    def __init__(self, name: str) -> None:
        """Names the allocation."""
        super().__init__(
            f"The allocation {name!r} still waits for room, so there is nothing to stop; cancel it, or "
            "wait until it is admitted.",
            allocation=name,
        )


class NodeNotFound(NotFound):
    """There is no such node."""

    reason = "NODE_NOT_FOUND"


class NodeDrained(Unavailable):
    """The only node takes no instances."""

    reason = "NODE_DRAINED"


class ResourceClassNotFound(NotFound):
    """There is no such resource class."""

    reason = "RESOURCE_CLASS_NOT_FOUND"

    def __init__(self, name: str) -> None:
        """Names it."""
        super().__init__(f"There is no resource class {name!r}; list them.", resource_class=name)


class ResourceClassExists(AlreadyExists):
    """There is a resource class of that name."""

    reason = "RESOURCE_CLASS_EXISTS"

    def __init__(self, name: str) -> None:
        """Names it."""
        super().__init__(
            f"There is a resource class {name!r} already; update it, or choose another name.",
            resource_class=name,
        )


class ResourceClassIsDefault(WrongState):
    """It is the default one, and there must be one."""

    reason = "RESOURCE_CLASS_IS_DEFAULT"

    def __init__(self, name: str) -> None:
        """Names it."""
        super().__init__(
            f"{name!r} is the resource class of machines that name none; make another one the default "
            "first.",
            resource_class=name,
        )
