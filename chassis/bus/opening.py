"""Opening the bus."""

from __future__ import annotations

from datetime import timedelta

from chassis.bus.port import Bus
from chassis.clock import Clock

RETENTION = timedelta(days=30)
"""How long facts are kept by default."""


async def open_bus(url: str, clock: Clock, *, retention: timedelta = RETENTION) -> Bus:
    """Opens the bus.

    Args:
        url: `sqlite:///path/to/bus.sqlite3`, a log in a file, for the services of one process.
        clock: for the times of records, their retention and the delays of retries.
        retention: how long facts are kept.

    Raises:
        ValueError: there is no adapter for the URL's scheme.
        Unavailable: the disk is full, or the server does not answer.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from chassis.bus.sqlite_log import open_sqlite_log

        return await open_sqlite_log(url, clock, retention=retention)
    raise ValueError(f"there is no bus for {scheme}: URLs; use sqlite:///path/to/bus.sqlite3")
