"""The contract of `oddities.proto`, compiled when it is first imported, and servers for it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import h11
import uvicorn
from allocator.access.v1 import access_pb2  # noqa: F401  # registers the option that each method has
from google.api import (  # noqa: F401  # register what the contract imports
    annotations_pb2,
    field_behavior_pb2,
    httpbody_pb2,
)
from google.protobuf import (  # noqa: F401  # register what the contract imports
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from grpc_tools import protoc

from chassis.identity.caller import Caller
from chassis.rest import RestApp, rest_app
from chassis.rpc import Chain

HERE = Path(__file__).parent
SERVICE = "tests.oddities.v1.OddService"


def _compiled() -> FileDescriptor:
    contracts = HERE.parents[2] / "protos"
    site = Path(str(resources.files("google") / "api")).parent.parent
    well_known = Path(str(resources.files("grpc_tools") / "_proto"))
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "odd.binpb"
        code = protoc.main(
            [
                "protoc",
                f"-I{HERE}",
                f"-I{contracts}",
                f"-I{site}",
                f"-I{well_known}",
                f"--descriptor_set_out={image}",
                "oddities.proto",
            ]
        )
        assert code == 0, "oddities.proto does not compile"
        found = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    return descriptor_pool.Default().AddSerializedFile(found.file[0].SerializeToString())


FILE = _compiled()


def message_class(name: str) -> Any:
    """The class of a message of the odd contract."""
    return message_factory.GetMessageClass(FILE.message_types_by_name[name])


Odd = message_class("Odd")
Inner = message_class("Inner")


def descriptor_set(without: frozenset[str] = frozenset()) -> bytes:
    """The odd contract with all that it imports, without some methods: for Envoy."""
    found = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()

    def add(file: Any) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for needed in file.dependencies:
            add(needed)
        made = found.file.add()
        file.CopyToProto(made)
        for service in made.service:
            kept = [method for method in service.method if method.name not in without]
            del service.method[:]
            service.method.extend(kept)

    add(FILE)
    return found.SerializeToString()


class Everyone:
    """Lets everyone in: what identity is about is tested elsewhere."""

    def verify(self, token: str) -> Caller:
        return Caller(user="users/odd", roles=frozenset({"ADMIN"}), verified=True, token=token)

    def verify_service(self, token: str) -> str:
        return token

    def is_fresh(self) -> bool:
        return True


@dataclass
class OddServicer:
    """Answers every call with `answer`, or raises it, and keeps what it got."""

    answer: Any = field(default_factory=lambda: Odd(name="odds/1", title="one"))
    stream: list[Any] = field(default_factory=list)
    got: list[tuple[str, Message]] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0

    async def _serve(self, request: Message, call: Any) -> Any:
        self.got.append((call.method.name, request))
        self.calls.append(call)
        call.response_headers.extend(self.response_headers)
        if isinstance(self.answer, Exception):
            raise self.answer
        if call.method.name == "DeleteOdd":
            return empty_pb2.Empty()
        return self.answer

    async def _stream(self, request: Message, call: Any) -> AsyncIterator[Any]:
        self.got.append((call.method.name, request))
        self.calls.append(call)
        call.response_headers.extend(self.response_headers)
        try:
            for one in self.stream:
                if isinstance(one, asyncio.Event):
                    await one.wait()
                    continue
                if isinstance(one, Exception):
                    raise one
                self.sent += 1
                yield one
        finally:
            self.closed.set()

    GetOdd = CreateOdd = UpdateOdd = DeleteOdd = StartOdd = SearchOdds = EchoOdd = _serve
    GetFile = GetRow = ListTags = SetTags = Download = Upload = _serve
    WatchOdds = DownloadParts = _stream


def odd_app(servicer: OddServicer, **options: Any) -> RestApp:
    """The application of the odd contract, behind the real chain."""
    return rest_app(Chain({SERVICE: servicer}, Everyone()), **options)


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(app: Any, socket: Path) -> AsyncIterator[Path]:
    """A real HTTP server with the application, on a unix socket."""
    server = uvicorn.Server(
        uvicorn.Config(app, uds=str(socket), lifespan="off", log_config=None, access_log=False)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined,unused-ignore]
    task = asyncio.create_task(server._serve())  # serve() would take the signals
    async with asyncio.timeout(10):
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.005)
    try:
        yield socket
    finally:
        server.should_exit = True
        async with asyncio.timeout(10):
            await task


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)


async def fetch(
    socket: Path,
    method: str,
    target: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> Answer:
    """Sends one request byte for byte as it is given, and reads the whole answer."""
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        lines = [f"{method} {target} HTTP/1.1", "connection: close"]
        said = {"host": "localhost", **(headers or {})}
        if body:
            said.setdefault("content-type", "application/json")
        if body or method in ("POST", "PUT", "PATCH"):
            said["content-length"] = str(len(body))
        lines += [f"{name}: {value}" for name, value in said.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        await writer.drain()
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        connection.send(h11.EndOfMessage())
        answer = Answer(0, [], b"")
        try:
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Response):
                    answer.status = event.status_code
                    answer.headers = [(k.decode(), v.decode("latin-1")) for k, v in event.headers]
                elif isinstance(event, h11.Data):
                    answer.body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                    return answer
        finally:
            writer.close()
