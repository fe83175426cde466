"""Pages, orders, etags, masks and request ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.faults import Conflict, Invalid
from chassis.listing import (
    Once,
    chosen_fields,
    etag_of,
    next_token,
    page_of,
    parse_order,
    version_of,
)

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(("asked", "given_size"), [(0, 50), (1, 1), (1000, 1000), (5000, 1000)])
def test_sizes_have_a_default_and_a_ceiling(asked: int, given_size: int) -> None:
    assert page_of(asked, "").size == given_size
    assert page_of(asked, "").after is None


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        page_of(-1, "")
    assert refused.value.fields[0].field == "page_size"


def test_a_token_brings_the_key_back() -> None:
    key = ("Grün 😀", 7, 1.5, True, None, NOON)
    token = next_token(key, "users/a", "state = ACTIVE", NOON)
    assert page_of(10, token, "users/a", "state = ACTIVE", NOON).after == key
    assert token.isascii()


def test_a_token_belongs_to_its_arguments() -> None:
    token = next_token(("a",), "users/a", "")
    for arguments in [("users/b", ""), ("users/a",), ("users/a", "", ""), ()]:
        with pytest.raises(Invalid) as refused:
            page_of(10, token, *arguments)
        assert refused.value.reason == "PAGE_TOKEN_INVALID"


def test_a_key_of_other_types_than_the_store_bears_is_refused() -> None:
    token = next_token(("a", 1))
    assert page_of(10, token, key=(str, int)).after == ("a", 1)
    with pytest.raises(Invalid):
        page_of(10, token, key=(str, datetime))
    with pytest.raises(Invalid):
        page_of(10, token, key=(str,))


@given(st.text(max_size=60))
def test_a_text_that_is_no_token_is_refused(text: str) -> None:
    if text:
        with pytest.raises(Invalid):
            page_of(10, text)


@given(st.lists(st.none() | st.booleans() | st.integers() | st.text(), max_size=4))
def test_every_plain_key_survives(key: list[Any]) -> None:
    assert page_of(1, next_token(key)).after == tuple(key)


def test_orders_are_read() -> None:
    assert parse_order("title desc, create_time", ["title", "create_time"], "title") == [
        ("title", True),
        ("create_time", False),
    ]
    assert parse_order("", ["title"], "title") == [("title", False)]
    assert parse_order(" ", ["title"], [("name", True)]) == [("name", True)]


@pytest.mark.parametrize(
    "text", ["colour", "title,", "title down", "title desc desc", "title,title"]
)
def test_orders_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_order(text, ["title"], "title")
    assert refused.value.reason == "ORDER_INVALID"


@given(st.integers(min_value=0, max_value=2**62))
def test_an_etag_stands_for_its_version(version: int) -> None:
    assert version_of(etag_of(version)) == version
    assert version_of(f'"{etag_of(version)}"') == version
    assert etag_of(version).isalnum()


def test_no_etag_fits_every_version() -> None:
    assert version_of("") is None
    assert version_of("*") is None


@pytest.mark.parametrize("etag", ["x", "zzzz", "é", '"', "0" * 100, etag_of(7) + "0", "AB CD"])
def test_an_etag_that_is_not_ours_is_stale(etag: str) -> None:
    with pytest.raises(Conflict) as stale:
        version_of(etag)
    assert stale.value.reason == "ETAG_STALE"


def test_masks_choose_fields() -> None:
    updatable = {"title", "labels"}
    assert chosen_fields([], ["title", "uid"], updatable) == {"title"}
    assert chosen_fields(["labels"], ["title"], updatable) == {"labels"}
    assert chosen_fields(["*"], [], updatable) == updatable
    with pytest.raises(Invalid) as refused:
        chosen_fields(["title", "uid"], [], updatable)
    assert refused.value.reason == "FIELD_NOT_UPDATABLE"
    assert "'uid'" in refused.value.message


def test_the_same_request_has_the_same_fingerprint() -> None:
    one = Once.of("users/a", "Create", "AB-1", {"b": 1, "a": [2]}, b"x", None)
    two = Once.of("users/a", "Create", "ab-1", {"a": [2], "b": 1}, b"x", None)
    assert one == two
    assert one != Once.of("users/a", "Create", "ab-1", {"a": [2], "b": 1}, b"x")
    assert Once.of("users/a", "Create", "", 1) is None
