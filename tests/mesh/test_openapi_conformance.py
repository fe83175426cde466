"""Requests made up from the OpenAPI document find no server error, and every operation is of use."""

from __future__ import annotations

import os
import tarfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from allocator_process import AllocatorProcess
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from openapi_walk import Walk
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

QUIET = {
    # Many strangers come from one address here.
    "ALLOCATOR_USER_SIGN_UPS_AT_ONCE": "100000",
    "ALLOCATOR_USER_SIGN_UP_MAILS_AT_ONCE": "100000",
    "ALLOCATOR_USER_FREE_FAILURES_PER_ADDRESS": "100000",
    "ALLOCATOR_USER_CODE_PAUSE_SECONDS": "1",
    # The server of the webhook of this test is here.
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_HTTP": "true",
    "ALLOCATOR_NOTIFIER_WEBHOOK_ALLOW_PRIVATE": "true",
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# How many requests are made up for each of some 150 operations, sent by three kinds of callers.
MANY = int(os.environ.get("ALLOCATOR_TEST_EXAMPLES", "5"))
# An engine is asked for what was made up by `make soak` alone.
RUNTIMES = ["process"]
if os.environ.get("ALLOCATOR_TEST_KINDS") == "all":
    RUNTIMES.append("docker")


@pytest.fixture(scope="module", params=RUNTIMES)
def fuzzed(request, tmp_path_factory) -> Iterator[AllocatorProcess]:
    """An allocator for whom requests are made up."""
    folder = tmp_path_factory.mktemp("openapi") / "data"
    made = AllocatorProcess(folder, runtime=request.param, **QUIET)
    made.start()
    yield made
    made.close()


def real_names(running: AllocatorProcess, token: str, admin: str) -> dict[str, list[str]]:
    """Names that lead somewhere, for the parameters of paths; nobody else lives by them."""
    until = time.monotonic() + 20
    while not (nodes := running.call("GET", "/v1/nodes", admin).json()["nodes"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    # The requests of an admin before may have drained it.
    activated = running.call("POST", f"/v1/{nodes[0]['name']}:activate", admin, json={})
    assert activated.status_code == 200, activated.text
    stranger = running.person(f"scratch-{zlib.crc32(token.encode())}@example.org")
    scratch = running.call("GET", "/v1/users/me", stranger).json()["name"]
    machine = f"fuzzed-{zlib.crc32(token.encode())}"
    running.call(
        "POST",
        f"/v1/machines?machineId={machine}",
        admin,
        json={"title": "Fuzzed", "command": ["sleep", "60"], "image": "busybox"},
    )
    rented = running.rent(token or admin, "ticker")["name"]
    size = {"cpuMillis": 100, "memoryBytes": "6291456", "pids": 64}
    running.call("POST", f"/v1/resourceClasses?resourceClassId={machine}", admin, json=size)
    invited = running.call("POST", "/v1/invitations", admin, json={"maxUses": 9}).json()["name"]
    empty = bytes(tarfile.BLOCKSIZE * 2)
    sent = running.call("POST", "/v1/volumes:upload", token or admin, content=empty)
    assert sent.status_code == 200, sent.text
    return {
        "user": [scratch.partition("/")[2]],
        "machine": [machine],
        "allocation": [rented.partition("/")[2]],
        "session": ["aaaaaaaaaaaa"],
        "accessToken": ["aaaaaaaaaaaa"],
        "comment": ["1"],
        "review": ["me"],
        "vote": ["me"],
        "notification": ["aaaaaaaaaaaa"],
        "webhook": ["aaaaaaaaaaaa"],
        "delivery": ["aaaaaaaaaaaa"],
        "deadLetter": ["1"],
        "invitation": [invited.partition("/")[2]],
        "node": [nodes[0]["name"].partition("/")[2]],
        "resourceClass": [machine],
        "volume": [sent.json()["name"].partition("/")[2]],
    }


@dataclass(frozen=True)
class Caller:
    """One kind of people who send requests."""

    role: str
    session: requests.Session
    names: dict[str, list[str]]


@pytest.fixture
def callers(fuzzed: AllocatorProcess) -> Iterator[list[Caller]]:
    """Nobody, a person and an admin, each with names that lead somewhere for them."""
    admin = fuzzed.admin()
    tokens = {
        "nobody": "",
        "person": fuzzed.person("fuzz@example.org"),
        "admin": admin,
    }
    made = []
    for role, token in tokens.items():
        session = requests.Session()
        session.trust_env = False
        if token:
            session.headers["authorization"] = f"Bearer {token}"
        made.append(Caller(role, session, real_names(fuzzed, token, admin)))
    yield made
    for caller in made:
        caller.session.close()


@pytest.mark.timeout(600)
def test_no_request_brings_a_server_error(fuzzed: AllocatorProcess, callers: list[Caller]) -> None:
    schema = schemathesis.openapi.from_dict(fuzzed.call("GET", "/openapi.json").json())
    # Each caller has a token of its own; made-up ones would be refused before anything else is tried.
    schema.config.generation.update(with_security_parameters=False)
    failures: dict[str, Exception] = {}
    for found in schema.get_all_operations():
        try:
            probe(found.ok(), callers, fuzzed.http, failures)
        except Exception as error:  # noqa: BLE001 - all operations are tried before it fails
            failures[f"{found.ok().label}, making it up"] = error
    assert not failures, "\n\n".join(f"{what}: {error}" for what, error in failures.items())


def probe(
    operation: Any,
    callers: list[Caller],
    address: str,
    failures: dict[str, Exception],
) -> None:
    """Sends requests of one operation, half of them as the contract wants them, half not.

    To make one up takes longer than to answer it, so each is sent by every caller.

    Args:
        operation: of the document.
        callers: who send them.
        address: of the allocator, `HOST:PORT`.
        failures: gets what was a server error, or is not as the document says.
    """
    tried = {"count": 0}

    def ask(case: Any) -> None:
        tried["count"] += 1
        made_up = dict(case.path_parameters or {})
        for caller in callers:
            for name, value in made_up.items():
                # Names made up lead nowhere, and those of people whom this run needs are left alone.
                known = tried["count"] % 4 or value in ("me", "-")
                case.path_parameters[name] = caller.names[name][0] if known else value
            try:
                send(case, caller.session, address)
            except Exception as error:  # noqa: BLE001 - all callers are tried before it fails
                failures[f"{operation.label} as {caller.role}"] = error

    budget = settings(
        max_examples=(MANY + 1) // 2,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
        if mode is schemathesis.GenerationMode.NEGATIVE and not (
            operation.body or operation.query or operation.path_parameters or operation.headers
        ):
            continue
        cases = operation.as_strategy(generation_mode=mode)
        seeded(zlib.crc32(operation.label.encode()))(budget(given(case=cases)(ask)))()


def send(case: Any, session: requests.Session, address: str) -> None:
    """Sends one request.

    Raises:
        Exception: the answer was a server error, or is not as the document says.
    """
    call = case.as_transport_kwargs(base_url=f"http://{address}")
    with session.request(**call, stream=True, timeout=20) as answer:
        kind = answer.headers.get("content-type", "")
        if "event-stream" in kind or "ndjson" in kind:
            assert answer.status_code == 200
        else:
            case.validate_response(answer, checks=CHECKS)


def test_every_operation_reaches_a_success(fuzzed: AllocatorProcess) -> None:
    document = fuzzed.call("GET", "/openapi.json").json()
    operations = {
        one["operationId"]: (verb.upper(), path)
        for path, verbs in document["paths"].items()
        for verb, one in verbs.items()
        if "operationId" in one
    }
    walk = Walk(fuzzed, operations)
    missing = set(operations) - walk.through_everything()
    # Each of them is of use to somebody.
    assert {one: walk.refused.get(one, "not tried") for one in sorted(missing)} == {}
