"""Filters."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.faults import Invalid
from chassis.listing import Condition, FilterField, parse_filter

FIELDS = {
    "state": FilterField.choice(["ACTIVE", "RETIRED"]),
    "title": FilterField.text(),
    "verified": FilterField.flag(),
    "stock": FilterField.number(),
    "create_time": FilterField.time(),
    "labels.*": FilterField.text("=", "!="),
}


def test_an_empty_filter_has_no_conditions() -> None:
    assert parse_filter("  ", FIELDS) == []


def test_conditions_stand_in_the_order_in_which_they_were_written() -> None:
    text = 'state = ACTIVE AND title : "re\\"d is" AND verified=true AND stock>=-3'
    assert parse_filter(text, FIELDS) == [
        Condition("state", "=", "ACTIVE"),
        Condition("title", ":", 're"d is'),
        Condition("verified", "=", True),
        Condition("stock", ">=", -3),
    ]


@pytest.mark.parametrize(
    "written",
    ['"2026-03-01T12:00:00.250Z"', "2026-03-01T12:00:00.250Z", "2026-03-01T13:00:00.250+01:00"],
)
def test_times_are_instants_quoted_or_not(written: str) -> None:
    expected = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    conditions = parse_filter(f"create_time > {written} AND state = ACTIVE", FIELDS)
    assert conditions[0] == Condition("create_time", ">", expected)
    assert conditions[1] == Condition("state", "=", "ACTIVE")


def test_keys_of_a_map_are_named_after_a_dot() -> None:
    assert parse_filter("labels.team = 'a b' AND labels.\"x.y/z\" != blue", FIELDS) == [
        Condition("labels.team", "=", "a b"),
        Condition("labels.x.y/z", "!=", "blue"),
    ]


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("colour = red", 1, "cannot be filtered by 'colour'"),
        ("state = PURPLE", 9, "ACTIVE, RETIRED"),
        ("state > ACTIVE", 7, "use = !="),
        ("state ACTIVE", 7, "operator is missing"),
        ("state =", 8, "value is missing"),
        ("state = ACTIVE AND", 19, "condition is missing"),
        ("state = ACTIVE and verified = true", 16, "capitals"),
        ("state = ACTIVE OR state = RETIRED", 16, "ask once for each"),
        ("(state = ACTIVE)", 1, "Brackets"),
        ("NOT state = ACTIVE", 1, "!="),
        ('title = "open', 9, "not closed"),
        ("verified = maybe", 12, "true or false"),
        ("stock = many", 9, "a number"),
        ("stock = 1e999", 9, "a number"),
        ("create_time > 2026-03-01T12:00:00", 15, "a time"),
        ("create_time > 2026-13-01", 15, "a time"),
        ("labels = x", 1, "cannot be filtered"),
        ("labels.* = x", 1, "not the name of a field"),
        ("= x", 1, "not the name"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(
    text: str, position: int, part: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse_filter(text, FIELDS)
    assert refused.value.reason == "FILTER_INVALID"
    assert refused.value.metadata["position"] == str(position)
    assert part in refused.value.message
    assert refused.value.fields[0].field == "filter"


def test_too_many_conditions_are_refused() -> None:
    with pytest.raises(Invalid, match="at most 50"):
        parse_filter(" AND ".join(["verified = true"] * 51), FIELDS)


@given(st.text(alphabet=st.sampled_from(list("state=AND \"'\\.:<>!()labels.x -0123TZé\n😀\0"))))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert all(condition.op for condition in parse_filter(text, FIELDS))
