"""The schema of the log in SQLite."""

HEAD = "0001"
