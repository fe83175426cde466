"""The settings of broker."""

from __future__ import annotations

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_BROKER_"):
    """Read from `ALLOCATOR_BROKER_…`."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where the directory is kept: mongodb://user:password@host/name, or mysql://…; "
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
