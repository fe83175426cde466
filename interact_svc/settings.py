"""The settings of interact_svc."""

from __future__ import annotations

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_INTERACT_"):
    """How many consoles there may be, and how much each may ask for."""

    consoles_per_person: int = Field(
        default=50,
        ge=1,
        description="Open consoles of one person on one replica: enough for a wall of them.",
    )
    consoles_per_allocation: int = Field(
        default=500, ge=1, description="Open consoles of one allocation on one replica."
    )
    frames_per_second: int = Field(
        default=20, ge=1, description="Frames that one client may send in a second."
    )
    max_frame_bytes: int = Field(
        default=16 << 10, ge=1024, le=64 << 10, description="The largest frame of a client, bytes."
    )
    buffer_bytes: int = Field(
        default=4 << 20,
        ge=64 << 10,
        description="Newest log kept in memory for each watched allocation, bytes of text; what is "
        "older is read from the journal.",
    )
    slow_reader_lines: int = Field(
        default=1_000_000,
        ge=1000,
        description="How many lines a reader may be behind before the oldest are left out, and a "
        "gap says so.",
    )
    heartbeat_seconds: float = Field(
        default=15.0, gt=0, description="Something is sent at least this often, seconds."
    )
    auth_seconds: float = Field(
        default=10.0, gt=0, description="How long a client may take to say who it is, seconds."
    )
    expiry_warning_seconds: float = Field(
        default=60.0, gt=0, description="How long before its token ends a client is told, seconds."
    )
    max_line_bytes: int = Field(
        default=16 << 10,
        description="What the log keeps of a line, bytes; told to clients, set in docker_svc.",
    )
