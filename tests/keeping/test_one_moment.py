"""A store is read as it was at one moment, however much is written meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import drop_mysql, mysql_url
from sqlalchemy import text

from allocctl.keeping.kept_store import open_fillable_store, open_kept_store
from allocctl.keeping.sql_tables import writing_engine
from chassis.serving import Store

ROWS, EACH = 3000, 100


@pytest.fixture(params=["sqlite", pytest.param("mysql", marks=pytest.mark.real_mysql)])
def store(request, tmp_path: Path) -> Iterator[Store]:
    """An allocations' store with tallies that are so many in all, whatever is moved between them."""
    url = mysql_url() if request.param == "mysql" else f"sqlite:///{tmp_path / 'a.sqlite3'}"
    made = Store("allocations", "allocation_svc.schema", url)
    with open_fillable_store(made, tmp_path) as fillable:
        fillable.begin("0001")
        fillable.finish()
    engine = writing_engine(made, tmp_path)
    with engine.connect() as connection:
        connection.execute(
            text("INSERT INTO tallies (subject, used) VALUES (:subject, :used)"),
            [{"subject": f"users/{n:06}", "used": EACH} for n in range(ROWS)],
        )
        connection.commit()
    engine.dispose()
    yield made
    if request.param == "mysql":
        drop_mysql(url)


def test_what_moves_meanwhile_is_neither_lost_nor_doubled(store: Store, tmp_path: Path) -> None:
    stop, moved = threading.Event(), threading.Event()

    def move() -> None:
        """From the last row to the first and back, so that pages before and after would differ."""
        engine = writing_engine(store, tmp_path)
        by, change = -1, text("UPDATE tallies SET used = used + :by WHERE subject = :subject")
        while not stop.is_set():
            with engine.connect() as connection:
                connection.execute(change, {"by": by, "subject": "users/000000"})
                connection.execute(change, {"by": -by, "subject": f"users/{ROWS - 1:06}"})
                connection.commit()
            by = -by
            moved.set()
        engine.dispose()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        assert moved.wait(30)
        for _ in range(5):
            with open_kept_store(store, tmp_path) as kept:
                [shape] = [one for one in kept.shapes() if one.name == "tallies"]
                rows = []
                for row in kept.rows(shape):
                    rows.append(row)
                    if len(rows) == 1:
                        # At least one move lies between the first page and the last.
                        moved.clear()
                        assert moved.wait(30)
                assert len(rows) == ROWS
                assert sum(row["used"] for row in rows) == ROWS * EACH
    finally:
        stop.set()
        mover.join()
