"""Path templates and the tree of routes."""

from __future__ import annotations

import pytest

from chassis.rest.router import PathMalformed, Router
from chassis.rest.templates import Variable, parse_template
from chassis.rpc.contract import ContractBroken


def test_a_template_is_its_segments_variables_and_verb() -> None:
    template = parse_template("/v1/{user.name=users/*}/keys/{id}:rotate")
    assert template.segments == ("v1", "users", "*", "keys", "*")
    assert template.verb == "rotate"
    assert template.variables == (
        Variable("user.name", 1, 3, is_deep=True),
        Variable("id", 4, 5, is_deep=False),
    )


@pytest.mark.parametrize(
    "text",
    [
        "v1/users",
        "/v1/{name",
        "/v1/{name=users/*",
        "/v1/{Name}",
        "/v1/{name}/{name}",
        "/v1/**/users",
        "/v1/{name=**}/users",
        "/v1/a b",
        "/v1//users",
        "/v1/users:",
    ],
)
def test_a_template_that_breaks_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(ContractBroken):
        parse_template(text)


def router_of(*routes: str) -> Router[str]:
    router: Router[str] = Router()
    for route in routes:
        verb, path = route.split(" ")
        router.add(verb, parse_template(path), route)
    return router


def target_of(router: Router[str], verb: str, path: str) -> str | None:
    found = router.find(verb, path)
    return None if found is None else found.target


def test_a_literal_wins_over_a_wildcard_and_a_wildcard_over_the_rest() -> None:
    router = router_of("GET /v1/a", "GET /v1/{x}", "GET /v1/{x=**}", "GET /v1/a/b/c")
    assert target_of(router, "GET", "/v1/a") == "GET /v1/a"
    assert target_of(router, "GET", "/v1/z") == "GET /v1/{x}"
    assert target_of(router, "GET", "/v1/z/y") == "GET /v1/{x=**}"
    # The literal leads to a dead end, and the search comes back.
    assert target_of(router, "GET", "/v1/a/b/x") == "GET /v1/{x=**}"


def test_a_verb_is_told_from_a_colon_in_a_name() -> None:
    router = router_of("POST /v1/{x=a/*}:start", "GET /v1/{x=a/*}")
    started = router.find("POST", "/v1/a/1:start")
    assert started is not None
    assert started.values == {"x": "a/1"}
    read = router.find("GET", "/v1/a/1:other")
    assert read is not None
    assert read.values == {"x": "a/1:other"}
    encoded = router.find("GET", "/v1/a/1%3Astart")
    assert encoded is not None
    assert encoded.values == {"x": "a/1:start"}


def test_a_known_path_with_another_http_method_names_those_that_it_has() -> None:
    found = router_of("GET /v1/{x=a/*}", "DELETE /v1/{x=a/*}").find("PUT", "/v1/a/1")
    assert found is not None
    assert found.target is None
    assert list(found.allowed) == ["DELETE", "GET"]


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/a", "/v1/a/", "/v1/a/1/", "v1/a/1", "*"])
def test_an_unknown_path_is_nothing(path: str) -> None:
    assert router_of("GET /v1/{x=a/*}").find("GET", path) is None


@pytest.mark.parametrize("value", ["%", "%2", "%zz", "%ff", "a%C3", "%2F%"])
def test_a_value_that_is_not_percent_encoded_utf_8_is_refused_by_name(value: str) -> None:
    with pytest.raises(PathMalformed, match=r"^x$"):
        router_of("GET /v1/{x=a/*}").find("GET", f"/v1/a/{value}")


def test_a_slash_stays_encoded_only_where_a_value_has_several_segments() -> None:
    router = router_of("GET /v1/{x=a/*}", "GET /v2/{x}")
    deep, flat = router.find("GET", "/v1/a/b%2Fc%25"), router.find("GET", "/v2/b%2Fc%25")
    assert deep is not None
    assert flat is not None
    assert (deep.values["x"], flat.values["x"]) == ("a/b%2Fc%", "b/c%")


def test_two_rules_for_the_same_path_are_refused() -> None:
    router = router_of("GET /v1/{x=a/*}")
    with pytest.raises(ContractBroken):
        router.add("GET", parse_template("/v1/{y=a/*}"), "other")
