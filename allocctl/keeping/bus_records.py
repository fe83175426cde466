"""The records that the bus keeps, as a backup reads them: to their end, and in nobody's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, select

from allocctl.keeping.installation import Installation
from allocctl.keeping.rows import Kind, line_of, row_of
from allocctl.keeping.sql_tables import engine_of, revision_of
from chassis.bus import Record, facts_topic, state_topic
from chassis.bus.schema.tables import RECORDS

KINDS: Mapping[str, Kind] = {
    "key": Kind.TEXT,
    "value": Kind.BYTES,
    "headers": Kind.DOCUMENT,
}
"""What stands in a line of `bus/<topic>.jsonl`."""

_PAGE = 200


class KeptRecords(Protocol):
    """What the bus keeps, without consuming it."""

    def topics(self) -> list[str]:
        """The topics that hold records, by name.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    def records(self, topic: str) -> Iterator[Record]:
        """The records of a topic that were there when this began; those of one key in their order.

        Raises:
            Unavailable: the bus is away.
        """
        ...

    def close(self) -> None:
        """Closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """A record as it stands in an archive."""

    record: Record

    @classmethod
    def read(cls, topic: str, line: Mapping[str, Any]) -> Line:
        """The record of a line."""
        row = row_of(line, KINDS)
        return cls(Record(topic, row["key"], row["value"], row["headers"]))

    def written(self) -> bytes:
        """The line of the record."""
        one = self.record
        return line_of({"key": one.key, "value": one.value, "headers": dict(one.headers)}, KINDS)


class LogRecords:
    """The records of a log in SQLite, all of one moment."""

    def __init__(self, connection: Connection) -> None:
        """Reads on a connection that sees one snapshot."""
        self._connection = connection

    def topics(self) -> list[str]:
        """See `KeptRecords`."""
        found = self._connection.execute(select(RECORDS.c.topic).distinct()).scalars()
        return sorted(found)

    def records(self, topic: str) -> Iterator[Record]:
        """See `KeptRecords`."""
        last = 0
        while True:
            rows = self._connection.execute(
                select(RECORDS)
                .where(RECORDS.c.topic == topic, RECORDS.c.position > last)
                .order_by(RECORDS.c.position)
                .limit(_PAGE)
            ).all()
            for row in rows:
                yield Record(row.topic, row.key, row.value, row.headers)
            if len(rows) < _PAGE:
                return
            last = rows[-1].position

    def close(self) -> None:
        """See `KeptRecords`."""
        self._connection.close()
        self._connection.engine.dispose()


class NoRecords:
    """A bus that is not there yet."""

    def topics(self) -> list[str]:
        """See `KeptRecords`."""
        return []

    def records(self, topic: str) -> Iterator[Record]:
        """See `KeptRecords`."""
        del topic
        return iter(())

    def close(self) -> None:
        """See `KeptRecords`."""


def kept_records(installation: Installation) -> KeptRecords:
    """Opens what the bus of an installation keeps.

    Raises:
        Unavailable: it is away.
    """
    store = installation.bus_store
    if store is None:
        from allocctl.keeping.kafka_records import KafkaRecords

        nouns = installation.nouns
        return KafkaRecords(
            installation.bus_url,
            [topic for noun in nouns for topic in (facts_topic(noun), state_topic(noun))],
        )
    if not installation.has_file(store):
        return NoRecords()
    engine = engine_of(store, installation.folder)
    connection = engine.connect()
    if revision_of(connection) is None:
        connection.close()
        engine.dispose()
        return NoRecords()
    return LogRecords(connection)
