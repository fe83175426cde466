"""Server streams over HTTP, through a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.api import httpbody_pb2

from chassis.faults import Forbidden, Unavailable
from tests.unit.chassis_rest.oddities import Odd, OddServicer, fetch, listening, odd_app

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def opened(
    servicer: OddServicer, socket: Path, accept: str = "*/*", **options: Any
) -> AsyncIterator[Pair]:
    """A client that has asked for the stream of odds."""
    async with listening(odd_app(servicer, **options), socket), asyncio.timeout(20):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        request = f"GET /v1/odds:watch HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n"
        writer.write(request.encode())
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.fixture
def socket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "s"


async def test_messages_are_events_and_the_end_is_one(servicer: OddServicer, socket: Path) -> None:
    servicer.stream = [Odd(title="one"), Odd(title="line\nfeed").SerializeToString()]
    async with listening(odd_app(servicer), socket):
        answer = await fetch(socket, "GET", "/v1/odds:watch")
    assert answer.header("content-type").startswith("text/event-stream")
    assert answer.header("cache-control") == "no-store"
    first, second, end, rest = answer.body.split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["title"] == "one"
    assert json.loads(second.removeprefix(b"data: "))["title"] == "line\nfeed"
    assert (end, rest) == (b"event: end\ndata: {}", b"")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream, application/x-ndjson;q=0.5", "text/event-stream"),
        ("application/json", "text/event-stream"),
        ("application/x-ndjson;q=0", "text/event-stream"),
    ],
)
async def test_the_client_chooses_between_events_and_lines(
    servicer: OddServicer, socket: Path, accept: str, media_type: str
) -> None:
    async with listening(odd_app(servicer), socket):
        answer = await fetch(socket, "GET", "/v1/odds:watch", headers={"accept": accept})
    assert answer.header("content-type").startswith(media_type)


async def test_a_fault_before_the_first_message_has_a_status_of_its_own(
    servicer: OddServicer, socket: Path
) -> None:
    servicer.stream = [Forbidden("Not yours.")]
    async with listening(odd_app(servicer), socket):
        answer = await fetch(socket, "GET", "/v1/odds:watch")
    assert answer.status == 403
    assert json.loads(answer.body)["reason"] == "CALLER_NOT_ALLOWED"


async def test_a_fault_in_the_middle_is_the_last_event_or_line(
    servicer: OddServicer, socket: Path
) -> None:
    servicer.stream = [
        Odd(title="one"),
        Unavailable("Stopping.", reason="SERVICE_STOPPING", retry_after=1.0),
    ]
    async with listening(odd_app(servicer), socket):
        events = await fetch(socket, "GET", "/v1/odds:watch")
        lines = await fetch(
            socket, "GET", "/v1/odds:watch", headers={"accept": "application/x-ndjson"}
        )
    last = events.body.rstrip().rpartition(b"\n\n")[2]
    assert last.startswith(b"event: error\ndata: ")
    problem = json.loads(last.partition(b"data: ")[2])
    assert (problem["reason"], problem["retryAfter"]) == ("SERVICE_STOPPING", 1.0)
    assert json.loads(lines.body.splitlines()[-1])["error"] == problem


async def test_a_bug_in_the_middle_is_masked(servicer: OddServicer, socket: Path) -> None:
    servicer.stream = [Odd(title="one"), RuntimeError("secret")]
    async with listening(odd_app(servicer), socket):
        answer = await fetch(socket, "GET", "/v1/odds:watch")
    assert b"secret" not in answer.body
    assert b"INTERNAL_ERROR" in answer.body


async def test_a_message_that_cannot_be_written_ends_the_stream_with_a_problem(
    servicer: OddServicer, socket: Path
) -> None:
    broken = Odd()
    broken.time.seconds = 10**12
    servicer.stream = [Odd(title="one"), broken]
    async with listening(odd_app(servicer), socket):
        answer = await fetch(socket, "GET", "/v1/odds:watch")
    assert b"INTERNAL_ERROR" in answer.body


async def test_a_silent_stream_shows_signs_of_life(servicer: OddServicer, socket: Path) -> None:
    servicer.stream = [Odd(title="one"), asyncio.Event()]
    async with opened(servicer, socket, heartbeat=0.05) as (reader, _):
        await reader.readuntil(b"data: ")
        for _ in range(3):
            await reader.readuntil(b":\n\n")


async def test_a_stream_that_says_nothing_yet_is_open_soon(
    servicer: OddServicer, socket: Path
) -> None:
    servicer.stream = [asyncio.Event()]
    async with opened(servicer, socket) as (reader, _):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_a_client_that_goes_ends_the_stream(servicer: OddServicer, socket: Path) -> None:
    servicer.stream = [Odd(title="one"), asyncio.Event()]
    async with opened(servicer, socket) as (reader, writer):
        await reader.readuntil(b"data: ")
        assert not servicer.closed.is_set()
        writer.close()
        await servicer.closed.wait()


async def test_a_slow_client_slows_its_own_stream(servicer: OddServicer, socket: Path) -> None:
    servicer.stream = [Odd(title="x" * 10_000)] * 2_000
    async with opened(servicer, socket) as (reader, _):
        await reader.readuntil(b"data: ")
        # The stream has stopped when the other end has let the loop go round without one more.
        before = -1
        while servicer.sent != before:
            before = servicer.sent
            for _ in range(100):
                await asyncio.sleep(0)
        assert servicer.sent < 2_000
        while not (await reader.readuntil(b"\n\n")).endswith(b"event: end\ndata: {}\n\n"):
            pass
        assert servicer.sent == 2_000


async def test_raw_bytes_come_as_they_are(servicer: OddServicer, socket: Path) -> None:
    servicer.answer = httpbody_pb2.HttpBody(content_type="application/pdf", data=b"%PDF\xff")
    servicer.stream = [
        httpbody_pb2.HttpBody(content_type="text/csv", data=b"a,"),
        httpbody_pb2.HttpBody(data=b"b\n"),
    ]
    servicer.response_headers = [("content-disposition", 'attachment; filename="a.csv"')]
    async with listening(odd_app(servicer), socket):
        whole = await fetch(socket, "GET", "/v1/odds/1:download")
        parts = await fetch(socket, "GET", "/v1/odds/1:downloadParts")
    assert (whole.header("content-type"), whole.body) == ("application/pdf", b"%PDF\xff")
    assert (parts.header("content-type"), parts.body) == ("text/csv", b"a,b\n")
    assert parts.header("content-disposition").startswith("attachment")
    assert parts.header("x-content-type-options") == "nosniff"


async def test_raw_bytes_that_fail_in_the_middle_are_cut_off(
    servicer: OddServicer, socket: Path
) -> None:
    servicer.stream = [httpbody_pb2.HttpBody(data=b"half"), Unavailable("Gone.")]
    async with listening(odd_app(servicer), socket), asyncio.timeout(10):
        reader, writer = await asyncio.open_unix_connection(str(socket))
        writer.write(b"GET /v1/odds/1:downloadParts HTTP/1.1\r\nhost: x\r\n\r\n")
        everything = await reader.read()
        writer.close()
    assert b"half" in everything
    # The chunk that would say that this was all has not come.
    assert not everything.endswith(b"0\r\n\r\n")
