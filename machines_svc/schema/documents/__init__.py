"""The machines' store as documents: its collections, and the migrations that make their indexes.

The document of a machine has its name as `_id` and, beside the columns of the table:

* `gone`: false, or true in a tombstone, which has nothing else but an outbox;
* `words`: what it is found by, see `machines_svc.adapters.machine_store.row`; made when the service
  starts where `indexed` says that it is not there;
* `outbox` and `outbox_since`: what waits to be published, see `chassis.documents.outbox`;
* `asked` and `asked_key`: while it is as it was made, the request that it answers: a row of `once`
  without the answer, which is the document itself.

So a machine, its facts and its request are kept by one statement. The present version of a machine
stands in `machines` alone; before another one takes its place it is copied to `machine_versions`, and
the request to `once` (`settle`). Copying is done before, as often as need be, and does no harm when
the change does not come about: what is copied never changes.

The mark `sown` has `unsown: true`, and in `sown` the names that it has come to, while that is under way.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from chassis.documents.collections import collection, key, outbox, pages
from chassis.documents.documents import Document, Documents
from machines_svc.schema.tables import MACHINES, MARKS, ONCE, OUTBOX, PICTURES, RENTS, VERSIONS

HEAD = "0002"
"""The newest revision."""

LIVING = {"gone": False}
"""What is true of machines, and not of tombstones."""


async def settle(database: AsyncDatabase[Document], machine: Document) -> None:
    """Copies a machine to the former versions, and the request that it answers to the answers.

    Args:
        database: in a unit of work.
        machine: its document as it was read.
    """
    await _copy(
        database[VERSIONS.name],
        key(machine["uid"], machine["version"]),
        {name: machine[name] for name in ("uid", "version", "document")},
    )
    asked: Document | None = machine.get("asked")
    if asked is not None:
        answered = {**asked, "answer": machine["document"]}
        await _copy(database[ONCE.name], answer_key(answered), answered)


def answer_key(asked: Document) -> str | int:
    """The `_id` of a row of `once`."""
    return key(asked["caller"], asked["method"], asked["request_id"])


async def _copy(into: Any, known_by: Any, row: Document) -> None:
    # Another one may copy the same at the same moment.
    with suppress(DuplicateKeyError):
        await into.update_one({"_id": known_by}, {"$set": row}, upsert=True)


async def _settle_all(documents: Documents) -> None:
    async for machine in pages(documents, MACHINES.name, LIVING):
        async with documents.work() as database:
            await settle(database, machine)


COLLECTIONS = (
    # Its words are made when the service starts.
    collection(MACHINES, shown=LIVING, more=lambda _: {**LIVING, "indexed": 0}),
    collection(VERSIONS, settle=_settle_all),
    collection(RENTS),
    collection(PICTURES),
    collection(MARKS),
    collection(ONCE, settle=_settle_all),
    outbox(OUTBOX, of=MACHINES.name),
)
"""What is kept, in the order in which it is loaded."""
