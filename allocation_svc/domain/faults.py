"""How this service fails."""

from __future__ import annotations

from chassis.faults import Exhausted, Forbidden, Invalid, NotFound, Unavailable, WrongState


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


class QuotaExceeded(Exhausted):
    """The person has as many allocations as they may."""

    reason = "QUOTA_EXCEEDED"

    def __init__(self, limit: int) -> None:
        """Says how many that is."""
        super().__init__(
            f"You have {limit} allocations, as many as you may; remove one, or ask an admin for more.",
            limit=str(limit),
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
