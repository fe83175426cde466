"""Cookies, the keys of addresses, and the bound on password hashing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.sql.migrations import assert_schema_matches
from user_svc.adapters.password_hasher.argon2 import Argon2PasswordHasher
from user_svc.domain.contact import email_key
from user_svc.domain.faults import OriginForeign, Overloaded
from user_svc.schema.tables import METADATA
from user_svc.transport.cookies import RefreshCookies


async def test_hashing_is_bounded_and_goes_on_when_a_caller_goes() -> None:
    hasher = Argon2PasswordHasher(memory_kib=8192, passes=2, threads=1, waiting=2)
    outcomes = await asyncio.gather(
        *(hasher.hash("a password") for _ in range(6)), return_exceptions=True
    )
    assert sum(isinstance(one, Overloaded) for one in outcomes) == 3
    made = next(one for one in outcomes if isinstance(one, str))
    assert made.startswith("$argon2id$")
    gone = asyncio.create_task(hasher.fits(made, "a password"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert await hasher.fits(made, "a password")
    assert not await hasher.fits(made, "another")
    assert not await hasher.fits("", "a password")
    assert not await hasher.fits("not a hash", "a password")
    hasher.close()


@given(st.text(max_size=60))
def test_the_key_of_an_address_is_the_same_for_both_cases(text: str) -> None:
    assert email_key(email_key(text)) == email_key(text)
    ascii_part = text.encode("ascii", "ignore").decode()
    assert email_key(ascii_part.upper()) == email_key(ascii_part.lower())


HERE = {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:8080"}


def test_a_cookie_is_kept_from_scripts_and_other_sites_and_paths() -> None:
    cookies = RefreshCookies(frozenset(), always_secure=False)
    name, value = cookies.set_header(HERE, "abc.def.ghi", timedelta(days=1))
    assert name == "set-cookie"
    assert value == (
        "allocator_refresh=abc.def.ghi; Path=/v1/sessions:refresh; Max-Age=86400; HttpOnly; "
        "SameSite=Strict"
    )
    by_https = {**HERE, "origin": "https://console.example.org"}
    assert cookies.set_header(by_https, "x", timedelta(days=1))[1].endswith("; Secure")
    always = RefreshCookies(frozenset(), always_secure=True)
    assert always.clear_header(HERE)[1].endswith("Max-Age=0; HttpOnly; SameSite=Strict; Secure")


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("allocator_refresh=abc.def", "abc.def"),
        ("a=b; allocator_refresh=abc.def; c=d", "abc.def"),
        ("", ""),
        ("other=1", ""),
        ("=;;;,\x00", ""),
    ],
)
def test_a_cookie_is_read_from_whatever_comes(header: str, token: str) -> None:
    cookies = RefreshCookies(frozenset(), always_secure=False)
    assert cookies.token_in({"cookie": header}) == token


@pytest.mark.parametrize(
    "metadata",
    [
        {"host": "127.0.0.1:8080", "origin": "http://evil.example"},
        {"host": "127.0.0.1:8080", "origin": "http://127.0.0.1:9090"},
        {"host": "127.0.0.1:8080", "origin": "null"},
        {"host": "", "origin": ""},
        {"origin": "http://"},
    ],
)
def test_pages_of_other_sites_do_not_use_the_cookie(metadata: dict[str, str]) -> None:
    cookies = RefreshCookies(frozenset({"https://console.example.org"}), always_secure=False)
    with pytest.raises(OriginForeign):
        cookies.check_origin(metadata, needed=True)


def test_our_own_pages_use_the_cookie() -> None:
    cookies = RefreshCookies(frozenset({"https://console.example.org"}), always_secure=False)
    cookies.check_origin(HERE, needed=True)
    cookies.check_origin({**HERE, "origin": "https://console.example.org"}, needed=True)
    cookies.check_origin({"host": "127.0.0.1:8080"}, needed=False)


def test_the_migrations_make_the_tables() -> None:
    assert_schema_matches(METADATA, "user_svc.schema")
