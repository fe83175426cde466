"""Why a request for an instance is refused."""

from __future__ import annotations

import re

from chassis.faults import FieldViolation
from docker_svc.domain import GenerationStale, InstanceKey, InstanceNotFound, PatternInvalid


def check_readable(pattern: str) -> None:
    """Looks whether the pattern of a log probe can be read.

    Raises:
        PatternInvalid: it cannot.
    """
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        raise PatternInvalid(
            f"The pattern of the log probe cannot be read: {error}.",
            fields=[FieldViolation("spec.probe.log_pattern", str(error))],
        ) from error


def stale(key: InstanceKey) -> GenerationStale:
    """A newer instance is known, or this one was removed."""
    return GenerationStale(
        f"A newer instance of {key.allocation} than {key.generation} is known, or it was removed. "
        "Read the allocation again.",
        allocation=key.allocation,
        generation=str(key.generation),
    )


def not_found(key: InstanceKey) -> InstanceNotFound:
    """There is no such instance."""
    return InstanceNotFound(
        f"There is no instance {key.generation} of {key.allocation}; ask for it to be made.",
        allocation=key.allocation,
    )
