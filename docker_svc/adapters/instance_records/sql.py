"""Records of instances in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import orjson
import sqlalchemy as sa

from chassis.sql import Database, upsert
from docker_svc.adapters.instance_records.spec_json import spec_from_json, spec_to_json
from docker_svc.domain import InstanceKey
from docker_svc.ports.instance_records import InstanceRecord, Wanted
from docker_svc.schema.tables import instances


class Sealing(Protocol):
    """Encrypts secrets at rest; the platform's vault does."""

    def seal(self, secret: bytes, context: str) -> bytes:
        """Encrypts a secret that belongs to the context."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypts what `seal` made with the same context."""


_ONE = sa.select(instances).where(instances.c.allocation == sa.bindparam("name"))
_GENERATION = sa.select(instances.c.generation).where(
    instances.c.allocation == sa.bindparam("name")
)
_UNFINISHED = sa.select(instances).where(instances.c.wanted != Wanted.GONE.value)
_PUT = upsert(
    instances,
    None,
    ["allocation"],
    [
        "generation",
        "wanted",
        "sealed_spec",
        "incarnation",
        "run",
        "ready",
        "stop_requested",
        "reason",
        "message",
        "session",
        "with_host",
        "unanswered",
    ],
)


class SqlInstanceRecords:
    """Keeps records in one table; specs are sealed with the allocation's name as their context."""

    def __init__(self, database: Database, vault: Sealing) -> None:
        """Keeps the database, whose schema is `docker_svc.schema`, and the vault."""
        self._database = database
        self._vault = vault
        # Sealing again what has not changed would make each step of an instance's life cost more.
        self._sealed: dict[str, tuple[object, bytes]] = {}

    async def get(self, allocation: str) -> InstanceRecord | None:
        """The record of an allocation; None where nothing was ever asked."""
        row = await self._database.get(
            lambda c: c.execute(_ONE, {"name": allocation}).mappings().one_or_none()
        )
        return None if row is None else self._record(row)

    async def put(self, record: InstanceRecord) -> bool:
        """Keeps a record, unless one with a higher generation is there."""
        allocation = record.key.allocation
        row = {
            "allocation": allocation,
            "generation": record.key.generation,
            "wanted": record.wanted.value,
            "sealed_spec": self._seal(record),
            "incarnation": record.incarnation,
            "run": record.run,
            "ready": record.ready,
            "stop_requested": record.stop_requested,
            "reason": record.reason,
            "message": record.message,
            "session": record.session,
            "with_host": record.with_host,
            "unanswered": record.unanswered,
        }

        def work(connection: sa.Connection) -> bool:
            highest = connection.execute(_GENERATION, {"name": allocation}).scalar()
            if highest is not None and highest > record.key.generation:
                return False
            connection.execute(_PUT, row)
            return True

        return await self._database.write(work)

    async def unfinished(self) -> list[InstanceRecord]:
        """Every record that is not GONE."""
        rows = await self._database.read(lambda c: c.execute(_UNFINISHED).mappings().all())
        return [self._record(row) for row in rows]

    def _seal(self, record: InstanceRecord) -> bytes | None:
        allocation = record.key.allocation
        if record.spec is None:
            self._sealed.pop(allocation, None)
            return None
        known = self._sealed.get(allocation)
        if known is not None and known[0] is record.spec:
            return known[1]
        sealed = self._vault.seal(orjson.dumps(spec_to_json(record.spec)), allocation)
        self._sealed[allocation] = (record.spec, sealed)
        return sealed

    def _record(self, row: Any) -> InstanceRecord:
        allocation, sealed = row["allocation"], row["sealed_spec"]
        record = InstanceRecord(
            InstanceKey(allocation, row["generation"]),
            None,
            Wanted(row["wanted"]),
            incarnation=row["incarnation"],
            run=row["run"],
            ready=row["ready"],
            stop_requested=row["stop_requested"],
            reason=row["reason"],
            message=row["message"],
            session=row["session"],
            with_host=row["with_host"],
            unanswered=row["unanswered"],
        )
        if sealed is None:
            return record
        spec = spec_from_json(orjson.loads(self._vault.open(sealed, allocation)))
        return replace(record, spec=spec)
