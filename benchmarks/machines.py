"""Machines that only benchmarks rent."""

from __future__ import annotations

from typing import Any

from benchmarks.running import Visitor


def publish(running: Visitor, machine_id: str, **fields: Any) -> None:
    """Adds a machine to the catalogue of the allocator that is measured."""
    admin = running.admin()
    made = running.call(
        "POST", f"/v1/machines?machineId={machine_id}", admin, json={"title": machine_id, **fields}
    )
    assert made.status_code == 200, made.text
    published = running.call("POST", f"/v1/machines/{machine_id}:publish", admin, json={})
    assert published.status_code == 200, published.text
