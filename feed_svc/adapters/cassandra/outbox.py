"""The outbox of feeds in a keyspace: facts wait in the partition of their machine.

Who has made a change says of which machine. What nobody could say, because the process ended, is found
by looking through the numbers of all feeds: now and then, and first of all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from chassis.bus import Bus, Record
from chassis.bus.outbox import Publishing
from chassis.clock import Clock
from feed_svc.adapters.cassandra.session import Keyspace, Row

LOOK_SECONDS = 15.0
"""How often all feeds are looked through."""

_ALL = "SELECT DISTINCT machine, version, published FROM feeds"
_HEAD = "SELECT version, published, id FROM feeds WHERE machine = ? AND kind = 'head' AND id = ''"
_WAITING = (
    "SELECT id, topic, value, headers FROM feeds "
    "WHERE machine = ? AND kind = 'fact' AND id > ? LIMIT ?"
)
_MARK = "UPDATE feeds USING TIMESTAMP ? SET published = ? WHERE machine = ?"
_REMOVE = "DELETE FROM feeds WHERE machine = ? AND kind = 'fact' AND id <= ?"

_MACHINES_AT_ONCE = 50
_RECORDS_OF_ONE = 100
_MAX_BYTES = 8 * 2**20


class CassandraRelay(Publishing):
    """Publishes what waits in a keyspace.

    Args:
        keyspace: where feeds are.
        bus: where to publish.
        clock: for the delays while the bus is away.
        fence: awaited before what was published is removed; it raises where this process must not
            publish any more, and then nothing is removed.
    """

    def __init__(
        self,
        keyspace: Keyspace,
        bus: Bus,
        clock: Clock,
        fence: Callable[[], Any] | None = None,
    ) -> None:
        self._waiting = _KeyspaceOutbox(keyspace, clock, fence)
        super().__init__(self._waiting, bus, clock)

    def note(self, machines: Sequence[str]) -> None:
        """Says that there may be something to publish of these machines; it is published at once."""
        self._waiting.note(machines)
        self.wake()


class _KeyspaceOutbox:
    """The facts that wait in a keyspace; see `chassis.bus.outbox.Outbox`."""

    def __init__(self, keyspace: Keyspace, clock: Clock, fence: Callable[[], Any] | None) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._fence = fence
        self._noted: dict[str, None] = {}
        self._next_look = float("-inf")

    def note(self, machines: Sequence[str]) -> None:
        self._noted.update(dict.fromkeys(machines))

    async def waiting(self) -> Sequence[tuple[Any, Record]]:
        now = self._clock.monotonic()
        if now >= self._next_look:
            rows = await self._keyspace.rows(_ALL)
            self.note([m for m, version, published in rows if (version or 0) > (published or 0)])
            self._next_look = now + LOOK_SECONDS
        found: list[tuple[Any, Record]] = []
        size = 0
        for machine in list(self._noted)[:_MACHINES_AT_ONCE]:
            # What is noted from here on is to be looked for once more.
            del self._noted[machine]
            try:
                records = await self._of(machine)
            except BaseException:
                self.note([machine])
                raise
            found += records
            size += sum(len(record.value) for _, record in records)
            if size >= _MAX_BYTES:
                break
        # Until they are removed, they wait.
        self.note([machine for (machine, _), _ in found])
        return found

    async def remove(self, published: Sequence[Any]) -> None:
        if self._fence is not None:
            await self._fence()
        newest: dict[str, str] = {}
        for machine, known_by in published:
            newest[machine] = max(known_by, newest.get(machine, ""))
        for machine, known_by in newest.items():
            await self._keyspace.write(_REMOVE, [machine, known_by])
            await self._mark(machine, _version(known_by))

    async def _of(self, machine: str) -> list[tuple[Any, Record]]:
        row = await self._keyspace.one(_HEAD, [machine])
        if row is None:
            return []
        version, published = row[0] or 0, row[1] or 0
        rows = await self._after(machine, published)
        if not rows and version > published:
            # A change without facts, or one that not every server has heard of: now they have.
            row = await self._keyspace.settled(_HEAD, [machine])
            rows = await self._after(machine, published)
            if row is not None and not rows:
                await self._mark(machine, row[0])
        if len(rows) == _RECORDS_OF_ONE:
            # Those of one change are removed together.
            last = _version(rows[-1][0])
            rows = [row for row in rows if _version(row[0]) < last] or rows
        return [
            ((machine, known_by), Record(topic, machine, bytes(value), json.loads(headers)))
            for known_by, topic, value, headers in rows
        ]

    async def _after(self, machine: str, published: int) -> list[Row]:
        """What waits; what was removed long ago is passed over."""
        wanted = [machine, f"{published:019d}", _RECORDS_OF_ONE]
        return await self._keyspace.rows(_WAITING, wanted)

    async def _mark(self, machine: str, version: int) -> None:
        await self._keyspace.write(_MARK, [version, version, machine])


def _version(known_by: str) -> int:
    return int(known_by.partition("-")[0])
