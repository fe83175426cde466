"""Resource classes: how much of the host an instance may use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Size:
    """The amounts of a resource class. See `ResourceClass`."""

    cpu_millis: int
    memory_bytes: int
    pids: int
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ResourceClass:
    """A size in which machines are rented.

    Attributes:
        id: the last part of `resourceClasses/{resource_class}`; machines name it.
        title: what people read.
        cpu_millis: processor, in thousandths of a core.
        memory_bytes: memory.
        pids: processes and threads.
        disk_bytes: disk beside the volumes.
        is_default: whether it is that of machines that name none.
        create_time: when it was defined.
        update_time: when it last changed.
        version: counts the changes, from 1.
    """

    id: str
    title: str
    cpu_millis: int
    memory_bytes: int
    pids: int
    disk_bytes: int
    is_default: bool
    create_time: datetime
    update_time: datetime
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name."""
        return f"resourceClasses/{self.id}"
