"""What is told to others once it has happened."""

from __future__ import annotations

from enum import Enum


class Fact(Enum):
    """What has happened to an allocation; the values are the names of the contract's messages."""

    CREATED = "AllocationCreated"
    UPDATED = "AllocationUpdated"
    STATE_REQUESTED = "AllocationStateRequested"
    EXPIRING = "AllocationExpiring"
    READY = "AllocationReady"
    STOPPED = "AllocationStopped"
    FAILED = "AllocationFailed"
    LOST = "AllocationLost"
    DELETED = "AllocationDeleted"
    UNHEALTHY = "AllocationUnhealthy"
    RESTARTED = "AllocationRestarted"
    QUEUED = "AllocationQueued"
    ADMITTED = "AllocationAdmitted"
