"""The settings of feed_svc."""

from __future__ import annotations

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings, prefix="ALLOCATOR_FEED_"):
    """Read from `ALLOCATOR_FEED_…`."""

    database_url: SecretStr = Field(
        default=SecretStr(""),
        description="Where feeds are kept: cassandra://user:password@host,host/keyspace, or mysql://…; "
        "empty for a file in the data folder.",
    )
    peer_seconds: float = Field(
        default=3.0,
        gt=0,
        le=60,
        description="How long machines_svc and broker may take to say what they are asked.",
    )
    words_burst: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="How many comments and reviews one person may write at once.",
    )
    words_refill_seconds: float = Field(
        default=6.0,
        gt=0,
        le=86_400,
        description="How soon they may write another one after that, seconds.",
    )
    votes_burst: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="How many votes one person may give, change or withdraw at once.",
    )
    votes_refill_seconds: float = Field(
        default=1.0,
        gt=0,
        le=86_400,
        description="How soon they may give another one after that, seconds.",
    )
