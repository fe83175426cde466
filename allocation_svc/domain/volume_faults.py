"""How volumes, and what goes into them and comes out, fail."""

from __future__ import annotations

from allocation_svc.domain.spoken import of_bytes
from allocation_svc.domain.volume import MIB, Volume, full_message
from chassis.faults import DeadlineExceeded, Exhausted, Forbidden, Invalid, NotFound, WrongState


class VolumeNotFound(NotFound):
    """There is no such volume, or it is somebody else's."""

    reason = "VOLUME_NOT_FOUND"

    def __init__(self, name: str) -> None:
        """Names the volume."""
        super().__init__(f"There is no volume {name!r} of yours; list your volumes.", volume=name)


class VolumeInUse(WrongState):
    """An allocation has the volume."""

    reason = "VOLUME_IN_USE"

    def __init__(self, name: str, allocation: str) -> None:
        """Names the volume and who has it."""
        super().__init__(
            f"The volume {name!r} is that of {allocation!r}; remove the allocation and keep its "
            "volumes, or choose another volume.",
            volume=name,
            allocation=allocation,
        )


class VolumeNotReady(WrongState):
    """The volume is being filled or removed, or is lost."""

    reason = "VOLUME_NOT_READY"

    def __init__(self, volume: Volume) -> None:
        """Names the volume and its state."""
        super().__init__(
            f"The volume {volume.name!r} is {volume.state.value}; choose one that is DETACHED.",
            volume=volume.name,
            state=volume.state.value,
        )


class VolumeElsewhere(WrongState):
    """The volume is on another node."""

    reason = "VOLUME_ELSEWHERE"

    def __init__(self, volume: Volume, node: str) -> None:
        """Names the volume and both nodes."""
        super().__init__(
            f"The volume {volume.name!r} is on the node {volume.node!r}, and the allocation would be on "
            f"{node!r}; download the volume and upload it again.",
            volume=volume.name,
            node=volume.node,
        )


class VolumeFull(WrongState):
    """A volume of the allocation holds more than it may."""

    reason = "VOLUME_FULL"

    def __init__(self, volume: Volume) -> None:
        """Names the volume, what it holds and what it may hold."""
        super().__init__(
            full_message(volume),
            volume=volume.name,
            size_bytes=str(volume.size_bytes),
            limit_bytes=str(volume.limit_bytes),
        )


class VolumePathUnknown(Invalid):
    """The machine has no volume at that path."""

    reason = "VOLUME_PATH_UNKNOWN"

    def __init__(self, path: str, machine: str) -> None:
        """Names both."""
        super().__init__(
            f"{machine!r} has no volume at {path!r}; use the paths of its volumes.",
            path=path,
            machine=machine,
        )


class VolumesExceeded(Exhausted):
    """The person has as many detached volumes as they may."""

    reason = "VOLUMES_EXCEEDED"

    def __init__(self, limit: int) -> None:
        """Says how many that is."""
        super().__init__(
            f"You may have {limit} detached volumes; remove one that you do not need.",
            limit=str(limit),
        )


class VolumeTooLarge(Exhausted):
    """It is more than the person may keep."""

    reason = "VOLUME_TOO_LARGE"

    def __init__(self, limit: int, left: int) -> None:
        """Says how much that is, and what is left of it, in bytes."""
        super().__init__(
            f"You may have {of_bytes(limit)} in detached volumes, and {of_bytes(max(0, left))} of it is "
            "left; ask for less, or remove one that you do not need.",
            limit_bytes=str(limit),
            left_bytes=str(max(0, left)),
        )


class VolumeLimitAdminsOnly(Forbidden):
    """Only admins change how much a volume may hold."""

    reason = "VOLUME_LIMIT_ADMINS_ONLY"

    def __init__(self) -> None:
        """Says so."""
        super().__init__("Only admins change how much a volume may hold; ask one.")


class TransfersExhausted(Exhausted):
    """The person has as many downloads and uploads at a time as they may."""

    reason = "TRANSFERS_EXHAUSTED"

    def __init__(self, limit: int) -> None:
        """Says how many that is."""
        super().__init__(
            f"You have {limit} downloads and uploads at a time, as many as you may; wait until one has "
            "ended.",
            retry_after=10,
            limit=str(limit),
        )


class TransferStalled(DeadlineExceeded):
    """A download or an upload did not move for too long."""

    reason = "TRANSFER_STALLED"

    def __init__(self, seconds: float) -> None:
        """Says for how long."""
        super().__init__(
            f"Nothing moved for {seconds:.0f} seconds; begin again, over a connection that does not "
            "stand still."
        )


def least_mib(size: int) -> int:
    """The smallest limit, in MiB, that is not below a size in bytes."""
    return max(1, -(-size // MIB))
