"""The directory in a SQL database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from broker.adapters.directory_store.rows import end_row, entry_row
from broker.adapters.directory_store.together import learn_together
from broker.domain.entry import Ended, Entry, Kind
from broker.ports import ENDED_KEPT
from broker.schema.tables import DIRECTORIES, ENTRIES
from chassis.sql import Database

_COLUMNS = ENTRIES.c
_IS_READ = select(DIRECTORIES.c.number).where(DIRECTORIES.c.is_read.is_(True)).scalar_subquery()
_WRITTEN = select(DIRECTORIES.c.number)
_BY_NAME = select(ENTRIES).where(
    _COLUMNS.directory == _IS_READ,
    _COLUMNS.kind == bindparam("kind"),
    _COLUMNS.name == bindparam("name"),
)
_KEY = and_(
    _COLUMNS.directory == bindparam("of_directory"),
    _COLUMNS.kind == bindparam("of_kind"),
    _COLUMNS.name == bindparam("of_name"),
)
_OLDER = or_(
    _COLUMNS.create_time < bindparam("of_time"),
    and_(_COLUMNS.create_time == bindparam("of_time"), _COLUMNS.version < bindparam("of_version")),
)
_NEWER = update(ENTRIES).where(_KEY, _OLDER)
_END = update(ENTRIES).where(
    _KEY,
    or_(
        _COLUMNS.create_time < bindparam("of_time"),
        and_(_COLUMNS.create_time == bindparam("of_time"), _COLUMNS.message.is_not(None)),
    ),
)
_NEW = insert(ENTRIES)
_KNOWN = select(_COLUMNS.name).where(_KEY)
_SAME = delete(ENTRIES).where(
    _KEY,
    _COLUMNS.create_time == bindparam("of_time"),
    _COLUMNS.version == bindparam("of_version"),
    _COLUMNS.message.is_not(None),
)
_REWRITE = update(ENTRIES).where(
    _KEY,
    _COLUMNS.create_time == bindparam("of_time"),
    _COLUMNS.version == bindparam("of_version"),
    _COLUMNS.message.is_not(None),
)
_OLD_ENDS = delete(ENTRIES).where(
    _COLUMNS.message.is_(None), _COLUMNS.write_time < bindparam("before")
)
_ALLOCATIONS = (
    select(ENTRIES)
    .where(
        _COLUMNS.directory == _IS_READ,
        _COLUMNS.kind == Kind.ALLOCATION.value,
        _COLUMNS.message.is_not(None),
        _COLUMNS.name > bindparam("after"),
    )
    .order_by(_COLUMNS.name)
    .limit(bindparam("size"))
)
_BY_OWNER = _COLUMNS.owner == bindparam("owner")
_BY_MACHINE = _COLUMNS.machine == bindparam("machine")
# By (owner given, machine given): each one statement, so that its compiled form is kept.
_PAGES = {
    (False, False): _ALLOCATIONS,
    (True, False): _ALLOCATIONS.where(_BY_OWNER),
    (False, True): _ALLOCATIONS.where(_BY_MACHINE),
    (True, True): _ALLOCATIONS.where(_BY_OWNER, _BY_MACHINE),
}


class SqlDirectoryStore:
    """Keeps the directory in a SQL database."""

    def __init__(self, database: Database) -> None:
        """Works on an open database.

        Args:
            database: at the newest schema.
        """
        self._database = database

    async def put(self, entry: Entry) -> bool:
        """Keeps an entry, unless what is kept is as new or newer."""
        return await self._database.write(
            lambda connection: _put_entry(connection, entry, _written(connection))
        )

    async def end(self, ended: Ended) -> bool:
        """Removes the entry of a resource that was made before, and remembers the end."""
        return await self._database.write(
            lambda connection: _end_name(connection, ended, _written(connection))
        )

    async def learn(self, news: Sequence[Entry | Ended]) -> None:
        """Puts and ends many at once."""
        if not news:
            return
        try:
            await self._database.write(lambda connection: learn_together(connection, news))
        except IntegrityError:
            # Another replica has put one of them in between: each is decided about by itself.
            await self._database.write(lambda connection: _learn_each(connection, news))

    async def rewrite(self, entry: Entry, other: Entry) -> bool:
        """Puts another entry in the place of one that is kept."""
        known = _known(entry.kind, entry.name, entry)

        def work(connection: Connection) -> bool:
            return _in_each(
                _written(connection),
                lambda d: (
                    connection.execute(
                        _REWRITE, {**entry_row(other), **known, "of_directory": d}
                    ).rowcount
                    > 0
                ),
            )

        return await self._database.write(work)

    async def forget(self, entry: Entry) -> bool:
        """Removes an entry if the one that is kept is the same one."""
        known = _known(entry.kind, entry.name, entry)

        def work(connection: Connection) -> bool:
            return _in_each(
                _written(connection),
                lambda d: connection.execute(_SAME, {**known, "of_directory": d}).rowcount > 0,
            )

        return await self._database.write(work)

    async def get(self, kind: Kind, name: str) -> Entry | Ended | None:
        """What is known of a name; None where nothing is."""
        row = await self._database.get(
            lambda connection: connection.execute(
                _BY_NAME, {"kind": kind.value, "name": name}
            ).first()
        )
        if row is None:
            return None
        return Ended(kind, name, row.create_time) if row.message is None else _entry(row)

    async def allocations(self, owner: str, machine: str, after: str, size: int) -> list[Entry]:
        """A page of the allocations, by name."""
        wanted = {"after": after, "size": size, "owner": owner, "machine": machine}
        page = _PAGES[bool(owner), bool(machine)]
        rows = await self._database.read(lambda connection: connection.execute(page, wanted).all())
        return [_entry(row) for row in rows]

    async def begin_rebuild(self) -> int:
        """Begins a second, empty directory beside the one that is read."""

        def work(connection: Connection) -> int:
            highest = connection.execute(select(func.max(DIRECTORIES.c.number))).scalar_one()
            abandoned = select(DIRECTORIES.c.number).where(DIRECTORIES.c.is_read.is_(False))
            connection.execute(delete(ENTRIES).where(_COLUMNS.directory.in_(abandoned)))
            connection.execute(delete(DIRECTORIES).where(DIRECTORIES.c.is_read.is_(False)))
            connection.execute(insert(DIRECTORIES), {"number": highest + 1, "is_read": False})
            return int(highest) + 1

        return await self._database.write(work)

    async def finish_rebuild(self, number: int) -> bool:
        """Makes the second directory the one that is read, and removes the first."""

        def work(connection: Connection) -> bool:
            filled = update(DIRECTORIES).where(DIRECTORIES.c.number == number)
            if connection.execute(filled.values(is_read=True)).rowcount != 1:
                return False
            connection.execute(delete(DIRECTORIES).where(DIRECTORIES.c.number != number))
            connection.execute(delete(ENTRIES).where(_COLUMNS.directory != number))
            return True

        return await self._database.write(work)


def _learn_each(connection: Connection, news: Sequence[Entry | Ended]) -> None:
    directories = _written(connection)
    for one in news:
        if isinstance(one, Entry):
            _put_entry(connection, one, directories)
        else:
            _end_name(connection, one, directories)


def _written(connection: Connection) -> Sequence[int]:
    """The numbers of the directories that are written."""
    return connection.execute(_WRITTEN).scalars().all()


def _in_each(directories: Sequence[int], change: Callable[[int], bool]) -> bool:
    """Changes every directory; whether any has changed."""
    changed = False
    for number in directories:
        changed |= change(number)
    return changed


def _put_entry(connection: Connection, entry: Entry, directories: Sequence[int]) -> bool:
    row, known = entry_row(entry), _known(entry.kind, entry.name, entry)
    return _in_each(directories, lambda d: _put(connection, d, row, known))


def _end_name(connection: Connection, ended: Ended, directories: Sequence[int]) -> bool:
    row = end_row(ended)
    known = {"of_kind": ended.kind.value, "of_name": ended.name, "of_time": ended.end_time}

    def end_in(directory: int) -> bool:
        place = {"of_directory": directory}
        if connection.execute(_END, {**row, **known, **place}).rowcount:
            return True
        if connection.execute(_KNOWN, {**known, **place}).first():
            return False
        return _insert(connection, {**row, "directory": directory})

    connection.execute(_OLD_ENDS, {"before": ended.end_time - ENDED_KEPT})
    return _in_each(directories, end_in)


def _put(
    connection: Connection, directory: int, row: Mapping[str, Any], known: Mapping[str, Any]
) -> bool:
    place = {**known, "of_directory": directory}
    if connection.execute(_NEWER, {**row, **place}).rowcount:
        return True
    if connection.execute(_KNOWN, place).first():
        return False
    # Another replica may have put one in between: then it is decided by versions once more.
    return _insert(connection, {**row, "directory": directory}) or bool(
        connection.execute(_NEWER, {**row, **place}).rowcount
    )


def _insert(connection: Connection, row: Mapping[str, Any]) -> bool:
    try:
        connection.execute(_NEW, row)
    except IntegrityError:
        return False
    return True


def _known(kind: Kind, name: str, entry: Entry) -> dict[str, Any]:
    return {
        "of_kind": kind.value,
        "of_name": name,
        "of_time": entry.create_time,
        "of_version": entry.version,
    }


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        kind=Kind(row.kind),
        name=row.name,
        version=row.version,
        create_time=row.create_time,
        message=row.message,
        owner=row.owner,
        machine=row.machine,
        write_time=row.write_time,
    )
