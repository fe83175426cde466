"""Our transcoding beside Envoy's grpc_json_transcoder, over the same requests.

Both get the same bytes and the same contract. What the method gets and what the client gets must be
the same, but for the differences that are listed with their reasons.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.api import httpbody_pb2
from google.protobuf import timestamp_pb2
from google.protobuf.message import Message

from chassis.faults import Fault, kinds
from chassis.rpc.contract import methods_of, service_descriptor
from chassis.rpc.status import CODES
from tests.unit.chassis_rest.oddities import (
    SERVICE,
    Answer,
    Odd,
    OddServicer,
    descriptor_set,
    fetch,
    listening,
    odd_app,
)

ENVOY = Path(sys.executable).parent / "envoy"

RICH = Odd(
    name="odds/1",
    title='a "title" <b> é 𝄞',
    small=-5,
    large=-(2**62),
    unsigned_large=2**64 - 1,
    flag=True,
    raw=b"\xff\xfe+/",
    real=0.1,
    single=0.1,
    shade=2,
    tags=["a", ""],
    numbers=[1, -2],
    shades=[1, 0, 7],
    labels={"k": "v"},
    by_flag={True: 1},
    maybe=0,
    time=timestamp_pb2.Timestamp(seconds=1700000000, nanos=120000000),
    etag="e1",
    left="",
    larges=[1, 2],
    renamed="r",
)
RICH.inner.next.text = "deep"
RICH.inners.add(large=3)
RICH.by_number[5].text = "five"
RICH.span.FromNanoseconds(-1_500_000_000)
RICH.mask.paths.extend(["title", "inner.next"])
RICH.wrapped_text.value = ""
RICH.wrapped_large.value = 9
RICH.free.update({"a": [1, None, {"b": True}]})
RICH.value.null_value = 0
RICH.any.Pack(timestamp_pb2.Timestamp(seconds=1))


@dataclass(frozen=True)
class Case:
    """One request, and why ours may differ from Envoy's: empty where it may not."""

    verb: str
    target: str
    body: bytes = b""
    media_type: str = "application/json"
    status: int = 200
    differs: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.target} {self.body[:50]!r}"


NOT_IN_ENVOY = frozenset({"ListTags"})
"""Envoy does not start with a `response_body` that is no HttpBody."""

UNKNOWN = "Envoy drops unknown fields of a body; a misspelt field would be lost without a word."
PATH_COUNTS = (
    "Envoy lets the body say another name than the path: the address that a log or a proxy shows "
    "would not be what is acted on."
)
MASK = (
    "AIP-134: an update without a mask changes what the body names; Envoy leaves that to services."
)
LENIENT = "Envoy takes `yes`, `1` and their like for true; canonical JSON has true and false only."
QUERY_BESIDE = "google/api/http.proto: with a body of `*`, no parameter is left for the query."
TWICE = "Envoy keeps the last of two values; which one was meant is not for the server to guess."
NO_BODY = "Envoy drops a body that the method has no place for; it is said instead."
MEDIA_TYPE = "Envoy does not look at the media type; a form of another site could then send JSON."
VERB = "Envoy answers 404 to a known path with another HTTP method; RFC 9110 asks for 405."
DEEP = "Envoy reads any depth up to its buffer; depth is bounded here, and said."

CASES = [
    # paths
    Case("GET", "/v1/odds/1"),
    Case("GET", "/v1/odds/a%20b"),
    Case("GET", "/v1/odds/a%2Fb"),
    Case("GET", "/v1/odds/a%2fb%25"),
    Case("GET", "/v1/odds/%C3%A9"),
    Case("GET", "/v1/odds/a+b"),
    Case("GET", "/v1/odds/a:b"),
    Case("GET", "/v1/odds/a%3Astart"),
    Case("GET", "/v1/odd/a%2Fb"),
    Case("GET", "/v1/odd/a%20%26%3D"),
    Case("GET", "/v1/odd/x/small/7/text/a%2Fb"),
    Case("GET", "/v1/odd/x/small/-7/text/t"),
    Case("GET", "/v1/files/a/b/c"),
    Case("GET", "/v1/files/a%2Fb/c%20d"),
    Case("GET", "/v1/shelves/1/rows/2/odd"),
    Case("DELETE", "/v1/odds/1"),
    # queries
    Case("GET", "/v1/odds/1?etag=x&requestId=y"),
    Case("GET", "/v1/odds/1?request_id=y"),
    Case("GET", "/v1/odds/1?inner.text=a&inner.next.large=5"),
    Case("GET", "/v1/odds:search?title=a%20b+c%2B&small=5&large=-6&unsignedLarge=7&flag=true"),
    Case("GET", "/v1/odds:search?tags=a&tags=b&numbers=1&numbers=2&shades=DARK&shades=LIGHT"),
    Case("GET", "/v1/odds:search?shade=DARK&real=1.5&single=-2e3&maybe=0&maybeText="),
    Case("GET", "/v1/odds:search?raw=%2B%2F8%3D&raws=YQ%3D%3D"),
    Case("GET", "/v1/odds:search?time=2026-01-31T12%3A00%3A00.5Z&span=1.5s&mask=title,inner.next"),
    Case("GET", "/v1/odds:search?wrappedText=a&wrappedLarge=5&wrappedFlag=false&wrappedReal=1"),
    Case("GET", "/v1/odds:search?left=a"),
    Case("GET", "/v1/odds:search?title="),
    Case("GET", "/v1/odds:search?class=a&customName=b"),
    Case("GET", "/v1/odds:search?shade=2"),
    # bodies
    Case("POST", "/v1/odds?oddId=x", b'{"title":"a","inner":{"next":{"text":"b"}}}'),
    Case("POST", "/v1/odds?odd_id=x&request_id=r", b"{}"),
    Case("POST", "/v1/odds/1:start", b'{"etag":"e"}'),
    Case("POST", "/v1/odds/1:start"),
    Case("PUT", "/v1/odds/1", b'{"inner":{"text":"a"}}'),
    Case("PUT", "/v1/odds/1/tags", b'["a","b"]'),
    Case("PATCH", "/v1/odds/1?updateMask=title,small", b'{"title":"x"}'),
    Case("POST", "/v1/odds:echo", b'{"small":"5","large":6,"shade":2,"flag":true,"real":"1.5"}'),
    Case(
        "POST", "/v1/odds:echo", b'{"unsigned_large":"7","shades":["DARK",1],"by_flag":{"true":1}}'
    ),
    Case("POST", "/v1/odds:echo", b'{"title":null,"inner":null,"tags":null,"labels":{"a":"b"}}'),
    Case(
        "POST",
        "/v1/odds:echo",
        b'{"time":"2026-01-31T12:00:00+02:00","span":"-0.5s","mask":"a,b.c"}',
    ),
    Case("POST", "/v1/odds:echo", b'{"raw":"__79","free":{"a":[1,null]},"value":[1],"list":["x"]}'),
    Case(
        "POST",
        "/v1/odds:echo",
        b'{"real":"NaN","single":"-Infinity","byNumber":{"5":{"text":"t"}}}',
    ),
    Case(
        "POST", "/v1/odds:echo", b'{"wrappedText":"","wrappedLarge":"9","right":5,"customName":"r"}'
    ),
    Case("POST", "/v1/odds/1:upload", b"\x00\xffraw", "image/png"),
    # answers of other kinds
    Case("GET", "/v1/odds/1:download"),
    Case("GET", "/v1/odds/1:downloadParts"),
    # refusals
    Case("GET", "/v1/nothing", status=404),
    Case("GET", "/v1/odds/1/2/3", status=404),
    Case("GET", "/v1/odds:search?nope=1", status=400),
    Case("GET", "/v1/odds:search?small=x", status=400),
    Case("GET", "/v1/odds:search?small=3000000000", status=400),
    Case("GET", "/v1/odds/", status=404),
    Case("GET", "/v1//odds/1", status=404),
    Case("GET", "/v1/shelves/1/rows/odd", status=404),
    Case("GET", "/v1/odds:search?shade=PURPLE", status=400),
    Case("GET", "/v1/odds:search?time=yesterday", status=400),
    Case("GET", "/v1/odd/x/small/seven/text/t", status=400),
    Case("POST", "/v1/odds", b'{"title":', status=400),
    Case("POST", "/v1/odds", b'{"small":"x"}', status=400),
    Case("POST", "/v1/odds", b'{"title":5}', status=400),
    Case("POST", "/v1/odds", b'{"title":"\xff"}', status=400),
    # differences on purpose
    Case("POST", "/v1/odds", b'{"titel":"a"}', status=400, differs=UNKNOWN),
    Case("POST", "/v1/odds/1:start", b'{"name":"odds/2","etag":"e"}', differs=PATH_COUNTS),
    Case("PATCH", "/v1/odds/1", b'{"title":"x","inner":{"text":"a"}}', differs=MASK),
    Case("GET", "/v1/odds:search?flag=yes", status=400, differs=LENIENT),
    Case("POST", "/v1/odds/1:start?etag=e", b"{}", status=400, differs=QUERY_BESIDE),
    Case("GET", "/v1/odds:search?title=a&title=b", status=400, differs=TWICE),
    Case("GET", "/v1/odds/1?name=odds/2", status=400, differs=TWICE),
    Case("GET", "/v1/odds/1", b"{}", status=400, differs=NO_BODY),
    Case("POST", "/v1/odds", b"{}", "text/plain", status=415, differs=MEDIA_TYPE),
    Case("PUT", "/v1/odds", b"{}", status=405, differs=VERB),
    Case(
        "POST",
        "/v1/odds:echo",
        b'{"inner":' + b'{"next":' * 70 + b"{}" + b"}" * 71,
        status=400,
        differs=DEEP,
    ),
]


@asynccontextmanager
async def backend(servicer: OddServicer, socket: Path) -> AsyncIterator[None]:
    """A gRPC server that hands every call to the servicer."""

    class Context:
        def __init__(self, method: Any) -> None:
            self.method = method
            self.response_headers: list[tuple[str, str]] = []

    def handler(method: Any) -> grpc.RpcMethodHandler[Any, Any]:
        serve = getattr(servicer, method.name)

        async def unary(request: Message, context: Any) -> Message:
            try:
                answer: Message = await serve(request, Context(method))
            except Fault as fault:
                await context.abort(CODES[fault.kind], fault.message)
            return answer

        async def stream(request: Message, _context: Any) -> AsyncIterator[Message]:
            async for one in serve(request, Context(method)):
                yield one

        make = (
            grpc.unary_stream_rpc_method_handler
            if method.streams
            else grpc.unary_unary_rpc_method_handler
        )
        return make(
            stream if method.streams else unary,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    methods = {m.name: handler(m) for m in methods_of(service_descriptor(SERVICE))}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, methods)])
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


def envoy_settings(listen: Path, upstream: Path, descriptors: Path) -> dict[str, Any]:
    transcoder = {
        "@type": (
            "type.googleapis.com/"
            "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"
        ),
        "proto_descriptor": str(descriptors),
        "services": [SERVICE],
        "convert_grpc_status": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",
        "query_param_unescape_plus": True,
        "print_options": {
            "always_print_primitive_fields": True,
            "stream_newline_delimited": True,
        },
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
        },
    }
    router = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    }
    connections = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network."
            "http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": "odd",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "odd",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "odd"}}],
                }
            ]
        },
        "http_filters": [
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": router},
        ],
    }
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    address = {"pipe": {"path": str(upstream)}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": {"pipe": {"path": str(listen)}},
                    "filter_chains": [{"filters": [{"name": "http", "typed_config": connections}]}],
                }
            ],
            "clusters": [
                {
                    "name": "odd",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
                    },
                    "load_assignment": {
                        "cluster_name": "odd",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
                    },
                }
            ],
        }
    }


@asynccontextmanager
async def envoy(folder: Path, upstream: Path) -> AsyncIterator[Path]:
    """Envoy in front of the backend, on a unix socket."""
    listen, settings = folder / "envoy.sock", folder / "envoy.json"
    descriptors = folder / "odd.binpb"
    descriptors.write_bytes(descriptor_set(without=NOT_IN_ENVOY))
    settings.write_text(json.dumps(envoy_settings(listen, upstream, descriptors)))
    process = await asyncio.create_subprocess_exec(
        str(ENVOY),
        *("-c", str(settings), "--disable-hot-restart", "--concurrency", "1", "-l", "info"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    drain: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(30):
            while b"starting workers" not in said:
                line = await process.stderr.readline()
                assert line, said[said.find(b"[critical]") :].decode()
                said += line
        drain = asyncio.create_task(process.stderr.read())
        yield listen
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()
            if drain is not None:
                await drain


def answering(name: str) -> OddServicer:
    """A servicer that answers as the method at the path should."""
    servicer = OddServicer(answer=RICH)
    if name.endswith(":watch"):
        servicer.stream = [Odd(title="one"), RICH]
    if name.endswith(":download"):
        servicer.answer = httpbody_pb2.HttpBody(content_type="image/png", data=b"\x89PNG\xff")
    if name.endswith(":downloadParts"):
        servicer.stream = [
            httpbody_pb2.HttpBody(content_type="text/plain", data=b"one "),
            httpbody_pb2.HttpBody(data=b"two"),
        ]
    return servicer


class Both:
    """Sends the same request to Envoy and to ours."""

    def __init__(self, envoy_socket: Path, our_socket: Path, servicers: list[OddServicer]) -> None:
        self.sockets = [envoy_socket, our_socket]
        self.servicers = servicers

    def fails_with(self, fault: Fault) -> None:
        for servicer in self.servicers:
            servicer.answer = fault

    async def send(
        self, case: Case, headers: dict[str, str] | None = None, *, failing: bool = False
    ) -> list[tuple[Answer, list[tuple[str, Message]]]]:
        found = []
        for socket, servicer in zip(self.sockets, self.servicers, strict=True):
            like = answering(case.target.partition("?")[0])
            if not failing:
                servicer.answer, servicer.stream = like.answer, like.stream
            servicer.got = []
            said = {"content-type": case.media_type} if case.body else {}
            said.update(headers or {})
            answer = await fetch(socket, case.verb, case.target, case.body, said)
            found.append((answer, servicer.got))
        return found


@asynccontextmanager
async def both_servers() -> AsyncIterator[Both]:
    # Paths of unix sockets end at 107 bytes, which pytest's own folders may exceed.
    with tempfile.TemporaryDirectory(prefix="odd") as scratch:
        folder = Path(scratch)
        theirs, ours = OddServicer(), OddServicer()
        async with (
            backend(theirs, folder / "grpc.sock"),
            envoy(folder, folder / "grpc.sock") as envoy_socket,
            listening(odd_app(ours), folder / "ours.sock") as our_socket,
        ):
            yield Both(envoy_socket, our_socket, [theirs, ours])


def content(answer: Answer) -> Any:
    if answer.header("content-type").startswith("application/json"):
        return json.loads(answer.body)
    return answer.body


@dataclass
class Differences:
    """Collects what is wrong, so that one run shows all of it."""

    found: list[str]

    def look(self, case: Case, theirs: Any, ours: Any) -> None:
        (their_answer, their_requests), (our_answer, our_requests) = theirs, ours
        statuses = (their_answer.status, our_answer.status)
        same_requests = their_requests == our_requests
        if case.differs:
            if our_answer.status != case.status:
                self.found.append(f"{case}: {our_answer.status} {our_answer.body!r}")
            if statuses[0] == statuses[1] and same_requests:
                self.found.append(f"{case}: no longer differs from Envoy")
        elif statuses != (case.status, case.status):
            self.found.append(f"{case}: Envoy {their_answer}, ours {our_answer}")
        elif not same_requests:
            self.found.append(f"{case}: Envoy {their_requests}, ours {our_requests}")
        elif case.status == 200 and content(their_answer) != content(our_answer):
            self.found.append(f"{case}: Envoy {their_answer.body!r}, ours {our_answer.body!r}")


async def test_requests_reach_methods_and_answers_reach_clients_as_with_envoy() -> None:
    differences = Differences([])
    async with both_servers() as both:
        for case in CASES:
            differences.look(case, *await both.send(case))
    assert not differences.found, "\n".join(differences.found)


async def test_streams_of_lines_are_those_of_envoy() -> None:
    async with both_servers() as both:
        case = Case("GET", "/v1/odds:watch?small=5")
        headers = {"accept": "application/x-ndjson"}
        (theirs, their_requests), (ours, our_requests) = await both.send(case, headers)
    assert their_requests == our_requests
    assert lines_of(theirs) == lines_of(ours)
    assert len(lines_of(ours)) == 2


async def test_every_kind_of_fault_has_the_status_that_envoy_gives_it() -> None:
    differences = []
    async with both_servers() as both:
        for kind, fault in kinds().items():
            both.fails_with(fault("Something went wrong."))
            case = Case("GET", "/v1/odds/1")
            theirs, ours = [answer for answer, _ in await both.send(case, failing=True)]
            if theirs.status != ours.status:
                differences.append((kind, theirs.status, ours.status))
    assert differences == []


def lines_of(answer: Answer) -> list[Any]:
    return [json.loads(line) for line in answer.body.splitlines()]
