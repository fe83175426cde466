"""What the contract says of services and methods, read from the descriptors once at start."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import allocator
from allocator.access.v1 import access_pb2
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from chassis.identity.caller import ADMIN_SCOPE

_READING = re.compile(
    r"(Get|BatchGet|List|Search|Watch|Read|Follow|Inspect|Estimate|Download|Export)(?=[A-Z]|$)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """One method of a service.

    Attributes:
        path: as in gRPC, `/allocator.machines.v1.MachineService/GetMachine`.
        name: `GetMachine`.
        service: the full name of its service, `allocator.machines.v1.MachineService`.
        descriptor: for whoever needs more.
        request: the class of its requests.
        response: the class of its responses.
        streams: whether it answers with a stream.
        takes_stream: whether its request is a stream, of which the first message says all but what follows.
        rule: who may call it.
        http: its HTTP rule; None for internal methods.
        scope: which scope a personal access token needs for it; empty where no person calls it, and where
            a session is needed.
    """

    path: str
    name: str
    service: str
    descriptor: MethodDescriptor
    request: type[Message]
    response: type[Message]
    streams: bool
    rule: access_pb2.Rule
    http: http_pb2.HttpRule | None
    scope: str = ""
    takes_stream: bool = False

    @property
    def is_public(self) -> bool:
        """Whether others than our own services may reach it."""
        return self.http is not None


class ContractBroken(Exception):
    """A contract, or a servicer, is not as it must be; the process does not start."""


def contract_files() -> Iterator[FileDescriptor]:
    """Every file of our own contracts, in order, also of services that are not in this process."""
    for folder in allocator.__path__:
        stubs = Path(folder)
        for found in sorted(stubs.rglob("*_pb2.py")):
            module = ".".join(found.relative_to(stubs.parent).with_suffix("").parts)
            file: FileDescriptor = importlib.import_module(module).DESCRIPTOR
            yield file


def public_methods() -> list[Method]:
    """Every method of our contracts that others than our own services may reach."""
    return [
        method
        for file in contract_files()
        for service in file.services_by_name.values()
        for method in methods_of(service)
        if method.is_public
    ]


def known_scopes() -> frozenset[str]:
    """Every scope that a personal access token can have."""
    return frozenset(method.scope for method in public_methods() if method.scope)


def service_descriptor(full_name: str) -> ServiceDescriptor:
    """The descriptor of a service whose stubs are imported.

    Raises:
        KeyError: no imported contract has it.
    """
    return descriptor_pool.Default().FindServiceByName(full_name)


def methods_of(service: ServiceDescriptor) -> list[Method]:
    """The methods of a service.

    Raises:
        ContractBroken: a method has no rule that says who may call it, or streams both ways.
    """
    return [_method(descriptor) for descriptor in service.methods]


def _method(descriptor: MethodDescriptor) -> Method:
    service = descriptor.containing_service.full_name
    options = descriptor.GetOptions()
    rule: access_pb2.Rule = options.Extensions[access_pb2.rule]
    if rule.who == access_pb2.Rule.WHO_UNSPECIFIED:
        raise ContractBroken(f"{service}.{descriptor.name} does not say who may call it")
    if descriptor.client_streaming and descriptor.server_streaming:
        raise ContractBroken(
            f"{service}.{descriptor.name} streams both ways, which nothing here serves"
        )
    has_http = options.HasExtension(annotations_pb2.http)
    http = options.Extensions[annotations_pb2.http] if has_http else None
    return Method(
        path=f"/{service}/{descriptor.name}",
        name=descriptor.name,
        service=service,
        descriptor=descriptor,
        request=message_factory.GetMessageClass(descriptor.input_type),
        response=message_factory.GetMessageClass(descriptor.output_type),
        streams=descriptor.server_streaming,
        rule=rule,
        http=http,
        scope=_scope(descriptor, rule, http),
        takes_stream=descriptor.client_streaming,
    )


def _scope(
    descriptor: MethodDescriptor, rule: access_pb2.Rule, http: http_pb2.HttpRule | None
) -> str:
    """What a personal access token needs for a method: `admin`, or read or write of the package's noun.

    Whatever a GET serves is a reading, and so is what is named like one.
    """
    who = access_pb2.Rule
    if rule.who == who.ADMIN and not rule.sessions_only:
        return ADMIN_SCOPE
    if rule.sessions_only or http is None or rule.who == who.PEER:
        return ""
    noun = descriptor.containing_service.file.package.split(".")[1]
    is_reading = http.HasField("get") or _READING.match(descriptor.name)
    return f"{noun}:{'read' if is_reading else 'write'}"


def bind(servicers: Mapping[str, object]) -> Iterable[tuple[Method, Any]]:
    """Pairs each method of the services with the function that serves it.

    Args:
        servicers: the object that serves each service, by the service's full name. It has one
            function for each method of the contract, named as there:
            `async def GetMachine(self, request, call)`, or an async generator where it streams; where it
            takes a stream, the request is an async iterator of messages.

    Raises:
        ContractBroken: a method is missing, or there is a public function that is no method.
    """
    for full_name, servicer in servicers.items():
        methods = methods_of(service_descriptor(full_name))
        names = {method.name for method in methods}
        extra = [n for n in dir(servicer) if n[0].isupper() and n not in names]
        missing = [n for n in sorted(names) if not callable(getattr(servicer, n, None))]
        if extra or missing:
            raise ContractBroken(f"{full_name}: missing {missing}, not in the contract {extra}")
        for method in methods:
            yield method, getattr(servicer, method.name)
