"""From HTTP to the method: headers, bodies, queries, refusals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from allocator.machines.v1 import machine_service_pb2  # noqa: F401  # registers the service
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from chassis.faults import (
    Conflict,
    Exhausted,
    FieldViolation,
    Invalid,
    Kind,
    Unauthenticated,
    kinds,
)
from chassis.rest.problem import STATUSES
from tests.unit.chassis_rest.oddities import Odd, OddServicer, odd_app

Open = Callable[..., httpx2.AsyncClient]
JSON = {"content-type": "application/json"}


async def test_an_idempotency_key_is_the_request_id(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    for key in ("abc", '"abc"'):
        answer = await client.post("/v1/odds", json={}, headers={"idempotency-key": key})
        assert answer.status_code == 200
    assert [request.request_id for _, request in servicer.got] == ["abc", "abc"]  # type: ignore[attr-defined]


async def test_an_idempotency_key_that_contradicts_the_request_id_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    for key in ("y", "", '""'):
        answer = await client.post(
            "/v1/odds?requestId=x", json={}, headers={"idempotency-key": key}
        )
        assert answer.status_code == 400
        assert answer.json()["fields"][0]["field"] == "request_id"


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("DELETE /v1/odds/1", lambda request: request.etag),
        ("POST /v1/odds/1:start", lambda request: request.etag),
        ("PATCH /v1/odds/1", lambda request: request.odd.etag),
    ],
)
@pytest.mark.parametrize("condition", ['"e1"', 'W/"e1"'])
async def test_if_match_is_the_etag(
    client: httpx2.AsyncClient,
    servicer: OddServicer,
    line: str,
    read: Callable[[Any], str],
    condition: str,
) -> None:
    answer = await client.request(*line.split(" "), headers={"if-match": condition})
    assert answer.status_code == 200
    assert read(servicer.got[0][1]) == "e1"


async def test_a_stale_if_match_is_a_failed_precondition_and_a_stale_etag_a_conflict(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Conflict("It was changed since it was read; read it again.", etag="e2")
    by_header = await client.delete("/v1/odds/1", headers={"if-match": '"e1"'})
    by_query = await client.delete("/v1/odds/1?etag=e1")
    assert (by_header.status_code, by_query.status_code) == (412, 409)
    assert by_header.json()["reason"] == by_query.json()["reason"] == "ETAG_STALE"
    assert by_header.json()["metadata"] == {"etag": "e2"}


@pytest.mark.parametrize("condition", ["e1", '"a", "b"', '"', '""', ""])
async def test_an_if_match_that_is_no_etag_is_refused(
    client: httpx2.AsyncClient, condition: str
) -> None:
    answer = await client.delete("/v1/odds/1", headers={"if-match": condition})
    assert answer.status_code == 400


async def test_if_match_where_there_is_no_etag_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/odds", json={}, headers={"if-match": '"e1"'})
    assert answer.status_code == 400
    anything = await client.post("/v1/odds", json={}, headers={"if-match": "*"})
    assert anything.status_code == 200


async def test_an_if_match_that_contradicts_the_body_is_a_failed_precondition(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    answer = await client.patch("/v1/odds/1", json={"etag": "e2"}, headers={"if-match": '"e1"'})
    assert (answer.status_code, answer.json()["reason"]) == (412, "ETAG_STALE")
    assert servicer.got == []


async def test_an_etag_comes_back_as_a_header_and_saves_the_next_answer(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Odd(etag="e1")
    first = await client.get("/v1/odds/1")
    assert first.headers["etag"] == '"e1"'
    again = await client.get("/v1/odds/1", headers={"if-none-match": 'W/"e0", "e1"'})
    assert (again.status_code, again.content) == (304, b"")
    changed = await client.get("/v1/odds/1", headers={"if-none-match": '"e0"'})
    assert changed.status_code == 200


async def test_an_answer_that_is_already_serialised_is_the_same_answer(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    for odd in (Odd(name="odds/1", etag="e1"), Odd(name="odds/1", etag="e2", title="x" * 20_000)):
        servicer.answer = odd
        as_message = await client.get("/v1/odds/1")
        servicer.answer = odd.SerializeToString()
        for _ in range(2):
            as_bytes = await client.get("/v1/odds/1")
            assert as_bytes.content == as_message.content
            assert as_bytes.headers == as_message.headers


async def test_an_update_without_a_mask_changes_what_the_body_names(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    body = {"name": "odds/9", "etag": "e", "madeBy": "x", "maybeText": "", "labels": {}, "small": 0}
    await client.patch("/v1/odds/1", json=body)
    request: Any = servicer.got[0][1]
    assert list(request.update_mask.paths) == ["maybe_text", "labels", "small"]
    assert request.odd.name == "odds/1"


async def test_an_update_with_a_mask_keeps_it(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    await client.patch("/v1/odds/1?updateMask=maybeText", json={"title": "x"})
    request: Any = servicer.got[0][1]
    assert list(request.update_mask.paths) == ["maybe_text"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("nope=1", "nope"),
        ("inner=1", "inner"),
        ("inner.nope=1", "inner.nope"),
        ("name=odds/2", "name"),
        ("small=x", "small"),
        ("small=", "small"),
        ("small=1&small=2", "small"),
        ("inner.large=1.5", "inner.large"),
        ("inner.next.next.next.next.next.next.next.next.text=a", None),
    ],
)
async def test_a_wrong_query_parameter_is_refused_by_name(
    client: httpx2.AsyncClient, query: str, field: str | None
) -> None:
    answer = await client.get(f"/v1/odds/1?{query}")
    assert answer.status_code == 400
    assert answer.json()["reason"] == "REQUEST_INVALID"
    assert answer.json()["fields"][0]["field"] == (field or query.partition("=")[0])


@pytest.mark.parametrize(
    "query", ["title=%ff", "&".join(f"tags={i}" for i in range(201)), "labels=a", "labels.a=b"]
)
async def test_a_query_that_cannot_be_read_is_refused(
    client: httpx2.AsyncClient, query: str
) -> None:
    answer = await client.get(f"/v1/odds:search?{query}")
    assert answer.status_code == 400


async def test_a_body_beyond_the_limit_is_refused_whether_it_says_so_or_not(
    open_client: Open, servicer: OddServicer
) -> None:
    async def chunks() -> Any:
        for _ in range(5):
            yield b" " * 30

    client = open_client(max_body_bytes=100)
    said = await client.post("/v1/odds", content=b" " * 101, headers=JSON)
    unsaid = await client.post("/v1/odds", content=chunks(), headers=JSON)
    fits = await client.post("/v1/odds", content=b"{}" + b" " * 98, headers=JSON)
    assert [said.status_code, unsaid.status_code, fits.status_code] == [413, 413, 200]
    assert said.json()["reason"] == "BODY_TOO_LARGE"
    assert len(servicer.got) == 1


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/merge-patch+json", 200),
        ("application/json; charset=latin1", 415),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        (None, 415),
    ],
)
async def test_a_body_is_json_and_says_so(
    client: httpx2.AsyncClient, media_type: str | None, status: int
) -> None:
    headers = {"content-type": media_type} if media_type else {}
    answer = await client.post("/v1/odds", content=b"{}", headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["reason"] == "MEDIA_TYPE_UNSUPPORTED"


async def test_head_is_a_get_without_its_body(client: httpx2.AsyncClient) -> None:
    got, head = await client.get("/v1/odds/1"), await client.head("/v1/odds/1")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    assert (await client.head("/v1/odds:watch")).status_code == 405


async def test_another_http_method_is_told_which_ones_there_are(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post("/v1/odds/1", json={})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, PATCH, PUT, HEAD"
    assert answer.json()["reason"] == "NO_SUCH_METHOD"


async def test_a_call_carries_the_headers_that_are_let_through_and_no_others(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    headers = {
        "authorization": "Bearer t",
        "cookie": "a=b",
        "traceparent": trace,
        "x-forwarded-for": "198.51.100.1",
        "x-service-token": "forged",
        "allocator-service-token": "forged",
        "x-anything": "1",
    }
    await client.get("/v1/odds/1", headers=headers)
    call = servicer.calls[0]
    assert set(call.metadata) == {"authorization", "cookie", "host", "traceparent", "user-agent"}
    assert (call.protocol, call.address) == ("http", "203.0.113.9")
    assert call.trace.split("-")[1] == trace.split("-")[1]


async def test_only_a_trusted_proxy_is_believed_where_a_request_comes_from(
    open_client: Open, servicer: OddServicer
) -> None:
    headers = {"x-forwarded-for": "6.6.6.6, 198.51.100.1, 10.0.0.7"}
    for address in ("10.0.0.3", "203.0.113.9"):
        client = open_client(address=address, trusted_proxies=["10.0.0.0/8"])
        await client.get("/v1/odds/1", headers=headers)
    assert [call.address for call in servicer.calls] == ["198.51.100.1", "203.0.113.9"]


@pytest.mark.parametrize(("certificate", "address"), [("edge", "198.51.100.1"), ("broker", "::1")])
async def test_the_edge_is_believed_by_its_certificate(
    servicer: OddServicer, certificate: str, address: str
) -> None:
    app = odd_app(servicer)

    async def shown(scope, receive, send):
        await app({**scope, "state": {"certificate": certificate}}, receive, send)

    transport = httpx2.ASGITransport(app=shown, client=("::1", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await client.get("/v1/odds/1", headers={"x-forwarded-for": "6.6.6.6, 198.51.100.1"})
    assert [call.address for call in servicer.calls] == [address]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 30.0),
        ({"x-request-timeout": "2.5"}, 2.5),
        ({"grpc-timeout": "1500m"}, 1.5),
        ({"x-request-timeout": "999"}, 30.0),
    ],
)
async def test_a_caller_may_shorten_the_deadline(
    client: httpx2.AsyncClient, servicer: OddServicer, headers: dict[str, str], seconds: float
) -> None:
    before = time.monotonic()
    await client.get("/v1/odds/1", headers=headers)
    assert before + seconds <= servicer.calls[0].deadline <= time.monotonic() + seconds


async def test_a_stream_has_no_deadline_unless_the_caller_gives_one(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    await client.get("/v1/odds:watch")
    await client.get("/v1/odds:watch", headers={"x-request-timeout": "60"})
    assert servicer.calls[0].deadline == math.inf
    assert servicer.calls[1].deadline < time.monotonic() + 61


@pytest.mark.parametrize("name", ["x-request-timeout", "grpc-timeout"])
@pytest.mark.parametrize("said", ["-1", "soon", "1e9", "nan", ""])
async def test_a_timeout_that_cannot_be_read_is_refused(
    client: httpx2.AsyncClient, name: str, said: str
) -> None:
    answer = await client.get("/v1/odds/1", headers={name: said})
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_of_fault_is_a_problem_document_with_its_status(
    client: httpx2.AsyncClient, servicer: OddServicer, kind: Kind
) -> None:
    servicer.answer = kinds()[kind]("It went wrong; do this.", thing="odds/1")
    answer = await client.get("/v1/odds/1")
    assert answer.status_code == STATUSES[kind]
    assert answer.headers["content-type"] == "application/problem+json"
    reason = servicer.answer.reason
    assert answer.json() == {
        "type": f"/errors/{reason}",
        "title": reason.replace("_", " ").capitalize(),
        "status": STATUSES[kind],
        "detail": "It went wrong; do this.",
        "instance": "/v1/odds/1",
        "reason": reason,
        "metadata": {"thing": "odds/1"},
    }


async def test_a_fault_says_in_headers_too_when_to_try_again_and_how_to_log_in(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Exhausted("Too many; wait.", retry_after=2.2)
    busy = await client.get("/v1/odds/1")
    assert busy.headers["retry-after"] == "3"
    assert busy.json()["retryAfter"] == 2.2
    servicer.answer = Unauthenticated("Log in again.")
    unknown = await client.get("/v1/odds/1")
    assert unknown.headers["www-authenticate"] == 'Bearer realm="allocator", error="invalid_token"'


async def test_the_fields_of_a_fault_are_listed(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Invalid("Wrong.", fields=[FieldViolation("odd.title", "is too long")])
    answer = await client.get("/v1/odds/1")
    assert answer.json()["fields"] == [{"field": "odd.title", "message": "is too long"}]


async def test_a_bug_is_masked_with_an_incident_id(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = RuntimeError("secret")
    answer = await client.get("/v1/odds/1")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["metadata"]["incident"] in answer.json()["detail"]


async def test_an_answer_that_cannot_be_written_is_masked_too(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Odd()
    servicer.answer.time.seconds = 10**12
    assert (await client.get("/v1/odds/1")).status_code == 500


async def test_the_headers_of_a_call_reach_the_client_also_with_a_fault(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.response_headers = [
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-odd", "1\r\nx: y"),
    ]
    good = await client.get("/v1/odds/1")
    servicer.answer = Unauthenticated("Log in again.")
    bad = await client.get("/v1/odds/1")
    for answer in (good, bad):
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        # A line feed would begin another header.
        assert "x-odd" not in answer.headers


async def test_serialised_answers_are_taken_as_they_are(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Odd(title="as bytes").SerializeToString()
    assert (await client.get("/v1/odds/1")).json()["title"] == "as bytes"


async def test_a_rule_may_answer_with_one_field(
    client: httpx2.AsyncClient, servicer: OddServicer
) -> None:
    servicer.answer = Odd(tags=["a", "b"])
    assert (await client.get("/v1/odds/1/tags")).json() == ["a", "b"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example:8080", 403),
    ],
)
async def test_only_our_own_hosts_are_served(open_client: Open, host: str, status: int) -> None:
    client = open_client(allowed_hosts=["localhost", "127.0.0.1", "[::1]"])
    answer = await client.get("/v1/odds/1", headers={"host": host})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["reason"] == "HOST_UNKNOWN"


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"page {request.url.path}")


async def test_routes_beside_the_contract_are_served_with_security_headers(
    open_client: Open,
) -> None:
    client = open_client(extra_routes=[Route("/livez", page), Route("/{path:path}", page)])
    answer = await client.get("/livez")
    assert answer.text == "page /livez"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await client.post("/livez")).status_code == 405


async def test_a_page_for_everything_does_not_hide_what_the_contract_lacks(
    open_client: Open,
) -> None:
    routes = [Route("/v1/beside", page), Mount("/", app=PlainTextResponse("page"))]
    client = open_client(extra_routes=routes, openapi=lambda: b"{}")
    assert (await client.get("/openapi.json")).text == "{}"
    assert (await client.get("/v1/beside")).text == "page /v1/beside"
    assert (await client.get("/v1/nothing")).status_code == 404
    assert (await client.get("/v1/nothing")).json()["reason"] == "NO_SUCH_METHOD"
    assert (await client.put("/v1/odds")).status_code == 405
    assert (await client.get("/anything")).status_code == 200


async def test_a_web_socket_for_another_host_is_closed_before_it_is_open(
    servicer: OddServicer,
) -> None:
    app = odd_app(servicer, allowed_hosts=["localhost"], extra_routes=[])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "websocket", "path": "/v1/x", "headers": [(b"host", b"evil.example")]}
    await app(scope, receive, send)
    assert [(event["type"], event["code"]) for event in sent] == [("websocket.close", 1008)]
