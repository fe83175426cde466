"""What the edge does by itself: what it refuses, what it tells services, where it sends what."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx2
import pytest
from allocator.users.v1 import user_service_pb2, user_service_pb2_grpc
from echo import Echo
from free_ports import free_port
from google.rpc import error_details_pb2, status_pb2
from mesh_processes import Edge, run
from visitor import Visitor

from chassis.rest import SECURITY_HEADERS

pytestmark = pytest.mark.real_nginx


class Alone(Visitor):
    """An edge with nothing but what a test puts behind it."""

    def __init__(self, folder: Path, certificates: Path, peers: str = "", **settings: str) -> None:
        self.edge = Edge(folder, certificates, peers, **settings)
        self.ca = certificates / "public/ca.pem"
        self.http = self.grpc = f"localhost:{self.edge.https}"
        self.client = self.open_client()
        self.wait_for("/livez", within=30)

    def wait_for(self, path: str, within: float = 10) -> None:
        """Waits until there is something behind a path."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            assert self.edge.process.poll() is None, self.edge.log.read_text()
            with contextlib.suppress(httpx2.TransportError):
                if self.call("GET", path).status_code != 503:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{path} is not there: {self.edge.log.read_text()}")

    def close(self) -> None:
        self.client.close()
        assert self.edge.stop() == 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("edge") / "certs"
    run("-m", "allocctl", "certs", "init", "--dir", str(folder))
    return folder


@pytest.fixture
def opened(tmp_path, certificates) -> Iterator[Callable[..., Alone]]:
    made: list[Alone] = []

    def open_one(peers: str = "", **settings: str) -> Alone:
        made.append(Alone(tmp_path / f"edge-{len(made)}", certificates, peers, **settings))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory, certificates) -> Iterator[Alone]:
    made = Alone(tmp_path_factory.mktemp("empty") / "edge", certificates)
    yield made
    made.close()


@pytest.fixture
def echo(certificates) -> Iterator[Echo]:
    made = Echo(certificates / "user_svc")
    yield made
    made.close()


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["type"] == f"/errors/{said['reason']}"
    return answer.status_code, said["reason"]


def refused(visitor: Alone, call: Callable[[grpc.Channel], object]) -> tuple[grpc.StatusCode, str]:
    with visitor.channel() as channel, pytest.raises(grpc.RpcError) as raised:
        call(channel)
    details = dict(raised.value.trailing_metadata())["grpc-status-details-bin"]
    about = error_details_pb2.ErrorInfo()
    status_pb2.Status.FromString(details).details[0].Unpack(about)
    return raised.value.code(), about.reason


def get_user(channel: grpc.Channel) -> object:
    stub = user_service_pb2_grpc.UserServiceStub(channel)
    return stub.GetUser(user_service_pb2.GetUserRequest(name="users/me"), timeout=10)


# a service that is away


def test_it_starts_without_any_service_and_says_that_they_are_away(empty: Alone) -> None:
    answer = empty.call("GET", "/v1/users/me")
    assert problem(answer) == (503, "DEPENDENCY_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) == answer.json()["retryAfter"] == 1
    assert refused(empty, get_user) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    assert empty.call("GET", "/livez").text == "ok\n"


def test_a_service_that_comes_is_found(opened, certificates) -> None:
    port = free_port()
    visitor = opened(f"user_svc=127.0.0.1:{port}:1")
    assert visitor.call("GET", "/v1/users/me").status_code == 503
    echo = Echo(certificates / "user_svc", port)
    try:
        visitor.wait_for("/v1/users/me")
        assert visitor.call("GET", "/v1/users/me").json()["path"] == "/v1/users/me"
    finally:
        echo.close()


def test_it_is_ready_once_it_knows_a_replica_of_each_service(opened, certificates) -> None:
    """So whoever waits for it meets nobody who is away."""
    services = ["allocation_svc", "broker", "feed_svc", "interact_svc", "machines_svc", "notifier"]
    behind = [Echo(certificates / service) for service in (*services, "user_svc")]
    last = behind[-1]
    last.is_ready = False
    try:
        visitor = opened(
            " ".join(
                f"{service}=127.0.0.1:{one.port}:1"
                for service, one in zip((*services, "user_svc"), behind, strict=True)
            )
        )
        ready = f"http://127.0.0.1:{visitor.edge.http}/readyz"
        for path in ("/v1/allocations", "/v1/machines", "/v1/notifications"):
            visitor.wait_for(path)
        known = last.looks
        until = time.monotonic() + 30
        while last.looks < known + 3:
            assert time.monotonic() < until, "nobody looks whether it is there"
            assert httpx2.get(ready, trust_env=False).status_code == 503
            time.sleep(0.05)
        last.is_ready = True
        while httpx2.get(ready, trust_env=False).status_code != 200:
            assert time.monotonic() < until, "it is never ready"
            time.sleep(0.01)
        assert visitor.call("GET", "/v1/users/me").status_code == 200
    finally:
        for one in behind:
            one.close()


def test_a_replica_that_goes_loses_no_request(opened, certificates, echo: Echo) -> None:
    other = Echo(certificates / "user_svc")
    visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1,127.0.0.1:{other.port}:1")
    visitor.wait_for("/v1/users/me")
    for _ in range(20):
        assert visitor.call("GET", "/v1/users/me").status_code == 200
    assert echo.asked
    assert other.asked
    other.close()
    for verb in ("GET", "POST", "PATCH", "DELETE") * 10:
        assert visitor.call(verb, "/v1/users/me").status_code == 200, verb


def test_replicas_that_go_one_after_the_other_lose_no_request(
    opened, certificates, echo: Echo
) -> None:
    other = Echo(certificates / "user_svc")
    visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1,127.0.0.1:{other.port}:1")
    visitor.wait_for("/v1/users/me")
    try:
        for _ in range(3):
            other.close()
            for verb in ("GET", "POST", "PATCH", "DELETE") * 3:
                assert visitor.call(verb, "/v1/users/me").status_code == 200, verb
            # It is back sooner than whoever did not reach it would try it again.
            other, echo = echo, Echo(certificates / "user_svc", other.port)
    finally:
        echo.close()


def test_what_may_have_been_done_is_not_done_again(opened, certificates, echo: Echo) -> None:
    other = Echo(certificates / "user_svc")
    try:
        visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1,127.0.0.1:{other.port}:1")
        visitor.wait_for("/v1/users/me")
        echo.hangs_up = other.hangs_up = True
        for one in (echo, other):
            one.asked.clear()
        assert problem(visitor.call("POST", "/v1/users")) == (503, "DEPENDENCY_UNAVAILABLE")
        assert echo.asked + other.asked == [("POST", "/v1/users")]
    finally:
        other.close()


def test_somebody_without_the_certificate_of_the_service_is_not_asked(opened, certificates) -> None:
    stranger = Echo(certificates / "notifier")
    try:
        visitor = opened(f"user_svc=127.0.0.1:{stranger.port}:1")
        assert visitor.call("GET", "/v1/users/me").status_code == 503
        assert stranger.asked == []
    finally:
        stranger.close()


# what a service hears


def test_a_service_hears_who_asks_and_what_exactly(opened, echo: Echo) -> None:
    visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1")
    visitor.wait_for("/v1/users/me")
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    answer = visitor.call(
        "GET",
        "/user/v1/users/a%2Fb%20c?filter=x%26y",
        headers={
            "x-request-id": "mine-1",
            "traceparent": trace,
            "x-forwarded-for": "6.6.6.6",
            "x-allocator-service-token": "forged",
            "cookie": "allocator_refresh=abc",
            "if-match": '"7"',
        },
    )
    heard = answer.json()
    assert heard["path"] == "/v1/users/a%2Fb%20c?filter=x%26y"
    headers = heard["headers"]
    assert headers["host"] == visitor.http
    assert headers["x-forwarded-for"] in ("127.0.0.1", "::1")
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-request-id"] == answer.headers["x-request-id"] == "mine-1"
    assert headers["traceparent"] == trace
    assert headers["cookie"] == "allocator_refresh=abc"
    assert headers["if-match"] == '"7"'
    assert "x-allocator-service-token" not in headers


def test_a_request_without_a_name_gets_one_that_leads_to_its_trace(opened, echo: Echo) -> None:
    visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1")
    visitor.wait_for("/v1/users/me")
    answer = visitor.call("GET", "/v1/users/me", headers={"x-request-id": 'no "name"'})
    made = answer.headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert answer.json()["headers"]["traceparent"].startswith(f"00-{made}-")
    until = time.monotonic() + 10
    while made not in visitor.edge.log.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    line = next(one for one in visitor.edge.log.read_text().splitlines() if made in one)
    logged = json.loads(line)
    assert (logged["status"], logged["path"]) == (200, "/v1/users/me")
    assert logged["upstream"] == f"127.0.0.1:{echo.port}"


def test_a_proxy_in_front_is_believed_where_it_is_named(opened, echo: Echo) -> None:
    visitor = opened(f"user_svc=127.0.0.1:{echo.port}:1", EDGE_TRUSTED_PROXIES="127.0.0.0/8,::1")
    visitor.wait_for("/v1/users/me")
    answer = visitor.call("GET", "/v1/users/me", headers={"x-forwarded-for": "6.6.6.6, 7.7.7.7"})
    assert answer.json()["headers"]["x-forwarded-for"] == "7.7.7.7"


# what is refused


@pytest.mark.parametrize(
    ("verb", "path", "expected"),
    [
        ("GET", "/v1/nothing", (404, "NO_SUCH_METHOD")),
        ("GET", "/metrics", (404, "NO_SUCH_METHOD")),
        ("GET", "/readyz", (404, "NO_SUCH_METHOD")),
        ("GET", "/assets/nothing.js", (404, "NO_SUCH_METHOD")),
        ("GET", "/.well-known/nothing", (404, "NO_SUCH_METHOD")),
        ("GET", "/errors/NOTHING", (404, "NO_SUCH_METHOD")),
        ("GET", "/_edge/http/500", (404, "NO_SUCH_METHOD")),
        ("POST", "/", (405, "NO_SUCH_METHOD")),
    ],
)
def test_what_is_not_there_is_refused_as_services_refuse_it(
    empty: Alone, verb: str, path: str, expected: tuple[int, str]
) -> None:
    answer = empty.call(verb, path)
    assert problem(answer) == expected
    assert answer.json()["instance"] == path


def test_the_path_of_a_problem_cannot_break_it(empty: Alone) -> None:
    with socket.create_connection(("127.0.0.1", empty.edge.https), timeout=10) as raw:
        assert isinstance(empty.trusts, ssl.SSLContext)
        with empty.trusts.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(
                b'GET /v1/x","reason":"FORGED\\ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
            )
            said = b""
            while piece := tls.recv(65536):
                said += piece
    body = json.loads(said.partition(b"\r\n\r\n")[2])
    assert body["reason"] in ("NO_SUCH_METHOD", "REQUEST_INVALID")
    assert body["instance"] == "/"


def test_a_body_that_is_too_large_is_refused(empty: Alone) -> None:
    answer = empty.call("POST", "/v1/users", content=b"x" * (2 << 20))
    assert problem(answer) == (413, "BODY_TOO_LARGE")


def test_a_head_that_is_too_large_is_refused(empty: Alone) -> None:
    answer = empty.call("GET", "/v1/users", headers={"x-large": "x" * 70_000})
    assert problem(answer) == (431, "REQUEST_INVALID")


def test_http_on_the_port_of_https_is_told_so(empty: Alone) -> None:
    answer = httpx2.get(f"http://localhost:{empty.edge.https}/x", trust_env=False)
    assert problem(answer) == (400, "REQUEST_INVALID")


def test_http_is_led_to_https(empty: Alone) -> None:
    answer = httpx2.post(f"http://localhost:{empty.edge.http}/v1/users?x=1", trust_env=False)
    assert answer.status_code == 308
    assert answer.headers["location"] == f"https://localhost:{empty.edge.https}/v1/users?x=1"


@pytest.mark.parametrize(
    "path",
    [
        "/allocator.access.v1.TrustService/WatchTrust",
        "/allocator.containers.v1.ContainerService/EnsureInstance",
        "/allocator.notifications.v1.DeliveryService/Deliver",
        "/grpc.health.v1.Health/Check",
        "/nothing.at/All",
    ],
)
def test_what_is_internal_is_unknown_by_grpc(empty: Alone, path: str) -> None:
    code, reason = refused(empty, lambda channel: channel.unary_unary(path)(b"", timeout=10))
    assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "NO_SUCH_METHOD")


def test_who_asks_too_much_is_told_to_wait(opened) -> None:
    visitor = opened(EDGE_REQUESTS_PER_SECOND="1", EDGE_REQUESTS_AT_ONCE="20")
    answers = [visitor.call("GET", "/v1/users/me") for _ in range(30)]
    assert {one.status_code for one in answers} == {503, 429}
    assert problem(answers[-1]) == (429, "TOO_MANY_REQUESTS")
    assert answers[-1].headers["retry-after"] == "1"
    by_grpc = [refused(visitor, get_user) for _ in range(30)]
    assert by_grpc[-1] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")


def test_who_sends_a_head_too_slowly_is_let_go(opened) -> None:
    visitor = opened(EDGE_HEAD_SECONDS="1")
    with socket.create_connection(("127.0.0.1", visitor.edge.https), timeout=20) as raw:
        assert isinstance(visitor.trusts, ssl.SSLContext)
        with visitor.trusts.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert tls.recv(100) == b""


def test_other_names_are_refused_where_names_are_set(opened) -> None:
    visitor = opened(EDGE_NAMES="console.example.org")
    assert visitor.call("GET", "/livez").status_code == 200
    ours = visitor.call("GET", "/v1/nothing", headers={"host": "console.example.org"})
    assert problem(ours) == (404, "NO_SUCH_METHOD")
    assert problem(visitor.call("GET", "/v1/nothing")) == (403, "HOST_UNKNOWN")


@pytest.mark.parametrize(
    ("version", "spoken"), [("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]
)
def test_old_tls_is_not_spoken(empty: Alone, version: str, spoken: bool) -> None:
    command = f"openssl s_client -{version} -cipher ALL:@SECLEVEL=0 -verify_return_error"
    done = subprocess.run(
        [*command.split(), "-connect", f"localhost:{empty.edge.https}", "-CAfile", str(empty.ca)],
        input="",
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (done.returncode == 0) == spoken, done.stderr


def test_wrong_settings_are_all_said_at_once(tmp_path, certificates) -> None:
    edge = Edge(
        tmp_path / "edge",
        certificates,
        "",
        EDGE_CONNECTIONS="many",
        EDGE_BODY_BYTES="1",
        EDGE_NAMES="a b",
    )
    assert edge.process.wait(timeout=20) != 0
    said = edge.log.read_text()
    for name in ("EDGE_CONNECTIONS", "EDGE_BODY_BYTES", "EDGE_NAMES"):
        assert name in said


# pages


def test_pages_are_as_a_process_alone_serves_them(empty: Alone) -> None:
    for path in ("/", "/machines/redis", "/docs", "/errors", "/errors/QUOTA_EXCEEDED"):
        answer = empty.call("GET", path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-cache"
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get_list(name.decode()) == [value.decode()], (path, name)
    asset = re.search(r'src="(/assets/[^"]+)"', empty.call("GET", "/").text)
    assert asset
    script = empty.call("GET", asset[1])
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["content-encoding"] == "gzip"


def test_the_document_of_the_whole_surface_is_served(empty: Alone) -> None:
    answer = empty.call("GET", "/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    paths = answer.json()["paths"]
    for path in (
        "/v1/users",
        "/v1/machines",
        "/v1/allocations",
        "/v1/allocations/{allocation}/lines",
    ):
        assert path in paths
    again = empty.call("GET", "/openapi.json", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
