"""Parts of a host that was restarted come up one after the other: nobody waits for more than the last."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from allocator_process import AllocatorProcess

from chassis.sql.migrations import migrate_if_needed
from tests.faults.reconciliation_host import cable_to_engine, until
from tests.proxy import Proxy
from tests.servers import drop_mysql, mysql_url, with_port

pytestmark = pytest.mark.real_mysql


@pytest.fixture
def url() -> Iterator[str]:
    """A database of no allocations."""
    made = mysql_url()
    migrate_if_needed(made, "allocation_svc.schema", migrate=True)
    yield made
    drop_mysql(made)


async def test_a_store_that_is_back_after_the_engine_is_not_waited_for_until_the_next_sweep(
    tmp_path_factory: pytest.TempPathFactory, url: str
) -> None:
    # Sockets' paths are short.
    folder = Path(tmp_path_factory.mktemp("s", numbered=True))
    server = urlsplit(url)
    async with Proxy(server.hostname or "", server.port or 3306) as proxy:
        with cable_to_engine(folder / "t") as (cable, settings):
            running = AllocatorProcess(
                folder / "data",
                ALLOCATOR_ALLOCATION_DATABASE_URL=with_port(url, proxy.port),
                ALLOCATOR_ALLOCATION_ENGINE_AWAY_SECONDS="0.5",
                ALLOCATOR_ALLOCATION_SWEEP_SECONDS="600",
                **settings,
            )

            def rented() -> tuple[str, str]:
                running.start()
                token = running.admin()
                name = running.rent(token, "http-files")["name"]
                running.wait(token, name, "READY")
                cable.pull()
                running.wait(token, name, "UNKNOWN")
                return token, name

            def compared_in_vain() -> bool:
                log = (running.data_dir / "allocator.log").read_text()
                met = [line for line in log.splitlines() if '"work":"sweep"' in line]
                return any("The database does not answer" in line for line in met)

            try:
                token, name = await asyncio.to_thread(rented)
                await proxy.stop()
                try:
                    cable.plug()
                    await asyncio.to_thread(until, compared_in_vain)
                finally:
                    await proxy.start()
                await asyncio.to_thread(running.wait, token, name, "READY", within=20.0)
                await asyncio.to_thread(running.remove_everything)
            finally:
                cable.plug()
                await asyncio.to_thread(running.close)
