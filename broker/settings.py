"""The settings of broker."""

from __future__ import annotations

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_BROKER_"):
    """Read from `ALLOCATOR_BROKER_…`."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where the read models are kept: mongodb://user:password@host/name, or mysql://…; "
        "empty for a file in the data folder.",
    )
    owner_timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=30,
        description="How long an owner may take to answer where the directory does not know enough: "
        "a caller waits for it.",
    )
    rebuild_at_start: bool = Field(
        default=False,
        description="Whether the directory is made anew from the topics of states after this start, "
        "while the present one answers.",
    )
    rebuild_quiet_seconds: float = Field(
        default=2.0,
        gt=0,
        le=600,
        description="A rebuild has read everything when nothing has come for so long; longer where "
        "the bus is slow to deliver the first record.",
    )
    timeline_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="For how many days the events of allocations are kept; after that nobody can see "
        "what happened to one. The bus keeps facts for 30 days, so a timeline that is made anew reaches "
        "back no further.",
    )
    timeline_most_events: int = Field(
        default=1000,
        ge=10,
        le=100_000,
        description="How many events of one allocation are kept, the newest: one that is restarted by a "
        "program all day long must not fill the store.",
    )
    audit_days: int = Field(
        default=400,
        ge=1,
        le=3650,
        description="For how many days it is kept what admins did; a year and a month by default, so "
        "that a yearly review finds all of it.",
    )
    dead_letter_seconds: float = Field(
        default=5.0,
        ge=0.1,
        le=600,
        description="How often the broker looks for new dead letters, in seconds: admins hear of one "
        "that much later at most.",
    )
