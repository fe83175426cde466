"""What allocations take, what there is, and what of it is held: pure sums."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum

NO_LIMIT = 2**62
"""More than anything that is counted."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Amounts of what is limited.

    Attributes:
        instances: how many allocations.
        cpu_millis: processor, in thousandths of a core.
        memory_bytes: memory.
        disk_bytes: disk.
    """

    instances: int = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        """The sum, amount by amount."""
        return Amounts(*(getattr(self, n) + getattr(other, n) for n in AMOUNTS))

    def __sub__(self, other: Amounts) -> Amounts:
        """The difference, amount by amount; any of them may be negative."""
        return Amounts(*(getattr(self, n) - getattr(other, n) for n in AMOUNTS))

    def above(self, limits: Bounds) -> str:
        """The name of the first amount that is more than its limit; empty where none is."""
        for name in AMOUNTS:
            limit = getattr(limits, name)
            if limit is not None and getattr(self, name) > limit:
                return name
        return ""


AMOUNTS = tuple(field.name for field in fields(Amounts))
"""The names of the amounts, in their order."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that there may be of each amount; None for no limit. See `Amounts`."""

    instances: int | None = None
    cpu_millis: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None

    def within(self, other: Bounds) -> Bounds:
        """The lower of each two limits."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in AMOUNTS)
        return Bounds(
            *(min((bound for bound in pair if bound is not None), default=None) for pair in pairs)
        )


@dataclass(frozen=True, slots=True)
class Overcommit:
    """How much of each amount of a node is given away, as a multiple of what it has; 0: no limit."""

    cpu: float = 4.0
    memory: float = 1.0
    disk: float = 1.0

    def limits(self, cpu_millis: int, memory_bytes: int, disk_bytes: int) -> Bounds:
        """What may be allocated on a node that has this; 0 where it is not known, so not limited."""
        return Bounds(
            cpu_millis=_limit(cpu_millis, self.cpu),
            memory_bytes=_limit(memory_bytes, self.memory),
            disk_bytes=_limit(disk_bytes, self.disk),
        )


class Holding(Enum):
    """What an allocation holds of its owner's quota, of its node, and of its machine's stock."""

    NOTHING = "NOTHING"
    """It is history."""
    WAITING = "WAITING"
    """It has never been admitted: all of the quota, nothing else."""
    WAITING_AGAIN = "WAITING_AGAIN"
    """It was stopped and waits to run: all of the quota; of the node its disk; and its place in stock."""
    RUNNING = "RUNNING"
    """All of everything, whether or not its program runs at the moment."""
    RESTING = "RESTING"
    """It is stopped: its instance and disk of the quota, of the node its disk; and its place in stock."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is counted for an allocation at present; written together with the allocation.

    Attributes:
        holding: which parts of the amounts are held.
        node: of which node.
        amounts: what it takes when it runs.
    """

    holding: Holding = Holding.NOTHING
    node: str = ""
    amounts: Amounts = Amounts()

    @property
    def waits(self) -> bool:
        """Whether it stands in the queue."""
        return self.holding in (Holding.WAITING, Holding.WAITING_AGAIN)

    @property
    def of_owner(self) -> Amounts:
        """What is held of its owner's quota."""
        match self.holding:
            case Holding.NOTHING:
                return Amounts()
            case Holding.RESTING:
                return Amounts(self.amounts.instances, 0, 0, self.amounts.disk_bytes)
            case _:
                return self.amounts

    @property
    def of_node(self) -> Amounts:
        """What is held of its node."""
        match self.holding:
            case Holding.NOTHING | Holding.WAITING:
                return Amounts()
            case Holding.RUNNING:
                return self.amounts
            case _:
                return Amounts(self.amounts.instances, 0, 0, self.amounts.disk_bytes)

    @property
    def of_machine(self) -> Amounts:
        """What is held of its machine's stock: a place, or none."""
        taken = self.holding not in (Holding.NOTHING, Holding.WAITING)
        return Amounts(self.amounts.instances if taken else 0)


NOTHING_HELD = Held()
ONE_INSTANCE = Amounts(instances=1)


def _limit(there_is: int, times: float) -> int | None:
    return int(there_is * times) if there_is > 0 and times > 0 else None
