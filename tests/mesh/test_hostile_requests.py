"""Whatever is sent to it, it answers with what is wrong, and goes on as if nothing had happened."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterator

import grpc
import pytest
from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc
from allocator_process import AllocatorProcess
from google.protobuf import empty_pb2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chassis.serving.http_protocol import MAX_HEAD_BYTES, MAX_HEADERS


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(
        tmp_path_factory.mktemp("hostile") / "data",
        ALLOCATOR_INTERACT_AUTH_SECONDS="0.5",
        ALLOCATOR_HEAD_SECONDS="2",
    )
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def token(running: AllocatorProcess) -> str:
    return running.admin()


@pytest.fixture(scope="module")
def watched(running: AllocatorProcess, token: str) -> str:
    name = str(running.rent(token, "ticker")["name"])
    running.wait(token, name, "READY")
    return name


@pytest.fixture(autouse=True)
def untouched(running: AllocatorProcess) -> Iterator[None]:
    """After each of these tests, the process is the same and has seen no bug of its own."""
    assert running.process is not None
    before = running.process.pid
    log = running.data_dir / "allocator.log"
    logged = log.stat().st_size
    yield
    assert running.process.pid == before
    assert running.process.poll() is None
    assert running.call("GET", "/livez").text == "ok\n"
    lines = [json.loads(line) for line in log.read_bytes()[logged:].decode().splitlines()]
    # What the server of HTTP says of bytes that are no WebSocket is no bug of ours.
    ours = [
        line
        for line in lines
        if line["level"] in ("error", "critical") and line["source"] != "uvicorn.error"
    ]
    assert ours == []


def exchange(running: AllocatorProcess, sent: bytes) -> tuple[int, dict]:
    """Sends bytes, and reads one answer: its status, and its problem document."""
    host, _, port = running.http.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):  # refused before everything was sent
            connection.sendall(sent)
        answer = b""
        while b"\r\n\r\n" not in answer:
            some = connection.recv(65536)
            assert some, (sent[:200], answer)
            answer += some
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
    status = int(lines[0].split()[1])
    if headers.get("content-type", "").startswith("application/problem+json"):
        return status, json.loads(body)
    return status, {}


def request_of(
    verb: str, path: bytes, token: str, body: bytes | None = None, *headers: bytes
) -> bytes:
    lines = [verb.encode() + b" " + path + b" HTTP/1.1", b"Host: 127.0.0.1"]
    if token:
        lines.append(b"Authorization: Bearer " + token.encode())
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
        if not any(header.lower().startswith(b"content-type") for header in headers):
            lines.append(b"Content-Type: application/json")
    return b"\r\n".join([*lines, *headers, b"", body or b""])


RENT = b"/v1/allocations"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"machine": ', ""),
        (b"{'machine': 1}", ""),
        (b'{"machine": NaN}', ""),
        (b'{"machine": "\xff\xfe"}', ""),
        (b'{"machine": "\\ud800"}', ""),
        (b"\x00", ""),
        (b"[" * 100_000, ""),
        (b'{"variables":' * 50_000, ""),
        (b'{"stock": ' + b"9" * 5_000 + b"}", ""),
        (b"[]", "allocation"),
        (b"null", "allocation"),
        (b"17", "allocation"),
        (b'"text"', "allocation"),
        (b"", "allocation"),
        (b"{}", "allocation"),
        (b'{"displayName": "mine"}', "allocation"),
        (b'{"machine": 5}', "allocation.machine"),
        (b'{"machine": {"name": "ticker"}}', "allocation.machine"),
        (b'{"machine": "machines/ti\\u0000cker"}', "allocation.machine"),
        (b'{"machine": "machines/../users"}', "allocation.machine"),
        (b'{"machine": "machines/ticker", "hostile": 1}', "allocation.hostile"),
        (b'{"machine": "machines/ticker", "variables": "all"}', "allocation.variables"),
        (
            b'{"machine": "machines/ticker", "variables": [{"key": 1}]}',
            "allocation.variables[0].key",
        ),
        (b'{"machine": "machines/ticker", "labels": {"a": {"b": 1}}}', "allocation.labels[a]"),
        (b'{"machine": "machines/ticker", "desiredState": "FLYING"}', "allocation.desired_state"),
        (b'{"machine": "machines/ticker", "createTime": "soon"}', "allocation.create_time"),
        (
            b'{"machine": "machines/ticker", "displayName": "' + b"x" * 100_000 + b'"}',
            "allocation.display_name",
        ),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_wrong_body_is_refused_by_the_name_of_its_field(
    running: AllocatorProcess, token: str, body: bytes, field: str
) -> None:
    status, problem = exchange(running, request_of("POST", RENT, token, body))
    assert (status, problem["reason"]) == (400, "REQUEST_INVALID")
    assert [one["field"] for one in problem["fields"]] == [field]
    assert problem["detail"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (b"/v1/allocations/..%2f..%2fetc", "name"),
        (b"/v1/allocations/%00", "name"),
        (b"/v1/allocations/%zz", "name"),
        (b"/v1/allocations/%ff", "name"),
        (b"/v1/allocations/%", "name"),
        (b"/v1/allocations/%F0%9F%92%A9", "name"),
        (b"/v1/allocations/" + b"a" * 60_000, "name"),
        (b"/v1/allocations/x:explode", "name"),
        (b"/v1/machines/%252e%252e", "name"),
        (b"/v1/machines?pageSize=abc", "page_size"),
        (b"/v1/machines?pageSize=99999999999", "page_size"),
        (b"/v1/machines?pageSize=-1", "page_size"),
        (b"/v1/machines?pageSize=1&pageSize=2", "page_size"),
        (b"/v1/machines?filter=%00", "filter"),
        (b"/v1/machines?filter=" + b"(" * 8_000, "filter"),
        (b"/v1/machines?filter=%ff", ""),
        (b"/v1/machines?pageToken=zzz", "page_token"),
        (b"/v1/machines?orderBy=drop+table", "order_by"),
        (b"/v1/machines?a.b.c=1", "a.b.c"),
        (b"/v1/machines?__class__=1", "__class__"),
        (b"/v1/allocations/x/lines?cursor=99999999999999999999", "cursor"),
    ],
    ids=lambda value: repr(value[:50]),
)
def test_a_hostile_path_or_query_is_refused_by_the_name_of_its_field(
    running: AllocatorProcess, token: str, path: bytes, field: str
) -> None:
    status, problem = exchange(running, request_of("GET", path, token))
    assert status == 400
    assert [one["field"] for one in problem["fields"]] == [field]


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/../../etc/passwd",
        b"/v1/allocations/a/b/c",
        b"/v1/%2e%2e/users",
        b"/v1",
        b"*",
        b"/assets/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        b"/assets/../../../pyproject.toml",
    ],
)
def test_a_path_that_leads_nowhere_is_not_found(
    running: AllocatorProcess, token: str, path: bytes
) -> None:
    assert exchange(running, request_of("GET", path, token))[0] == 404


def test_no_file_outside_of_the_web_page_is_served(running: AllocatorProcess) -> None:
    host, _, port = running.http.rpartition(":")
    for path in (
        b"/..%2f..%2fpyproject.toml",
        b"//etc/passwd",
        b"/%2e%2e/%2e%2e/pyproject.toml",
        b"/\\..\\..\\pyproject.toml",
        b"/%00",
        b"/" + b"a" * 5_000,
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(request_of("GET", path, "", None, b"Connection: close"))
            answer = b""
            while some := connection.recv(65536):
                answer += some
        assert b"root:" not in answer, path
        assert b"[project]" not in answer, path
        assert not answer.startswith(b"HTTP/1.1 5"), (path, answer[:300])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1" + bytes(200), 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"BREW /v1/allocations HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /v1/machines HTTP/1.1\r\n\r\n", 403),
        (b"GET /v1/machines HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET /v1/machines HTTP/1.1\r\nHost: 127.0.0.1\r\nbroken header\r\n\r\n", 400),
        (b"GET /v1/\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n", 400),
        (
            b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n"
            b"Content-Length: 6\r\n\r\nhello!",
            400,
        ),
        (
            b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/json\r\n\r\nzz\r\n",
            400,
        ),
        (
            b"GET /v1/machines HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            + b"".join(b"X-%d: y\r\n" % n for n in range(MAX_HEADERS + 1))
            + b"\r\n",
            431,
        ),
        (
            b"GET /v1/machines HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
            + b"y" * (MAX_HEAD_BYTES + 1)
            + b"\r\n\r\n",
            431,
        ),
        # Headers that never end.
        (b"GET /v1/machines HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 2_000_000, 431),
        (b"GET /" + b"y" * 2_000_000, 431),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_request_is_refused_with_a_problem_document(
    running: AllocatorProcess, sent: bytes, status: int
) -> None:
    answered, problem = exchange(running, sent)
    assert answered == status
    assert problem["status"] == status
    assert problem["detail"]


@pytest.mark.parametrize(
    "sent", [b"GET /v1/machines HTTP/1.1\r\n", b"POST /v1/sessions HTTP/1.1\r\nHost: 127"]
)
def test_whoever_says_nothing_or_never_finishes_is_not_waited_for(
    running: AllocatorProcess, sent: bytes
) -> None:
    status, problem = exchange(running, sent)
    assert (status, problem["status"]) == (408, 408)
    host, _, port = running.http.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as silent:
        assert silent.recv(100) == b""


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ((b"Authorization: Bearer \xff\xfe",), 401, "TOKEN_INVALID"),
        ((b"Authorization: Bearer " + b"a." * 3_000,), 401, "TOKEN_INVALID"),
        ((b"Authorization: Basic YTpi",), 401, "TOKEN_INVALID"),
        ((b"Authorization: Bearer eyJhbGciOiJub25lIn0.e30.",), 401, "TOKEN_INVALID"),
        ((b"X-Request-Timeout: soon",), 400, "REQUEST_INVALID"),
        ((b"X-Request-Timeout: -5",), 400, "REQUEST_INVALID"),
        ((b"X-Request-Timeout: nan",), 400, "REQUEST_INVALID"),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_hostile_headers_are_refused(
    running: AllocatorProcess, headers: tuple[bytes, ...], status: int, reason: str
) -> None:
    answered, problem = exchange(running, request_of("GET", b"/v1/users/me", "", None, *headers))
    assert (answered, problem["reason"]) == (status, reason)


def test_headers_that_only_advise_are_ignored_when_they_are_odd(running: AllocatorProcess) -> None:
    for header in (
        b"Traceparent: \xff\xff",
        b"Traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-00",
        b"X-Forwarded-For: \xff, ,,",
        b"Accept: \xff;q=z",
        b"Accept-Encoding: \xff",
        b"Cookie: \xff=;;;===",
        b"If-None-Match: \xff",
        b"Origin: \xff",
    ):
        status, _ = exchange(running, request_of("GET", b"/v1/machines", "", None, header))
        assert status == 200, header


def test_bodies_of_the_wrong_size_and_type_are_refused(
    running: AllocatorProcess, token: str
) -> None:
    large = b'{"machine": "' + b"x" * 2_000_000 + b'"}'
    assert exchange(running, request_of("POST", RENT, token, large))[0] == 413
    announced = request_of("POST", RENT, token, b"{}").replace(b": 2\r\n", b": 99999999999999\r\n")
    assert exchange(running, announced)[0] == 413
    chunks = request_of("POST", RENT, token, None, b"Content-Type: application/json")[:-2]
    chunks += b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + bytes(65536) + b"\r\n") * 40
    assert exchange(running, chunks)[0] == 413
    for header in (b"Content-Type: text/xml", b"Content-Type: \xff", b"Content-Type: ;;;"):
        assert exchange(running, request_of("POST", RENT, token, b"{}", header))[0] == 415
    packed = request_of("POST", RENT, token, b"\x1f\x8b\x08", b"Content-Encoding: gzip")
    assert exchange(running, packed)[0] in (400, 415)
    for verb in ("PUT", "PATCH", "DELETE", "TRACE"):
        assert exchange(running, request_of(verb, RENT, token))[0] == 405
    odd = request_of("POST", RENT, token, b'{"machine": "machines/ticker"}', b"Idempotency-Key: x")
    status, problem = exchange(running, odd)
    assert (status, problem["fields"][0]["field"]) == (400, "request_id")


# WebSocket


async def end_of(console: ClientConnection) -> tuple[int, str]:
    """How a console ends: the close code, and the reason of its `bye`."""
    reason = ""
    async with asyncio.timeout(20):
        try:
            while True:
                frame = json.loads(await console.recv())
                reason = frame["bye"]["reason"] if "bye" in frame else reason
        except ConnectionClosed:
            return console.close_code or 0, reason


@pytest.mark.parametrize(
    ("first", "code", "reason"),
    [
        (None, 1008, "FRAME_INVALID"),
        ("", 1008, "FRAME_INVALID"),
        ("{", 1008, "FRAME_INVALID"),
        ("[]", 1008, "REQUEST_INVALID"),
        ("null", 1008, "FRAME_INVALID"),
        ("{}", 1008, "REQUEST_INVALID"),
        ('{"resume": {"cursor": "0"}}', 1008, "FRAME_INVALID"),
        ('{"hostile": 1}', 1008, "FRAME_INVALID"),
        ('{"auth": 1}', 1008, "FRAME_INVALID"),
        ('{"auth": {"token": 5}}', 1008, "FRAME_INVALID"),
        ('{"auth": {}}', None, None),
        ('{"auth": {"token": "x"}}', 4401, "TOKEN_INVALID"),
        ('{"auth": {"token": "\\u0000"}}', 4401, "TOKEN_INVALID"),
        ('{"auth": ' * 5_000, 1008, "FRAME_INVALID"),
        (b'{"auth": {}}', 1008, "FRAME_INVALID"),
        (bytes(range(100)), 1008, "FRAME_INVALID"),
        ('{"auth": {"token": "' + "x" * 20_000 + '"}}', 1008, "FRAME_INVALID"),
        ("x" * 200_000, 1009, ""),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_wrong_first_frame_ends_a_console_with_a_reason(
    running: AllocatorProcess, watched: str, first: str | bytes | None, code: int, reason: str
) -> None:
    async with connect(
        f"ws://{running.http}/v1/{watched}/console", proxy=None, compression=None
    ) as console:
        if first is not None:
            await console.send(first)
        ended = await end_of(console)
    if code is None:
        assert ended[0] in (1008, 4401)
    else:
        assert ended == (code, reason)


@pytest.mark.parametrize(
    ("frames", "end"),
    [
        (["{"], (1008, "FRAME_INVALID")),
        ([b"\x00\x01"], (1008, "FRAME_INVALID")),
        (['{"resume": {"cursor": "99999999999999999999"}}'], (1008, "FRAME_INVALID")),
        (['{"resume": {"cursor": {}}}'], (1008, "FRAME_INVALID")),
        (['{"filter": {"hostile": true}}'], (1008, "FRAME_INVALID")),
        (['{"auth": {"token": "x"}}'], (4401, "TOKEN_INVALID")),
        (['{"resume": {"cursor": "0"}}'] * 500, (4429, "TOO_MANY_FRAMES")),
        (["x" * 200_000], (1009, "")),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_a_wrong_later_frame_ends_a_console_with_a_reason(
    running: AllocatorProcess, token: str, watched: str, frames: list, end: tuple[int, str]
) -> None:
    async with connect(
        f"ws://{running.http}/v1/{watched}/console", proxy=None, compression=None
    ) as console:
        await console.send(json.dumps({"auth": {"token": token}}))
        try:
            for frame in frames:
                await console.send(frame)
        except ConnectionClosed:
            pass
        ended = await end_of(console)
    assert ended == end


async def test_bad_bytes_on_a_socket_end_that_socket_alone(
    running: AllocatorProcess, token: str, watched: str
) -> None:
    upgrade = (
        f"GET /v1/{watched}/console HTTP/1.1\r\nHost: {running.http}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    async with connect(f"ws://{running.http}/v1/{watched}/console", proxy=None) as other:
        await other.send(json.dumps({"auth": {"token": token}}))
        host, _, port = running.http.rpartition(":")
        for rubbish in (
            b"\xff" * 100,  # reserved bits
            b"\x81\x05hello",  # not masked
            b"\x81\xff" + b"\xff" * 8 + bytes(8),  # 2^64 bytes are to come
            b"\x81\x82\x00\x00\x00\x00\xff\xfe",  # text that is not UTF-8
            b"\x89\xfe\x01\x00" + bytes(260),  # a ping that is too long
        ):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(upgrade)
            async with asyncio.timeout(10):
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
                writer.write(rubbish)
                while await reader.read(65536):
                    pass
            writer.close()
        seen = 0
        async with asyncio.timeout(20):
            while seen < 2:
                seen += "log" in json.loads(await other.recv())


async def test_a_socket_elsewhere_or_with_a_broken_handshake_is_refused(
    running: AllocatorProcess,
) -> None:
    for path in ("/v1/allocations/..%2f/console", "/v1/nothing", "/v1/allocations/%00/console"):
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {running.http}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: short\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(*running.http.split(":"))
        writer.write(head.encode())
        async with asyncio.timeout(10):
            status = int((await reader.readline()).split()[1])
        writer.close()
        assert 400 <= status < 500, path


# gRPC


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (b"\xff" * 50, (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)),
        (b"\x0a\xff\xff\xff\xff\x0f", (grpc.StatusCode.INVALID_ARGUMENT,)),
        (b"\x0a\x02\xff\xfe", (grpc.StatusCode.INVALID_ARGUMENT,)),
        (b"", (grpc.StatusCode.INVALID_ARGUMENT,)),
        (b"\x0a" + b"\x80" * 20, (grpc.StatusCode.INVALID_ARGUMENT,)),
        (
            bytes(3_000_000),
            (grpc.StatusCode.RESOURCE_EXHAUSTED,),
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_grpc_rubbish_is_refused(
    running: AllocatorProcess, token: str, sent: bytes, codes: tuple[grpc.StatusCode, ...]
) -> None:
    with grpc.insecure_channel(running.grpc) as channel:
        call = channel.unary_unary(
            "/allocator.allocations.v1.AllocationService/CreateAllocation",
            request_serializer=lambda raw: raw,
            response_deserializer=lambda raw: raw,
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(sent, metadata=(("authorization", f"Bearer {token}"),), timeout=10)
    assert refused.value.code() in codes, refused.value


def test_grpc_refusals_name_the_field_or_the_method(running: AllocatorProcess, token: str) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(running.grpc) as channel:
        stub = allocation_service_pb2_grpc.AllocationServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetAllocation(
                allocation_service_pb2.GetAllocationRequest(name="allocations/../x"),
                metadata=metadata,
                timeout=10,
            )
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "name" in str(refused.value.details())
        for method in (
            "/allocator.allocations.v1.AllocationService/Explode",
            "/nothing/Nothing",
            "/allocator.containers.v1.ContainerService/ListInstances",
            "/allocator.access.v1.TrustService/WatchTrust",
        ):
            call = channel.unary_unary(
                method,
                request_serializer=empty_pb2.Empty.SerializeToString,
                response_deserializer=empty_pb2.Empty.FromString,
            )
            with pytest.raises(grpc.RpcError) as refused:
                call(empty_pb2.Empty(), metadata=metadata, timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED, method


def test_bytes_that_are_no_grpc_end_that_connection_alone(running: AllocatorProcess) -> None:
    host, _, port = running.grpc.rpartition(":")
    for rubbish in (
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(1000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    ):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(rubbish)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
    with grpc.insecure_channel(running.grpc) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
