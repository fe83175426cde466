"""The broker's store as documents: its collections, and the migrations that make their indexes.

The document of an entry has, beside the columns of the table, `end_time` where it says that its name
has ended, so that an index finds those. That of a notice has `outbox` and `outbox_since`: what waits to
be published, see `chassis.documents.outbox`.

Of the directories that say that they are read, the one of the highest number is: so one statement
makes another one the one that is read.
"""

from __future__ import annotations

from typing import Any

from broker.schema.tables import ACTS, EVENTS, LEAVERS, NOTICES, OUTBOX
from chassis.documents.collections import collection, outbox
from chassis.documents.documents import Document

HEAD = "0002"
"""The newest revision."""

_TOLD = {"gone": {"$ne": True}}


def more_of(row: Document) -> dict[str, Any]:
    """The fields of an entry that only its document has."""
    return {} if row["message"] is not None else {"end_time": row["create_time"]}


COLLECTIONS = (
    collection(EVENTS),
    collection(ACTS),
    collection(LEAVERS),
    collection(NOTICES, shown=_TOLD),
    outbox(OUTBOX, of=NOTICES.name),
)
"""What is kept, in the order in which it is loaded; the directory is made anew from the bus."""
