"""The OpenAPI document of the whole surface."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import orjson
import pytest
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    resource_class_service_pb2,
)
from allocator.consoles.v1 import console_service_pb2
from allocator.machines.v1 import machine_pb2, machine_service_pb2
from allocator.users.v1 import session_service_pb2, user_pb2, user_service_pb2
from google.protobuf.message import Message
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from chassis.faults import Invalid
from chassis.rest import rest_app, to_json
from chassis.rest.binding import bindings_of
from chassis.rest.comments import comment_of
from chassis.rest.decoding import read_message
from chassis.rest.openapi import document, document_bytes
from chassis.rpc.chain import validate as validate_message
from chassis.rpc.contract import Method, methods_of

FILES = (
    allocation_service_pb2,
    console_service_pb2,
    machine_service_pb2,
    session_service_pb2,
    user_service_pb2,
)
METHODS: list[Method] = [
    method
    for file in FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in methods_of(service)
    if method.is_public
]
DOCUMENT: dict[str, Any] = json.loads(document_bytes(METHODS, title="API", version="1"))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def component(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def fits(value: Any, name: str) -> bool:
    return bool(OAS31Validator(component(name)).is_valid(value))


def test_the_document_keeps_the_specification() -> None:
    validate(DOCUMENT)


def test_every_public_method_is_there_once_for_each_of_its_rules() -> None:
    wanted = sorted(method.name for method in METHODS for _ in bindings_of(method))
    assert sorted(one["operationId"].partition("_")[0] for *_, one in operations()) == wanted


def test_every_operation_parameter_and_field_is_described() -> None:
    bare = []
    for path, verb, operation in operations():
        bare += [f"{verb} {path}"] * (not operation["summary"])
        bare += [
            f"{verb} {path} {p['name']}"
            for p in operation.get("parameters", [])
            if not p["description"]
        ]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if name != "Problem" and not schema.get("description"):
            bare.append(name)
        for field, property_ in schema.get("properties", {}).items():
            if name != "Problem" and not property_.get("description"):
                bare.append(f"{name}.{field}")
    assert bare == []


def test_what_only_the_server_says_is_in_answers_and_not_in_requests() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {"name", "uid", "state", "createTime"} <= set(schemas["Machine"]["properties"])
    assert {"name", "uid", "state", "createTime"}.isdisjoint(schemas["MachineInput"]["properties"])
    assert schemas["MachineInput"]["required"] == ["title"]
    assert "required" not in schemas["MachineChanges"]


def test_open_methods_need_no_token_and_all_others_do() -> None:
    security = {one["operationId"]: one["security"] for *_, one in operations()}
    assert security["ListMachines"] == []
    assert security["CreateSession"] == []
    assert security["GetAllocation"] == [{"accessToken": []}]


def test_the_reasons_of_a_methods_comment_are_its_problem_answers() -> None:
    responses = DOCUMENT["paths"]["/v1/machines/{machine}"]["patch"]["responses"]
    assert "`MACHINE_NOT_FOUND`" in responses["404"]["description"]
    assert "`ETAG_STALE`" in responses["409"]["description"]
    assert "If-Match" in responses["412"]["description"]
    assert "`COMMAND_ADMINS_ONLY`" in responses["403"]["description"]
    of_admins = DOCUMENT["paths"]["/v1/machines/{machine}:publish"]["post"]["responses"]
    assert "`CALLER_NOT_ALLOWED`" in of_admins["403"]["description"]


def test_the_pattern_of_a_name_is_that_of_the_paths_last_segment() -> None:
    for path in ("/v1/machines/{machine}", "/v1/machines/{machine}:publish"):
        for operation in DOCUMENT["paths"][path].values():
            pattern = operation["parameters"][0]["schema"]["pattern"]
            assert re.fullmatch(pattern, "redis-7")
            assert not re.fullmatch(pattern, "machines/redis")
            assert not re.fullmatch(pattern, "Redis")


def test_a_parameter_is_named_as_one_of_its_collection() -> None:
    methods = [
        method
        for service in resource_class_service_pb2.DESCRIPTOR.services_by_name.values()
        for method in methods_of(service)
    ]
    made = json.loads(document_bytes(methods, title="API", version="1"))
    assert set(made["paths"]) == {
        "/v1/resourceClasses",
        "/v1/resourceClasses/{resourceClass}",
    }
    assert "/v1/machines/{machine}" in DOCUMENT["paths"]


def test_streams_are_event_streams_and_lines() -> None:
    good = DOCUMENT["paths"]["/v1/allocations:watch"]["get"]["responses"]["200"]
    assert set(good["content"]) == {"text/event-stream", "application/x-ndjson"}


ANSWERS: list[tuple[str, Message]] = [
    (
        "Machine",
        machine_pb2.Machine(title="x", state=machine_pb2.Machine.ACTIVE, labels={"a": "b"}),
    ),
    ("Machine", machine_pb2.Machine(price_per_hour=machine_pb2.Money(minor_units=5))),
    ("Allocation", allocation_pb2.Allocation()),
    ("User", user_pb2.User(roles=[user_pb2.User.ADMIN])),
]


@pytest.mark.parametrize(("name", "message"), ANSWERS)
def test_answers_fit_their_schema(name: str, message: Message) -> None:
    assert fits(json.loads(to_json(message)), name)


REQUESTS: list[tuple[str, Any, dict[str, Any], bool]] = [
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "redis"}, True),
    ("MachineInput", machine_pb2.Machine, {"title": "", "image": "redis"}, False),
    ("MachineInput", machine_pb2.Machine, {"title": "x" * 81, "image": "redis"}, False),
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "Not an image"}, False),
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "a", "stock": -1}, False),
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "a", "nope": 1}, False),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "labels": {"Bad Key": ""}},
        False,
    ),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "ports": [{"number": 70000}]},
        False,
    ),
    (
        "MachineInput",
        machine_pb2.Machine,
        {
            "title": "x",
            "image": "a",
            "ports": [{"number": 80, "scheme": "http", "protocol": "TCP"}],
        },
        True,
    ),
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "a", "stopGrace": "0s"}, False),
    ("MachineInput", machine_pb2.Machine, {"title": "x", "image": "a", "stopGrace": "10s"}, True),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "pricePerHour": {"currencyCode": "EUR", "minorUnits": "12"}},
        True,
    ),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "pricePerHour": {"currencyCode": "EUR", "minorUnits": "-1"}},
        False,
    ),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "probe": {"tcp": {}, "http": {}}},
        False,
    ),
    (
        "MachineInput",
        machine_pb2.Machine,
        {"title": "x", "image": "a", "probe": {"tcp": {}, "timeout": "1s"}},
        True,
    ),
    ("AllocationInput", allocation_pb2.Allocation, {"machine": "machines/redis"}, True),
    ("AllocationInput", allocation_pb2.Allocation, {"machine": "redis"}, False),
]


@pytest.mark.parametrize(("name", "cls", "body", "good"), REQUESTS)
def test_a_body_that_fits_its_schema_is_taken_and_no_other(
    name: str, cls: type[Message], body: dict[str, Any], good: bool
) -> None:
    message = cls()
    if good:
        assert fits(body, name)
        read_message(message, body)
        validate_message(message)
    else:
        assert not fits(body, name)
        with pytest.raises(Invalid):
            read_message(message, body)
            validate_message(message)


def test_every_element_of_the_public_contracts_has_a_comment() -> None:
    missing = [m.path for m in METHODS if not comment_of(m.path[1:].replace("/", "."))]
    assert missing == []


def test_examples_of_whoever_serves_the_document_are_in_it() -> None:
    path = "/allocator.machines.v1.MachineService/CreateMachine"
    made = document(METHODS, title="API", version="1", examples={path: {"title": "Redis"}})
    body = made["paths"]["/v1/machines"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["example"]["value"] == {"title": "Redis"}


class Nothing:
    """Serves the document alone."""

    def methods(self) -> list[Method]:
        return METHODS

    async def unary(self, call: Any, request: Message) -> Message:
        raise NotImplementedError

    def stream(self, call: Any, request: Message) -> AsyncIterator[Message]:
        raise NotImplementedError


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = rest_app(Nothing(), openapi=lambda: document_bytes(METHODS, title="API", version="1"))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


async def test_the_document_is_served_and_kept_by_its_etag(client: httpx2.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    assert orjson.loads(first.content) == DOCUMENT
    again = await client.get("/openapi.json", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


async def test_the_page_to_try_it_needs_nothing_but_our_own_files(
    client: httpx2.AsyncClient,
) -> None:
    page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r"<script(?![^>]*src=)|\son[a-z]+=|<style|style=", page.text)
    files = re.findall(r'(?:src|href)="(/docs/[^"]+)"', page.text)
    assert files
    for file in files:
        assert (await client.get(file)).status_code == 200
    assert "http" not in re.sub(r"https?://localhost", "", page.text)
    assert (await client.get("/docs/../app.py")).status_code == 404
    assert (await client.get("/docs/app.py")).status_code == 404


async def test_the_type_of_a_problem_leads_to_its_explanation(client: httpx2.AsyncClient) -> None:
    problem = (await client.get("/v1/nothing")).json()
    page = await client.get(problem["type"])
    assert page.status_code == 200
    assert "What to do" in page.text
    assert "ETAG_STALE" in (await client.get("/errors")).text
    assert (await client.get("/errors/NO_SUCH_REASON")).status_code == 404
