"""What goes wrong with instances."""

from __future__ import annotations

from chassis.faults import Conflict, Invalid, NotFound, Unavailable, WrongState


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


class PortTaken(Conflict):
    """Something else listens on the port."""

    reason = "PORT_TAKEN"


class ProgramNotStarted(WrongState):
    """The program could not be started."""

    reason = "PROGRAM_NOT_STARTED"


class PatternInvalid(Invalid):
    """The pattern of a log probe cannot be read."""
