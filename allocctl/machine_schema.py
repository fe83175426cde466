"""The JSON schema of machines that are written down as YAML, made from the contract."""

from __future__ import annotations

import json
from typing import Any

from allocator.machines.v1 import machine_pb2

from chassis.rest.schemas import Schemas

_LEFT_OUT = frozenset({"etag"})


def machine_schema() -> dict[str, Any]:
    """The schema, by JSON Schema 2020-12; it stands alone."""
    schemas = Schemas()
    schemas.request(machine_pb2.Machine.DESCRIPTOR, without=_LEFT_OUT, owner="Machine")
    named = {
        name: _local(schema) for name, schema in schemas.components.items() if name != "Machine"
    }
    machine = _local(schemas.components["Machine"])
    machine["properties"] = {
        "name": {
            "type": "string",
            "pattern": "^machines/[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
            "description": "The resource name: machines/redis.",
        },
        **{name: one for name, one in machine["properties"].items() if name != "name"},
    }
    machine["required"] = ["name", *machine.get("required", [])]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A machine of the allocator's catalogue",
        **machine,
        "$defs": named,
    }


def schema_text() -> str:
    """The schema as it is printed and published."""
    return json.dumps(machine_schema(), indent=2, ensure_ascii=False) + "\n"


def _local(schema: Any) -> Any:
    """A schema whose references lead into this document."""
    if isinstance(schema, dict):
        return {name: _local(part) for name, part in schema.items()}
    if isinstance(schema, list):
        return [_local(part) for part in schema]
    if isinstance(schema, str):
        return schema.replace("#/components/schemas/", "#/$defs/")
    return schema
