"""The settings of machines_svc."""

from __future__ import annotations

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_MACHINES_"):
    """Read from `ALLOCATOR_MACHINES_…`."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where machines are kept: mongodb://user:password@host/name, or mysql://…; empty for "
        "a file in the data folder.",
    )
    cache_seconds: float = Field(
        default=5.0,
        ge=0,
        le=60,
        description="How long an answer about the catalogue may be given again, seconds; 0 for never. "
        "A change ends it at once, here and in replicas; this is for one that they do not hear of.",
    )
    starter_catalogue: bool = Field(
        default=True,
        description="Whether an empty store is filled with the starter catalogue, once.",
    )
    default_resource_class: str = Field(
        default="small",
        pattern="^[a-z][a-z0-9-]{0,30}$",
        description="The resource class of machines that name none.",
    )
    drafts_per_person: int = Field(
        default=20,
        ge=0,
        le=1000,
        description="How many drafts somebody who is no admin may have; 0 where only admins add machines.",
    )
    runtime_refresh_seconds: float = Field(
        default=15.0,
        gt=0,
        le=3600,
        description="How often docker_svc is asked what it can run: its runtime seldom changes.",
    )
    runtime_retry_seconds: float = Field(
        default=0.5,
        gt=0,
        le=60,
        description="How soon it is asked again after it did not answer; doubled each time, up to the "
        "refresh, since peers of one process start within a second of each other.",
    )
    runtime_timeout_seconds: float = Field(
        default=3.0, gt=0, le=60, description="How long that question may take."
    )
    prefetch: bool = Field(
        default=True, description="Whether the images of published machines are fetched at once."
    )
    prefetch_queue: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="How many images wait to be fetched at most; more are not fetched ahead.",
    )
    prefetch_timeout_seconds: float = Field(
        default=900.0,
        gt=0,
        le=86400,
        description="How long the fetching of one image may take: a large one on a slow line.",
    )
