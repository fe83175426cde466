"""Machines in a database of documents; what stands where is in `machines_svc.schema.documents`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from chassis.bus import Record
from chassis.clock import Clock
from chassis.documents import Documents
from chassis.documents.documents import Document
from chassis.documents.outbox import publishing
from chassis.faults import Conflict, Unavailable
from chassis.listing import Condition, Once
from chassis.sql.once import KEPT
from machines_svc.adapters.machine_store.document import document_of, machine_of
from machines_svc.adapters.machine_store.mongo_search import page_steps
from machines_svc.adapters.machine_store.row import NEW, listed_words, row_of
from machines_svc.domain.facts import Fact
from machines_svc.domain.faults import changed_since, machine_exists, no_machine
from machines_svc.domain.machine import DELETED_PUBLISHER, Machine, Standing
from machines_svc.domain.searching import WORDS_VERSION, Query
from machines_svc.ports import FORMER_VERSIONS_KEPT
from machines_svc.schema.documents import LIVING, answer_key, settle

_MACHINES = "machines"
_VERSIONS = "machine_versions"
_ONCE = "once"
_PICTURES = "machine_pictures"
_RENTS = "machine_rents"
_MARKS = "marks"
_SOWN = "sown"
_TRIES = 5
_SWEPT_AT_ONCE = 20
_STANDING = ("rating", "reviews", "rents")
_OF_THE_LIVING = (
    "uid",
    "version",
    "state",
    "title_folded",
    "image_folded",
    "image",
    "resource_class",
    "publisher",
    "create_time",
    "update_time",
    "document",
    "category",
    "price",
    "waiting",
    "rating",
    "reviews",
    "rents",
    "feed_version",
    "indexed",
    "words",
    "asked",
    "asked_key",
)


class MongoMachineStore:
    """Keeps machines in a database of documents."""

    def __init__(
        self,
        documents: Documents,
        clock: Clock,
        records_of: Callable[[Fact], Sequence[Record]],
        wake_relay: Callable[[], None],
    ) -> None:
        """Works on an open database.

        Args:
            documents: at the newest schema.
            clock: tells when.
            records_of: makes of a fact what goes onto the bus.
            wake_relay: called when there is something to publish.
        """
        self._documents = documents
        self._clock = clock
        self._records_of = records_of
        self._wake_relay = wake_relay

    async def insert(self, machine: Machine, fact: Fact, once: Once | None = None) -> Machine:
        """Keeps a new machine."""
        records = self._records_of(fact)
        now = self._clock.now()
        for _ in range(_TRIES):
            async with self._documents.work() as database:
                answered = await _recall(database, once, now)
                if answered is not None:
                    return machine_of(answered)
                try:
                    await _insert(database, machine, records, now, once)
                except DuplicateKeyError:
                    if await _recall(database, once, now) is not None:
                        continue
                    if await _living(database, machine.name) is not None:
                        raise machine_exists(machine.name) from None
                    # What was in the way has gone: another machine, or a request of long ago.
                    await _forget(database, once, now)
                    continue
                await _sweep(database, once, now)
            self._wake_relay()
            return machine
        raise Unavailable(
            "The name is being taken and given up all the time; try again in a moment.",
            reason="OVERLOADED",
            retry_after=1.0,
        )

    async def replace(self, machine: Machine, expected_version: int, fact: Fact) -> None:
        """Keeps a changed machine, if the one that is kept is of the expected version."""
        change = {
            "$set": _fields_of(machine),
            "$unset": {"asked": "", "asked_key": ""},
            **publishing(self._records_of(fact), self._clock.now()),
        }
        async with self._documents.work() as database:
            await self._change(database, machine, expected_version, change)
            oldest = machine.version - FORMER_VERSIONS_KEPT
            if oldest > 0:
                await database[_VERSIONS].delete_many(
                    {"uid": machine.uid, "version": {"$lte": oldest}}
                )

    async def delete(self, machine: Machine, fact: Fact) -> None:
        """Removes a machine, if the one that is kept is of the same version."""
        change = {
            "$set": {"gone": True},
            "$unset": dict.fromkeys(_OF_THE_LIVING, ""),
            **publishing(self._records_of(fact), self._clock.now()),
        }
        async with self._documents.work() as database:
            await self._change(database, machine, machine.version, change)
            for collection in (_PICTURES, _RENTS):
                await database[collection].delete_many({"uid": machine.uid})

    async def get(self, name: str) -> Machine | None:
        """The machine of a name; None where there is none."""
        found = await self._documents.find_one(
            _MACHINES, {"_id": name, **LIVING}, "document", *_STANDING
        )
        return None if found is None else _machine_of(found)

    async def version(self, uid: str, version: int) -> Machine | None:
        """A machine as it was in one of its last versions."""
        wanted = {"uid": uid, "version": version}
        # In this order: a version is copied to the former ones before another takes its place.
        for collection in (_MACHINES, _VERSIONS):
            found = await self._documents.find_one(collection, wanted, "document")
            if found is not None:
                return machine_of(found["document"])
        return None

    async def versions(self, uid: str, before: int | None, size: int) -> Sequence[Machine]:
        """The kept versions of a machine, the newest first."""
        wanted: Document = {"uid": uid}
        if before is not None:
            wanted["version"] = {"$lt": before}
        found: dict[int, Machine] = {}
        # The present one stands in the first; it may have been copied to the former ones already.
        for collection in (_MACHINES, _VERSIONS):
            async with self._documents.work() as database:
                page = database[collection].find(wanted, ["version", "document"])
                for kept in await page.sort([("version", -1)]).limit(size).to_list():
                    found.setdefault(kept["version"], machine_of(kept["document"]))
        return [found[version] for version in sorted(found, reverse=True)[:size]]

    async def list(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[Any, ...] | None,
        size: int,
        query: Query | None = None,
    ) -> list[Machine]:
        """A page of the machines."""
        found: list[Machine] = []
        for wanted, sorting in page_steps(conditions, order, after, query):
            async with self._documents.work() as database:
                page = database[_MACHINES].find(wanted, ["document", *_STANDING])
                page = page.sort(sorting).limit(size - len(found))
                found += [_machine_of(one) for one in await page.to_list()]
            if len(found) >= size:
                break
        return found

    async def tend(self) -> int:
        """Makes anew what machines are searched by, where it is missing."""
        tended, after = 0, ""
        while True:
            wanted = {**LIVING, "indexed": {"$ne": WORDS_VERSION}, "_id": {"$gt": after}}
            async with self._documents.work() as database:
                page = database[_MACHINES].find(wanted, ["document"]).sort([("_id", 1)]).limit(100)
                found = await page.to_list()
                for one in found:
                    machine = machine_of(one["document"])
                    as_read = {"_id": one["_id"], "uid": machine.uid, "version": machine.version}
                    await database[_MACHINES].update_one(
                        {**as_read, **LIVING}, {"$set": _fields_of(machine)}
                    )
            if not found:
                return tended
            tended, after = tended + len(found), found[-1]["_id"]

    async def disown_versions(self, publisher: str) -> int:
        """Writes `users/deleted` for a publisher in all former versions."""
        async with self._documents.work() as database:
            done = await database[_VERSIONS].update_many(
                {"document.publisher": publisher},
                {"$set": {"document.publisher": DELETED_PUBLISHER}},
            )
        return done.modified_count

    async def sow(self, machines: Sequence[tuple[Machine, Fact]]) -> bool:
        """Keeps the first machines of a new installation, once in the life of the store.

        Whoever finds that it was begun goes on with it, so that it comes to its end also when the
        process that began it did not.
        """
        now = self._clock.now()
        async with self._documents.work() as database:
            await _mark(database, now)
        for machine, fact in machines:
            async with self._documents.work() as database:
                under_way = {"_id": _SOWN, "unsown": True}
                # Looked at for each: what an admin has deleted meanwhile does not come back.
                mark = await database[_MARKS].find_one(under_way)
                if mark is None:
                    return False
                if machine.name in mark.get("sown", ()):
                    continue
                with suppress(DuplicateKeyError):
                    await _insert(database, machine, self._records_of(fact), now)
                await database[_MARKS].update_one(under_way, {"$addToSet": {"sown": machine.name}})
        async with self._documents.work() as database:
            ended = await database[_MARKS].update_one(
                {"_id": _SOWN, "unsown": True}, {"$unset": {"unsown": "", "sown": ""}}
            )
        self._wake_relay()
        return ended.modified_count == 1

    async def _change(
        self, database: AsyncDatabase[Document], machine: Machine, version: int, change: Document
    ) -> None:
        present = await _living(database, machine.name)
        if present is None:
            raise no_machine(machine.name)
        if present["uid"] == machine.uid and present["version"] == version:
            await settle(database, present)
            as_read = {"_id": machine.name, "uid": machine.uid, "version": version, **LIVING}
            done = await database[_MACHINES].update_one(as_read, change)
            if done.matched_count == 1:
                self._wake_relay()
                return
            if await _living(database, machine.name) is None:
                raise no_machine(machine.name)
        raise changed_since(machine.name)


def _fields_of(machine: Machine) -> Document:
    return {**row_of(machine, document_of(machine)), "words": listed_words(machine)}


def _machine_of(found: Document) -> Machine:
    return machine_of(found["document"], Standing(*(int(found.get(n, 0)) for n in _STANDING)))


async def _living(database: AsyncDatabase[Document], name: str) -> Document | None:
    return await database[_MACHINES].find_one({"_id": name, **LIVING}, {"outbox": 0})


async def _insert(
    database: AsyncDatabase[Document],
    machine: Machine,
    records: Sequence[Record],
    now: datetime,
    once: Once | None = None,
) -> None:
    """Keeps a new machine; where a tombstone has its name, in the place of that.

    Raises:
        DuplicateKeyError: there is one of the name, or one that answers the request.
    """
    row = {**_fields_of(machine), **NEW, **LIVING}
    if once is not None:
        row["asked"] = {**_asked(once), "fingerprint": once.fingerprint, "time": now}
        row["asked_key"] = _asked_key(once)
    await database[_MACHINES].update_one(
        {"_id": machine.name, "gone": True},
        {"$set": row, **publishing(records, now)},
        upsert=True,
    )


async def _mark(database: AsyncDatabase[Document], now: datetime) -> None:
    """Marks that the store was new, and is to be sown, or that it was not."""
    if await database[_MARKS].find_one({"_id": _SOWN}) is not None:
        return
    is_new = await database[_MACHINES].find_one(LIVING, ["_id"]) is None
    mark: Document = {
        "_id": _SOWN,
        "name": _SOWN,
        "note": "the starter catalogue" if is_new else "there were machines",
        "time": now,
    }
    if is_new:
        mark["unsown"] = True
    with suppress(DuplicateKeyError):
        await database[_MARKS].insert_one(mark)


async def _recall(
    database: AsyncDatabase[Document], once: Once | None, now: datetime
) -> Document | None:
    """The answer that the request got when it came before.

    A request that comes again while its machine is being made, changed and deleted within the same
    milliseconds may be missed between the two looks and the insert; then it makes a second machine.

    Raises:
        Conflict: REQUEST_ID_REUSED.
    """
    if once is None:
        return None
    answer: Document
    # In this order: an answer is copied to the others before its machine changes.
    machine = await database[_MACHINES].find_one(
        {"asked_key": _asked_key(once), "asked.time": {"$gt": now - KEPT}}, ["asked", "document"]
    )
    if machine is not None:
        fingerprint, answer = machine["asked"]["fingerprint"], machine["document"]
    else:
        kept = await database[_ONCE].find_one(
            {"_id": answer_key(_asked(once)), "time": {"$gt": now - KEPT}}
        )
        if kept is None:
            return None
        fingerprint, answer = kept["fingerprint"], kept["answer"]
    if fingerprint != once.fingerprint:
        raise Conflict(
            f"The request id {once.request_id} was used for a different {once.method}; "
            "use a new UUID for each new request.",
            reason="REQUEST_ID_REUSED",
            request_id=once.request_id,
        )
    return answer


async def _forget(database: AsyncDatabase[Document], once: Once | None, now: datetime) -> None:
    """Takes the id of a request of long ago from the machine that answered it."""
    if once is not None:
        await database[_MACHINES].update_one(
            {"asked_key": _asked_key(once), "asked.time": {"$lte": now - KEPT}},
            {"$unset": {"asked": "", "asked_key": ""}},
        )


async def _sweep(database: AsyncDatabase[Document], once: Once | None, now: datetime) -> None:
    """Removes a few answers that are older than they are kept."""
    if once is None:
        return
    outdated = {"time": {"$lte": now - KEPT}}
    some = database[_ONCE].find(outdated, ["_id"]).sort("time").limit(_SWEPT_AT_ONCE)
    known_by = [one["_id"] for one in await some.to_list()]
    if known_by:
        await database[_ONCE].delete_many({"_id": {"$in": known_by}, **outdated})


def _asked(once: Once) -> Document:
    return {"caller": once.caller, "method": once.method, "request_id": once.request_id}


def _asked_key(once: Once) -> str:
    return f"{once.method} {once.request_id} {once.caller}"
