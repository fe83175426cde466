"""What every contract keeps to, walked over the descriptors."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from allocator.access.v1 import access_pb2
from allocator.reasons.v1 import reason_pb2
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor

from chassis.faults import Fault

ROOT = Path(__file__).resolve().parent.parent.parent
COMMENTS = json.loads((ROOT / "protos/gen/allocator/comments.json").read_text(encoding="utf-8"))
PEER = access_pb2.Rule.PEER


def files() -> Iterator[object]:
    for found in sorted((ROOT / "protos/allocator").rglob("*.proto")):
        module = ".".join(found.relative_to(ROOT / "protos").with_suffix("").parts)
        yield importlib.import_module(f"{module}_pb2").DESCRIPTOR


FILES = list(files())
SERVICES: list[ServiceDescriptor] = [s for f in FILES for s in f.services_by_name.values()]
METHODS: list[MethodDescriptor] = [m for s in SERVICES for m in s.methods]


def messages(found) -> Iterator[object]:
    yield found
    for nested in found.nested_types:
        yield from messages(nested)


MESSAGES = [m for f in FILES for top in f.message_types_by_name.values() for m in messages(top)]


def by_name(things):
    return {"argvalues": things, "ids": [thing.full_name for thing in things]}


def rule_of(method: MethodDescriptor):
    return method.GetOptions().Extensions[access_pb2.rule]


def has_http(method: MethodDescriptor) -> bool:
    return method.GetOptions().HasExtension(annotations_pb2.http)


@pytest.mark.parametrize("method", **by_name(METHODS))
def test_a_method_says_who_may_call_it(method: MethodDescriptor) -> None:
    assert rule_of(method).who != access_pb2.Rule.WHO_UNSPECIFIED


@pytest.mark.parametrize("method", **by_name(METHODS))
def test_a_public_method_has_one_http_rule_and_an_internal_one_has_none(
    method: MethodDescriptor,
) -> None:
    assert has_http(method) == (rule_of(method).who != PEER)


@pytest.mark.parametrize("service", **by_name(SERVICES))
def test_a_service_is_public_or_internal_as_a_whole(service: ServiceDescriptor) -> None:
    assert len({has_http(method) for method in service.methods}) == 1


@pytest.mark.parametrize("method", **by_name(METHODS))
def test_peers_are_services_that_exist(method: MethodDescriptor) -> None:
    for peer in rule_of(method).peers:
        assert (ROOT / peer).is_dir(), f"{peer} is no service"


@pytest.mark.parametrize("method", **by_name(METHODS))
def test_a_method_that_creates_or_starts_takes_a_request_id(method: MethodDescriptor) -> None:
    # A replay would have to keep the token, or the code, to answer with it again.
    answers_with_token = (
        "access_token" in method.output_type.fields_by_name
        or method.output_type.name in ("AccessToken", "Invitation")
    )
    starts = method.name.startswith(("Create", "Recreate", "Start", "Restart"))
    wanted = starts and not answers_with_token
    if has_http(method):
        assert ("request_id" in method.input_type.fields_by_name) == wanted


@pytest.mark.parametrize("method", **by_name([m for m in METHODS if m.name.startswith("List")]))
def test_a_list_has_pages(method: MethodDescriptor) -> None:
    if method.name in ("ListInstances", "ListLines") or (
        method.containing_service.name == "ContainerService"
    ):
        return  # all of a node at once; and pages by cursor
    assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
    assert "next_page_token" in method.output_type.fields_by_name


@pytest.mark.parametrize("method", **by_name([m for m in METHODS if m.name.startswith("Update")]))
def test_an_update_has_a_mask_and_an_etag(method: MethodDescriptor) -> None:
    assert "update_mask" in method.input_type.fields_by_name
    resource = next(f for f in method.input_type.fields if f.message_type is method.output_type)
    assert "etag" in resource.message_type.fields_by_name


@pytest.mark.parametrize("message", **by_name(MESSAGES))
def test_a_field_says_how_it_behaves(message) -> None:
    if message.GetOptions().map_entry or message.full_name.startswith(
        ("allocator.access.v1.Rule", "allocator.reasons.v1.Entry")
    ):
        return  # options are no resources
    for field in message.fields:
        assert field.GetOptions().Extensions[field_behavior_pb2.field_behavior], field.full_name


@pytest.mark.parametrize("message", **by_name(MESSAGES))
def test_a_field_is_of_a_kind_that_contracts_use(message) -> None:
    for field in message.fields:
        kind = field.message_type
        if kind is None:
            continue
        if kind.GetOptions().map_entry and kind.fields_by_name["value"].message_type is None:
            assert field.name == "labels", f"{field.full_name}: only labels are a map"
        if field.full_name == "allocator.timeline.v1.DeadLetter.content":
            continue  # a fact of any service, as it was published
        assert kind.full_name not in ("google.protobuf.Any", "google.protobuf.Struct")


@pytest.mark.parametrize("message", **by_name(MESSAGES))
def test_a_large_number_that_reaches_json_is_documented_as_a_string(message) -> None:
    if message.file.package in ("allocator.containers.v1", "allocator.access.v1"):
        return  # internal: never JSON
    for field in message.fields:
        if field.cpp_type in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64):
            comment = COMMENTS[field.full_name].lower()
            said = "string" in comment or "cursor" in field.name or "version" in field.name
            assert said, f"{field.full_name} does not say that JSON has it as a string"


def test_everything_has_a_comment() -> None:
    names = [
        *(s.full_name for s in SERVICES),
        *(m.full_name for m in METHODS),
        *(m.full_name for m in MESSAGES if not m.GetOptions().map_entry),
        *(f.full_name for m in MESSAGES if not m.GetOptions().map_entry for f in m.fields),
    ]
    assert [name for name in names if not COMMENTS.get(name)] == []


def entries() -> dict[str, reason_pb2.Entry]:
    found = reason_pb2.Reason.DESCRIPTOR.values
    return {v.name: v.GetOptions().Extensions[reason_pb2.entry] for v in found if v.number}


def test_every_reason_has_a_kind_and_advice() -> None:
    assert [name for name, entry in entries().items() if not (entry.kind and entry.advice)] == []


@pytest.mark.parametrize("method", **by_name(METHODS))
def test_the_reasons_that_a_method_names_are_in_the_list(method: MethodDescriptor) -> None:
    said = COMMENTS[method.full_name].replace("\n", " ")
    for sentence in re.findall(r"Fails with ([^.]*)\.", said):
        for reason in re.findall(r"[A-Z][A-Z_]{4,}", sentence):
            assert reason in entries(), f"{reason} is not in the closed list"


def faults() -> list[type[Fault]]:
    packages = (
        "chassis",
        "user_svc",
        "machines_svc",
        "allocation_svc",
        "docker_svc",
        "interact_svc",
        "broker",
        "notifier",
    )
    for package in packages:
        for found in sorted((ROOT / package).rglob("*.py")):
            parts = found.relative_to(ROOT).with_suffix("").parts
            if "versions" not in parts and parts[-1] not in ("__main__", "shim", "__init__"):
                importlib.import_module(".".join(parts))

    def below(kind: type[Fault]) -> Iterator[type[Fault]]:
        for one in kind.__subclasses__():
            yield one
            yield from below(one)

    return [one for one in below(Fault) if "reason" in vars(one) and not inspect.isabstract(one)]


def test_every_fault_in_the_code_has_a_reason_of_the_list_and_of_its_kind() -> None:
    listed = entries()
    wrong = [
        f"{one.__module__}.{one.__name__}: {one.reason}"
        for one in faults()
        if one.reason not in listed
        or reason_pb2.Kind.Name(listed[one.reason].kind) != one.kind.value
    ]
    assert wrong == []


def test_the_contracts_are_all_known_to_the_pool() -> None:
    pool = descriptor_pool.Default()
    assert all(pool.FindFileByName(f.name) is f for f in FILES)
