"""Where a service keeps what it owns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Store:
    """One store of one service.

    Attributes:
        name: of the file in the data folder where no URL is given, and in backups: `machines`.
        schema: the package of its tables and migrations, `machines_svc.schema`.
        url: where it is: empty for the file, `mysql://…`, or `mongodb://…` or `cassandra://…`
            where the service has an adapter for them. It may hold a password.
    """

    name: str
    schema: str
    url: str = ""

    @property
    def is_documents(self) -> bool:
        """Whether it is a database of documents."""
        return self.url.startswith("mongodb")

    @property
    def is_wide_rows(self) -> bool:
        """Whether it is a keyspace of wide rows."""
        return self.url.startswith("cassandra")

    @property
    def is_sql_server(self) -> bool:
        """Whether it is a database of a SQL server."""
        return not (self.is_file or self.is_documents or self.is_wide_rows)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of SQLite, which one process has for itself."""
        return not self.url or self.url.startswith("sqlite")

    def url_in(self, folder: Path) -> str:
        """Where it is, as `chassis.sql.open_database` takes it."""
        return self.url or f"sqlite:///{(folder / f'{self.name}.sqlite3').resolve()}"
