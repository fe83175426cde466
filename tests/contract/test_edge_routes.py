"""The edge's routes: every public rule leads to its service, and nothing else leads anywhere."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

ROOT = Path(__file__).resolve().parent.parent.parent
ROUTES = (ROOT / "nginx/routes.conf").read_text(encoding="utf-8")
# What follows is the server that people meet: the other one redirects to it, and says how the edge is.
CONFIG = (ROOT / "nginx/nginx.conf").read_text(encoding="utf-8").partition("listen-https.conf")[2]
_VERBS = ("get", "post", "put", "patch", "delete")
_LOCATION = re.compile(r"location (?:(=|~|\^~) )?(\S+) \{\n(.*?)\n\s*\}", re.DOTALL)
_REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/"


@dataclass(frozen=True)
class Location:
    sort: str
    match: str
    body: str

    @property
    def service(self) -> str:
        found = re.search(r"(?:proxy|grpc)_ssl_name (\w+);", self.body)
        return found[1] if found else ""


LOCATIONS = [Location(*found) for found in _LOCATION.findall(CONFIG + ROUTES)]


def chosen(path: str) -> Location:
    """The location that nginx chooses: an exact one, else the longest prefix if it ends the search,
    else the first pattern, else that prefix."""
    for one in LOCATIONS:
        if one.sort == "=" and one.match == path:
            return one
    prefixes = [one for one in LOCATIONS if one.sort in ("", "^~") and path.startswith(one.match)]
    longest = max(prefixes, key=lambda one: len(one.match))
    if longest.sort == "^~":
        return longest
    return next(
        (one for one in LOCATIONS if one.sort == "~" and re.search(one.match, path)), longest
    )


def methods() -> Iterator[MethodDescriptor]:
    for found in sorted((ROOT / "protos/allocator").rglob("*.proto")):
        module = ".".join(found.relative_to(ROOT / "protos").with_suffix("").parts)
        for service in importlib.import_module(
            f"{module}_pb2"
        ).DESCRIPTOR.services_by_name.values():
            yield from service.methods


METHODS = list(methods())
PUBLIC = [m for m in METHODS if m.GetOptions().HasExtension(annotations_pb2.http)]
INTERNAL = [m for m in METHODS if m not in PUBLIC]


def served_by(method: MethodDescriptor) -> str:
    """The service whose composition serves the method."""
    name = method.containing_service.full_name
    found = [
        file.relative_to(ROOT).parts[0]
        for file in (*ROOT.glob("*/composition.py"), *ROOT.glob("*/composition/*.py"))
        if f'"{name}"' in file.read_text(encoding="utf-8")
    ]
    assert len(found) == 1, f"{name} is served by {found}"
    return found[0]


def paths_of(method: MethodDescriptor) -> list[str]:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    templates = [
        getattr(one, verb)
        for one in (rule, *rule.additional_bindings)
        for verb in _VERBS
        if getattr(one, verb)
    ]
    plain = [re.sub(r"\{[a-z_.]+=([^}]+)\}", r"\1", template) for template in templates]
    return [re.sub(r"\*+", "7f3k2m9q", re.sub(r"\{[a-z_.]+\}", "*", one)) for one in plain]


def grpc_path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def by_name(found: list[MethodDescriptor]) -> dict[str, object]:
    return {"argvalues": found, "ids": [one.full_name for one in found]}


@pytest.mark.parametrize("method", **by_name(PUBLIC))
def test_each_path_of_a_public_method_leads_to_its_service(method: MethodDescriptor) -> None:
    for path in paths_of(method):
        location = chosen(path)
        assert location.service == served_by(method), path
        assert "proxy_pass https://" in location.body
        assert ("include stream.conf" in location.body) == method.server_streaming
        assert ("include upload.conf" in location.body) == method.client_streaming


@pytest.mark.parametrize("method", **by_name(PUBLIC))
def test_a_public_method_is_reached_by_grpc(method: MethodDescriptor) -> None:
    location = chosen(grpc_path(method))
    assert location.service == served_by(method)
    assert "grpc_pass grpcs://" in location.body
    assert ("include stream.conf" in location.body) == method.server_streaming
    assert ("include upload.conf" in location.body) == method.client_streaming


@pytest.mark.parametrize("method", **by_name(INTERNAL))
def test_an_internal_method_is_not_reached(method: MethodDescriptor) -> None:
    location = chosen(grpc_path(method))
    assert not location.service
    assert "return 404" in location.body


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/readyz",
        "/v1/nothing",
        "/_edge/http/404x",
        "/grpc.health.v1.Health/Check",
        "/.well-known/x",
    ],
)
def test_what_is_nobodys_business_is_not_there(path: str) -> None:
    assert "return 404" in chosen(path).body


def test_the_sockets_of_the_console_lead_to_it() -> None:
    composition = (ROOT / "interact_svc/composition.py").read_text(encoding="utf-8")
    sockets = re.findall(r'WebSocketRoute\("([^"]+)"', composition)
    assert sockets
    for socket in sockets:
        location = chosen(re.sub(r"\{\w+\}", "7f3k2m9q", socket))
        assert location.service == "interact_svc"
        assert "include socket.conf" in location.body


def test_nothing_but_public_services_and_documents_is_passed_on() -> None:
    named = {one.match for one in LOCATIONS if "grpc_pass" in one.body and one.match != _REFLECTION}
    public = {f"/{m.containing_service.full_name}/" for m in PUBLIC}
    streaming = {grpc_path(m) for m in PUBLIC if m.server_streaming or m.client_streaming}
    assert named == public | streaming


def test_the_tables_of_the_edge_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/edge.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
