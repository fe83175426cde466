"""Stores of documents: one document is written as a whole, together with the facts about it.

There are no transactions over several documents here, and none are needed: what must be true together
stands in one document, which is changed by one statement that names the version it was made from.
What waits to be published stands in the document too (`chassis.documents.outbox`). Nothing relies on
the server removing what is old, telling of changes, or checking the shape of a document.

Importing this room imports the driver: import it where a database of documents is opened.
"""

from chassis.documents.collections import CollectionSpec, dump, load
from chassis.documents.documents import Documents
from chassis.documents.opening import open_documents, schema_revision

__all__ = [
    "CollectionSpec",
    "Documents",
    "dump",
    "load",
    "open_documents",
    "schema_revision",
]
