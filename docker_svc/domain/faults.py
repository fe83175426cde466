"""What goes wrong with instances."""

from __future__ import annotations

from chassis.faults import Conflict, Exhausted, Invalid, NotFound, Unavailable, WrongState


class GenerationStale(Conflict):
    """A newer instance of the allocation is known, or this one was removed."""

    reason = "GENERATION_STALE"


class InstanceNotFound(NotFound):
    """There is no such instance."""

    reason = "INSTANCE_NOT_FOUND"


class NotRunnable(WrongState):
    """The present runtime cannot run what is asked for."""

    reason = "MACHINE_NOT_RUNNABLE"


class EngineUnavailable(Unavailable):
    """The container engine does not answer."""

    reason = "ENGINE_UNAVAILABLE"


class EngineRefused(WrongState):
    """The engine will not make or start the instance."""

    reason = "ENGINE_REFUSED"


class ImageNotFound(NotFound):
    """The image does not exist, or the engine may not fetch it."""

    reason = "IMAGE_NOT_FOUND"


class NameTaken(WrongState):
    """Something that is not ours has the name of an instance."""

    reason = "INSTANCE_NAME_TAKEN"


class PortTaken(Conflict):
    """Something else listens on the port."""

    reason = "PORT_TAKEN"


class ProgramNotStarted(WrongState):
    """The program could not be started."""

    reason = "PROGRAM_NOT_STARTED"


class NodeNotFound(NotFound):
    """There is no such node."""

    reason = "NODE_NOT_FOUND"


class NoNodeFits(Exhausted):
    """No node of the cluster can take the instance."""

    reason = "NO_NODE_FITS"


class StatsUnreachable(WrongState):
    """What an instance uses cannot be asked of its node."""

    reason = "STATS_UNREACHABLE"


class PatternInvalid(Invalid):
    """The pattern of a log probe cannot be read."""


class VolumeNotFound(NotFound):
    """The runtime has no such volume."""

    reason = "VOLUME_NOT_FOUND"


class VolumeInUse(WrongState):
    """There is a volume of that name already."""

    reason = "VOLUME_IN_USE"


class VolumeTooLarge(Exhausted):
    """The archive holds more than the volume may."""

    reason = "VOLUME_TOO_LARGE"


class ArchiveInvalid(Invalid):
    """It is no tar archive, or not all of one."""

    reason = "ARCHIVE_INVALID"


class ArchiveUnsafe(Invalid):
    """Something in the archive leads out of it, or is no file."""

    reason = "ARCHIVE_UNSAFE"
