"""What every store keeps beside the document of a machine, to search by."""

from __future__ import annotations

from typing import Any

from machines_svc.domain.machine import Machine
from machines_svc.ports import page_key


def row_of(machine: Machine, document: dict[str, Any]) -> dict[str, Any]:
    """The columns, or fields, of a machine by their names.

    Args:
        machine: to be kept.
        document: of it, by `document_of`.
    """
    spec = machine.spec
    return {
        "name": machine.name,
        "uid": machine.uid,
        "version": machine.version,
        "state": machine.state.value,
        "title_folded": page_key(machine, [("title", False)])[0],
        "image": spec.image,
        "image_folded": spec.image.casefold(),
        "resource_class": spec.resource_class,
        "publisher": machine.publisher,
        "create_time": machine.create_time,
        "update_time": machine.update_time,
        "document": document,
    }
