"""The topics of the bus."""

from __future__ import annotations

from datetime import timedelta

from allocctl.failures import Failure
from allocctl.keeping.installation import Installation
from chassis.bus.opening import ensure_topics
from chassis.faults import Invalid


async def make_topics(installation: Installation) -> None:
    """Makes the topics that services publish to; a bus that is a file needs none.

    Raises:
        Failure: the bus cannot have as many copies or partitions as the settings ask for.
        Unavailable: the bus does not answer.
    """
    process = installation.process
    try:
        await ensure_topics(
            installation.bus_url,
            installation.nouns,
            partitions=process.bus_partitions,
            replication=process.bus_replication,
            retention=timedelta(days=process.bus_retention_days),
        )
    except Invalid as fault:
        raise Failure(fault.message) from None
