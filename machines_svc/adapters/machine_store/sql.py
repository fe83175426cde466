"""Machines in a SQL database: each row a document beside the columns that are searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.clock import Clock
from chassis.listing import Condition, Once
from chassis.sql import Database
from chassis.sql.once import recall, remember
from machines_svc.adapters.machine_store.document import document_of, machine_of
from machines_svc.adapters.machine_store.row import NEW, placed_words, row_of
from machines_svc.adapters.machine_store.sql_search import (
    STANDING,
    page_statement,
    titles_come_first,
)
from machines_svc.domain.facts import Fact
from machines_svc.domain.faults import MachineExists, changed_since, machine_exists, no_machine
from machines_svc.domain.machine import DELETED_PUBLISHER, Machine, Standing
from machines_svc.domain.searching import WORDS_VERSION, Query
from machines_svc.ports import FORMER_VERSIONS_KEPT
from machines_svc.schema.tables import (
    MACHINES,
    MARKS,
    ONCE,
    OUTBOX,
    PICTURES,
    RENTS,
    VERSIONS,
    WORDS,
)

_SOWN = "sown"
_COLUMNS = MACHINES.c
_BY_NAME = select(_COLUMNS.document, *STANDING).where(_COLUMNS.name == bindparam("name"))
_BY_VERSION = select(VERSIONS.c.document).where(
    VERSIONS.c.uid == bindparam("uid"), VERSIONS.c.version == bindparam("version")
)
_KNOWN = select(_COLUMNS.name).where(_COLUMNS.name == bindparam("name"))
_ANY = select(_COLUMNS.name).limit(1)
_MARKED = select(MARKS.c.name).where(MARKS.c.name == bindparam("name"))
_AS_READ = and_(
    _COLUMNS.name == bindparam("of_name"),
    _COLUMNS.uid == bindparam("of_uid"),
    _COLUMNS.version == bindparam("of_version"),
)
_NEW = insert(MACHINES)
_NEW_VERSION = insert(VERSIONS)
_NEW_MARK = insert(MARKS)
_CHANGED = update(MACHINES).where(_AS_READ)
_GONE = delete(MACHINES).where(_AS_READ)
_OLD_VERSIONS = delete(VERSIONS).where(
    VERSIONS.c.uid == bindparam("of_uid"), VERSIONS.c.version <= bindparam("up_to")
)
_NEW_WORDS = insert(WORDS)
_OLD_WORDS = delete(WORDS).where(WORDS.c.name == bindparam("of_name"))
_HAS_WORDS = select(WORDS.c.name).where(WORDS.c.name == _COLUMNS.name).exists()
_UNTENDED = (
    select(_COLUMNS.document)
    # A machine always has a word, that of its name: without any, its words were not restored.
    .where((_COLUMNS.indexed != WORDS_VERSION) | ~_HAS_WORDS)
    .order_by(_COLUMNS.name)
    .limit(100)
)


class SqlMachineStore:
    """Keeps machines in a SQL database."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        records_of: Callable[[Fact], Sequence[Record]],
        wake_relay: Callable[[], None],
    ) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
            clock: tells when.
            records_of: makes of a fact what goes onto the bus.
            wake_relay: called when there is something to publish.
        """
        self._database = database
        self._clock = clock
        self._records_of = records_of
        self._wake_relay = wake_relay

    async def insert(self, machine: Machine, fact: Fact, once: Once | None = None) -> Machine:
        """Keeps a new machine."""
        records = self._records_of(fact)
        now = self._clock.now()
        document = document_of(machine)

        def work(connection: Connection) -> Machine:
            answered = recall(connection, ONCE, once, now)
            if answered is not None:
                return machine_of(answered)
            _insert(connection, machine, document)
            append(connection, OUTBOX, records, now)
            remember(connection, ONCE, once, document, now)
            return machine

        kept = await self._database.write(work)
        self._wake_relay()
        return kept

    async def replace(self, machine: Machine, expected_version: int, fact: Fact) -> None:
        """Keeps a changed machine, if the one that is kept is of the expected version."""
        records = self._records_of(fact)
        now = self._clock.now()
        document = document_of(machine)

        def work(connection: Connection) -> None:
            changed = connection.execute(
                _CHANGED,
                {**row_of(machine, document), **_as_read(machine, expected_version)},
            )
            if changed.rowcount != 1:
                _refuse(connection, machine.name)
            _keep_words(connection, machine)
            _keep_version(connection, machine, document)
            append(connection, OUTBOX, records, now)

        await self._database.write(work)
        self._wake_relay()

    async def delete(self, machine: Machine, fact: Fact) -> None:
        """Removes a machine, if the one that is kept is of the same version."""
        records = self._records_of(fact)
        now = self._clock.now()

        def work(connection: Connection) -> None:
            gone = connection.execute(_GONE, _as_read(machine, machine.version))
            if gone.rowcount != 1:
                _refuse(connection, machine.name)
            connection.execute(_OLD_WORDS, {"of_name": machine.name})
            connection.execute(delete(PICTURES).where(PICTURES.c.uid == machine.uid))
            connection.execute(delete(RENTS).where(RENTS.c.uid == machine.uid))
            append(connection, OUTBOX, records, now)

        await self._database.write(work)
        self._wake_relay()

    async def get(self, name: str) -> Machine | None:
        """The machine of a name; None where there is none."""
        row = await self._database.get(
            lambda connection: connection.execute(_BY_NAME, {"name": name}).first()
        )
        return None if row is None else machine_of(row[0], Standing(*row[1:]))

    async def version(self, uid: str, version: int) -> Machine | None:
        """A machine as it was in one of its last versions."""
        row = await self._database.get(
            lambda connection: connection.execute(
                _BY_VERSION, {"uid": uid, "version": version}
            ).first()
        )
        return None if row is None else machine_of(row[0])

    async def versions(self, uid: str, before: int | None, size: int) -> Sequence[Machine]:
        """The kept versions of a machine, the newest first."""
        statement = select(VERSIONS.c.document).where(VERSIONS.c.uid == uid)
        if before is not None:
            statement = statement.where(VERSIONS.c.version < before)
        statement = statement.order_by(VERSIONS.c.version.desc()).limit(size)
        rows = await self._database.read(
            lambda connection: connection.execute(statement).scalars().all()
        )
        return [machine_of(document) for document in rows]

    async def list(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[Any, ...] | None,
        size: int,
        query: Query | None = None,
    ) -> list[Machine]:
        """A page of the machines."""
        asked = (conditions, order, after, size, query)

        def work(connection: Connection) -> Sequence[Row[Any]]:
            if query is not None and titles_come_first(order, after):
                rows = connection.execute(page_statement(*asked, in_title=True)).all()
                if len(rows) == size:
                    return rows
            return connection.execute(page_statement(*asked)).all()

        rows = await self._database.read(work)
        return [machine_of(row[0], Standing(*row[1:])) for row in rows]

    async def tend(self) -> int:
        """Makes anew what machines are searched by, where it is missing."""

        def work(connection: Connection) -> int:
            documents = connection.execute(_UNTENDED).scalars().all()
            for document in documents:
                machine = machine_of(document)
                connection.execute(
                    _CHANGED, {**row_of(machine, document), **_as_read(machine, machine.version)}
                )
                _keep_words(connection, machine)
            return len(documents)

        tended = 0
        while done := await self._database.write(work):
            tended += done
        return tended

    async def disown_versions(self, publisher: str) -> int:
        """Writes `users/deleted` for a publisher in all former versions."""
        theirs = select(VERSIONS).where(
            func.instr(cast(VERSIONS.c.document, Text), f'"publisher":"{publisher}"') > 0
        )

        def work(connection: Connection) -> int:
            rows = connection.execute(theirs).all()
            for uid, version, document in rows:
                connection.execute(
                    update(VERSIONS)
                    .where(VERSIONS.c.uid == uid, VERSIONS.c.version == version)
                    .values(document={**document, "publisher": DELETED_PUBLISHER})
                )
            return len(rows)

        return await self._database.write(work)

    async def sow(self, machines: Sequence[tuple[Machine, Fact]]) -> bool:
        """Keeps the first machines of a new installation, once in the life of the store."""
        prepared = [(m, document_of(m), self._records_of(fact)) for m, fact in machines]
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            if connection.execute(_MARKED, {"name": _SOWN}).first():
                return False
            is_new = connection.execute(_ANY).first() is None
            # The mark is the first write: of several who try at once, the others fail here.
            note = "the starter catalogue" if is_new else "there were machines"
            connection.execute(_NEW_MARK, {"name": _SOWN, "note": note, "time": now})
            if is_new:
                for machine, document, records in prepared:
                    _insert(connection, machine, document)
                    append(connection, OUTBOX, records, now)
            return is_new

        try:
            sown = await self._database.write(work)
        except (IntegrityError, MachineExists):
            return False
        self._wake_relay()
        return sown


def _insert(connection: Connection, machine: Machine, document: dict[str, Any]) -> None:
    if connection.execute(_KNOWN, {"name": machine.name}).first():
        raise machine_exists(machine.name)
    try:
        connection.execute(_NEW, {**row_of(machine, document), **NEW})
    except IntegrityError:
        raise machine_exists(machine.name) from None
    _keep_words(connection, machine)
    _keep_version(connection, machine, document)


def _keep_words(connection: Connection, machine: Machine) -> None:
    connection.execute(_OLD_WORDS, {"of_name": machine.name})
    connection.execute(
        _NEW_WORDS,
        [
            {"name": machine.name, "word": word, "place": place}
            for word, place in placed_words(machine).items()
        ],
    )


def _keep_version(connection: Connection, machine: Machine, document: dict[str, Any]) -> None:
    connection.execute(
        _NEW_VERSION, {"uid": machine.uid, "version": machine.version, "document": document}
    )
    oldest = machine.version - FORMER_VERSIONS_KEPT
    if oldest > 0:
        connection.execute(_OLD_VERSIONS, {"of_uid": machine.uid, "up_to": oldest})


def _refuse(connection: Connection, name: str) -> None:
    if connection.execute(_KNOWN, {"name": name}).first():
        raise changed_since(name)
    raise no_machine(name)


def _as_read(machine: Machine, version: int) -> dict[str, Any]:
    return {"of_name": machine.name, "of_uid": machine.uid, "of_version": version}
