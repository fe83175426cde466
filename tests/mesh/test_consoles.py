"""Consoles, as their clients see them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from allocator_process import AllocatorProcess
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from allocctl.sequence import SequenceChecker

pytestmark = pytest.mark.xdist_group("consoles")


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(
        tmp_path_factory.mktemp("consoles") / "data",
        ALLOCATOR_INTERACT_CONSOLES_PER_PERSON="3",
        ALLOCATOR_INTERACT_CONSOLES_PER_ALLOCATION="4",
        ALLOCATOR_INTERACT_HEARTBEAT_SECONDS="1",
        ALLOCATOR_INTERACT_SLOW_READER_LINES="2000",
        ALLOCATOR_INTERACT_BUFFER_BYTES="65536",
        ALLOCATOR_USER_ACCESS_TOKEN_SECONDS="62",
    )
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ticker(running: AllocatorProcess) -> str:
    token = running.person("console@example.org")
    name = str(running.rent(token, "ticker", INTERVAL="0.1")["name"])
    running.wait(token, name, "READY")
    return name


@pytest.fixture
def token(running: AllocatorProcess, ticker: str) -> str:
    return running.log_in("console@example.org")


@asynccontextmanager
async def console(
    running: AllocatorProcess, name: str, token: str, cursor: int | None = 0
) -> AsyncIterator[ClientConnection]:
    async with running.connect(f"/v1/{name}/console", max_size=None) as opened:
        await opened.send(json.dumps({"auth": {"token": token}}))
        if cursor is not None:
            await opened.send(json.dumps({"resume": {"cursor": str(cursor)}}))
        yield opened


async def frame_of(opened: ClientConnection, kind: str, within: float = 20.0) -> dict[str, Any]:
    async with asyncio.timeout(within):
        while True:
            frame = json.loads(await opened.recv())
            if kind in frame:
                return dict(frame[kind])


async def test_hello_comes_first_and_says_the_limits(running, token, ticker) -> None:
    async with console(running, ticker, token) as opened:
        hello = json.loads(await opened.recv())["hello"]
        assert hello["allocation"] == ticker
        assert hello["heartbeat"] == "1s"
        state = await frame_of(opened, "state")
        assert state["allocation"]["state"] == "READY"


async def test_a_process_that_runs_is_measured(running, token, ticker) -> None:
    async with console(running, ticker, token) as opened:
        stats = await frame_of(opened, "stats")
        assert int(stats["memoryBytes"]) > 1_000_000


async def test_only_wanted_lines_come_through_a_filter(running, token, ticker) -> None:
    async with console(running, ticker, token, cursor=None) as opened:
        await opened.send(json.dumps({"filter": {"stream": "STDERR", "contains": "WARNING"}}))
        await opened.send(json.dumps({"resume": {"cursor": "0"}}))
        texts: list[str] = []
        async with asyncio.timeout(30):
            while len(texts) < 2:
                frame = json.loads(await opened.recv())
                if "log" in frame:
                    texts += frame["log"].get("texts", [])
                    assert len(frame["log"].get("seqs", [])) == len(frame["log"].get("texts", []))
        assert all("warning" in text for text in texts)


async def test_the_log_can_be_read_from_another_place_at_any_time(running, token, ticker) -> None:
    async with console(running, ticker, token, cursor=0) as opened:
        assert (await frame_of(opened, "log"))["firstSeq"] == "1"
        await opened.send(json.dumps({"resume": {"cursor": "3"}}))
        async with asyncio.timeout(20):
            while (await frame_of(opened, "log"))["firstSeq"] != "3":
                pass


async def test_one_person_has_so_many_consoles_and_no_more(running, token, ticker) -> None:
    opened = [running.connect(f"/v1/{ticker}/console") for _ in range(3)]
    for one in opened:
        made = await one.__aenter__()
        await made.send(json.dumps({"auth": {"token": token}}))
        await frame_of(made, "hello")
    async with console(running, ticker, token) as refused:
        assert (await frame_of(refused, "bye"))["reason"] == "TOO_MANY_CONSOLES"
    for one in opened:
        await one.__aexit__(None, None, None)
    async with asyncio.timeout(10):
        while True:
            async with console(running, ticker, token) as again:
                if "hello" in json.loads(await again.recv()):
                    break


async def test_a_session_that_is_logged_out_ends_its_consoles_at_once(
    running, token, ticker
) -> None:
    async with console(running, ticker, token) as opened:
        await frame_of(opened, "hello")
        sessions = running.call("GET", "/v1/sessions", token).json()["sessions"]
        current = next(one["name"] for one in sessions if one["current"])
        assert running.call("DELETE", f"/v1/{current}", token).status_code == 200
        began = time.monotonic()
        assert (await frame_of(opened, "bye"))["reason"] == "TOKEN_REVOKED"
        assert time.monotonic() - began < 3


async def test_a_token_that_ends_soon_is_said_and_can_be_renewed(running, token, ticker) -> None:
    async with console(running, ticker, token) as opened:
        assert "expireTime" in await frame_of(opened, "authExpiring")
        renewed = running.log_in("console@example.org")
        await opened.send(json.dumps({"auth": {"token": renewed}}))
        assert "expireTime" in await frame_of(opened, "authExpiring")


async def test_another_person_cannot_take_a_console_over(running, token, ticker) -> None:
    stranger = running.person("taker@example.org")
    async with console(running, ticker, token) as opened:
        await frame_of(opened, "hello")
        await opened.send(json.dumps({"auth": {"token": stranger}}))
        assert (await frame_of(opened, "bye"))["reason"] == "FRAME_INVALID"
        with pytest.raises(ConnectionClosed):
            while True:
                await opened.recv()


async def test_the_other_address_takes_the_allocation_from_auth(running, token, ticker) -> None:
    async with running.connect("/interact/") as opened:
        await opened.send(json.dumps({"auth": {"token": token, "allocation": ticker}}))
        assert (await frame_of(opened, "hello"))["allocation"] == ticker


async def test_a_reader_far_behind_is_told_what_it_does_not_get(running, token) -> None:
    name = running.rent(token, "chatty", LINES="6000")["name"]
    running.wait(token, name, "READY", "FAILED")
    until = time.monotonic() + 30
    while running.call("GET", f"/v1/{name}/lines?cursor=-1", token).json()["lastCursor"] != "6002":
        assert time.monotonic() < until
    checker = SequenceChecker(1)
    # The first console makes the upstream, which begins at the end: to be behind, lines must come.
    async with console(running, name, token, cursor=0) as opened:
        async with asyncio.timeout(30):
            while checker.next <= 6002:
                frame = json.loads(await opened.recv())
                if "log" in frame:
                    first = int(frame["log"]["firstSeq"])
                    checker.feed(first, first + len(frame["log"]["texts"]) - 1)
                elif "gap" in frame:
                    gap = frame["gap"]
                    checker.feed(int(gap["firstSeq"]), int(gap["lastSeq"]), gap["cause"])
    assert checker.gaps == {"SLOW_READER": 1}
    running.call("DELETE", f"/v1/{name}", token)


async def test_silence_is_broken_by_signs_of_life(running, token) -> None:
    name = running.rent(token, "ticker", INTERVAL="60")["name"]
    running.wait(token, name, "READY")
    running.call("POST", f"/v1/{name}:stop", token, json={})
    running.wait(token, name, "STOPPED")
    async with console(running, name, token) as opened, asyncio.timeout(20):
        while json.loads(await opened.recv()) != {}:
            pass
    running.call("DELETE", f"/v1/{name}", token)


async def test_every_watcher_of_one_allocation_sees_the_same_lines(running, token, ticker) -> None:

    async def first_lines(cursor: int) -> list[str]:
        async with console(running, ticker, token, cursor=cursor) as opened:
            seen: list[str] = []
            while len(seen) < 20:
                seen += (await frame_of(opened, "log"))["texts"]
            return seen[:20]

    one, two = await asyncio.gather(first_lines(1), first_lines(1))
    assert one == two
