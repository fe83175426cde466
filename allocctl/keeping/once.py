"""One keeper at a time: migrations and restores of one installation do not meet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import text

from allocctl.failures import Failure
from allocctl.keeping.installation import Installation
from chassis.serving.data_folder import DataFolder, DataFolderBusy
from chassis.sql.server_migrations import lock_name
from chassis.sql.servers import server_engine
from chassis.sql.translation import driver_errors_as_faults

_LOOK_EVERY = 0.2


@contextmanager
def one_at_a_time(installation: Installation, patience: float) -> Iterator[None]:
    """Waits until no other process migrates the same servers, and keeps them out.

    Args:
        installation: whose servers.
        patience: how long to wait, in seconds.

    Raises:
        Failure: another one is not done in time.
        Unavailable: the server does not answer.
    """
    servers = [one for one in installation.stores if one.is_sql_server]
    if not servers:
        yield
        return
    engine = server_engine(servers[0].url, patient=True)
    try:
        with driver_errors_as_faults(None), engine.connect() as connection:
            lock = lock_name(connection, "keeping")
            ask = {"name": lock, "seconds": max(1, int(patience))}
            got = connection.execute(text("SELECT GET_LOCK(:name, :seconds)"), ask).scalar()
            if not got:
                raise Failure(
                    "Another process migrates or restores these stores; try again when it is done."
                )
            try:
                yield
            finally:
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": lock})
    finally:
        engine.dispose()


@contextmanager
def held_folder(installation: Installation, patience: float = 0.0) -> Iterator[None]:
    """Holds the data folder, so that no allocator runs in it meanwhile.

    Args:
        installation: whose folder.
        patience: how long to wait for whoever has it, in seconds.

    Raises:
        Failure: somebody has it still.
    """
    until = time.monotonic() + patience
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(DataFolder(installation.folder))
            except DataFolderBusy as busy:
                if time.monotonic() >= until:
                    raise Failure(str(busy)) from None
                time.sleep(_LOOK_EVERY)
            else:
                break
        yield
