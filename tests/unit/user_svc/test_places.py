"""Devices in plain words, and log-ins from places where a person was not before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allocator.users.v1 import session_facts_pb2
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from user_svc.domain.device import UNKNOWN, device_of, network_of
from user_svc.schema.tables import OUTBOX

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (f"{CHROME} Edg/140.0.0.0", "Edge on Windows"),
        (f"{CHROME} OPR/120.0", "Opera on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1",
            "Chrome on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("Mozilla/5.0 (compatible)", UNKNOWN),
        ("allocctl grpc-python/1.85.0 grpc-c/50.0.0 (linux; chttp2)", "allocctl"),
        ("grpc-python-asyncio/1.85.0 grpc-c/50.0.0 (linux; chttp2)", "grpc-python-asyncio"),
        ("curl/8.9.1", "curl"),
        ("python-httpx2/1.0", "python-httpx2"),
        ("", UNKNOWN),
        ("<script>", UNKNOWN),
    ],
)
def test_a_device_in_plain_words(agent: str, device: str) -> None:
    assert device_of(agent) == device


@given(st.text(max_size=200))
def test_whatever_a_program_says_of_itself_there_are_words_for_it(agent: str) -> None:
    device = device_of(agent)
    assert 0 < len(device) <= 40
    assert device.isprintable()


@given(st.text(max_size=100) | st.ip_addresses().map(str))
def test_every_address_is_somewhere(address: str) -> None:
    assert network_of(address) == network_of(address)


def test_hosts_of_one_network_are_in_one_place() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"


async def told(world) -> list[tuple[str, str]]:
    """Device and address of each log-in from a new place that others are told of."""
    found = []
    statement = select(OUTBOX).order_by(OUTBOX.c.id)
    records = await world.database.read(lambda connection: connection.execute(statement).all())
    for record in records:
        if record.headers["ce-type"].endswith("UserLoggedInFromNewPlace"):
            fact = session_facts_pb2.UserLoggedInFromNewPlace.FromString(record.value)
            assert record.key == fact.user
            assert fact.session.startswith("sessions/")
            assert record.topic == "allocator.users.facts.v1"
            found.append((fact.user_agent, fact.address))
    return found


async def test_others_are_told_of_a_new_device_and_of_a_new_network_but_not_of_the_first(
    world,
) -> None:
    await world.person()

    async def log_in(address: str, agent: str) -> None:
        await world.log_in.open("ada@example.org", "a fine long password", address, agent)

    await log_in("192.0.2.1", FIREFOX)
    await log_in("192.0.2.1", FIREFOX.replace("143", "144"))
    assert await told(world) == []
    await log_in("192.0.2.1", CHROME)
    await log_in("198.51.100.7", FIREFOX)
    await log_in("198.51.100.7", CHROME)
    assert await told(world) == [
        ("Chrome on Windows", "192.0.2.1"),
        ("Firefox on Linux", "198.51.100.7"),
    ]


async def test_a_place_of_somebody_else_is_new(world) -> None:
    await world.person()
    await world.person("grace@example.org")
    for email, address in (
        ("ada@example.org", "192.0.2.1"),
        ("grace@example.org", "192.0.2.9"),
        ("grace@example.org", "192.0.2.1"),
    ):
        await world.log_in.open(email, "a fine long password", address, "curl/8")
    assert await told(world) == [("curl", "192.0.2.1")]


async def test_a_place_that_was_forgotten_is_new_again(world) -> None:
    await world.person()

    async def log_in(address: str) -> None:
        await world.log_in.open("ada@example.org", "a fine long password", address, "curl/8")

    await log_in("192.0.2.1")
    world.clock.advance(200 * 86400)
    await log_in("192.0.2.2")
    world.clock.advance(200 * 86400)
    assert await world.sessions.sweep_places(world.clock.now() - timedelta(days=365)) == 1
    await log_in("192.0.2.2")
    assert len(await told(world)) == 1
    await log_in("192.0.2.1")
    assert [address for _, address in await told(world)] == ["192.0.2.2", "192.0.2.1"]


async def test_a_session_shows_where_it_was_last_used(world, as_caller) -> None:
    await world.person()
    pair = await world.log_in.open("ada@example.org", "a fine long password", "192.0.2.1", "curl/8")
    world.clock.advance(60)
    await world.log_in.refresh(pair.refresh_token, "198.51.100.7", FIREFOX)
    [found] = await world.log_in.list_open(as_caller(pair), None, 10)
    assert (found.device, found.address) == ("Firefox on Linux", "198.51.100.7")
    assert found.refresh_time == world.clock.now()
