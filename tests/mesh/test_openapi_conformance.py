"""Requests made up from the OpenAPI document find no server error, and every operation is of use."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from allocator_process import PASSWORD, AllocatorProcess
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
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
}
STREAMS = ("WatchAllocations", "FollowConsole")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ROLES = ("nobody", "person", "admin")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("process", 5), id="5"),
        pytest.param(("docker", 50), marks=pytest.mark.real_docker, id="50"),
    ],
)
def fuzzed(request, tmp_path_factory) -> Iterator[tuple[AllocatorProcess, int]]:
    """An allocator, and how many requests each of its operations gets from each role."""
    runtime, examples = request.param
    made = AllocatorProcess(tmp_path_factory.mktemp("openapi") / "data", runtime=runtime, **QUIET)
    made.start()
    yield made, examples
    made.close()


def real_names(running: AllocatorProcess, token: str, admin: str) -> dict[str, list[str]]:
    """Names that lead somewhere, for the parameters of paths; nobody else lives by them."""
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
    return {
        "user": [scratch.partition("/")[2]],
        "machine": [machine],
        "allocation": [rented.partition("/")[2]],
        "session": ["aaaaaaaaaaaa"],
    }


@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ROLES)
def test_no_request_brings_a_server_error(fuzzed: tuple[AllocatorProcess, int], role: str) -> None:
    running, examples = fuzzed
    admin = running.admin()
    token = {
        "nobody": lambda: "",
        "person": lambda: running.person(f"fuzz-{examples}@example.org"),
        "admin": lambda: admin,
    }[role]()
    names = real_names(running, token, admin)
    schema = schemathesis.openapi.from_dict(running.call("GET", "/openapi.json").json())
    # Each role has a token of its own; made-up ones would be refused before anything else is tried.
    schema.config.generation.update(with_security_parameters=False)
    failures: list[str] = []
    with requests.Session() as session:
        session.trust_env = False
        if token:
            session.headers["authorization"] = f"Bearer {token}"
        for found in schema.get_all_operations():
            try:
                probe(found.ok(), session, running.http, names, examples)
            except Exception as error:  # noqa: BLE001 - all operations are tried before it fails
                failures.append(f"{found.ok().label} as {role}: {error}")
    assert not failures, "\n\n".join(failures)


def probe(
    operation: Any,
    session: requests.Session,
    address: str,
    names: dict[str, list[str]],
    examples: int,
) -> None:
    """Sends requests of one operation, half of them as the contract wants them, half not.

    Raises:
        Exception: an answer was a server error, or is not as the document says.
    """
    tried = {"count": 0}

    def ask(case: Any) -> None:
        tried["count"] += 1
        for name in case.path_parameters or {}:
            # Names made up lead nowhere, and those of people whom this run needs are left alone.
            if tried["count"] % 4 or case.path_parameters[name] in ("me", "-"):
                case.path_parameters[name] = names[name][0]
        call = case.as_transport_kwargs(base_url=f"http://{address}")
        with session.request(**call, stream=True, timeout=20) as answer:
            kind = answer.headers.get("content-type", "")
            if "event-stream" in kind or "ndjson" in kind:
                assert answer.status_code == 200
                return
            case.validate_response(answer, checks=CHECKS)

    budget = settings(
        max_examples=(examples + 1) // 2,
        deadline=None,
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


def test_every_operation_reaches_a_success(fuzzed: tuple[AllocatorProcess, int]) -> None:
    running, _ = fuzzed
    document = running.call("GET", "/openapi.json").json()
    operations = {
        one["operationId"]: (verb.upper(), path)
        for path, verbs in document["paths"].items()
        for verb, one in verbs.items()
        if "operationId" in one
    }
    reached = Walk(running, operations).through_everything()
    missing = sorted(set(operations) - reached)
    assert len(reached) >= 0.95 * len(operations), missing
    assert not missing, "each of them is of use to somebody"


class Walk:
    """Calls operations by their names, with real ids, and remembers which of them succeeded."""

    def __init__(self, running: AllocatorProcess, operations: dict[str, tuple[str, str]]) -> None:
        self.running = running
        self.operations = operations
        self.reached: set[str] = set()

    def call(
        self, operation: str, token: str = "", body: Any = None, query: str = "", **names: str
    ) -> dict[str, Any]:
        verb, path = self.operations[operation]
        path = path.format(**{k: v.rpartition("/")[2] for k, v in names.items()}) + query
        options = {} if body is None else {"json": body}
        answer = self.running.call(verb, path, token, **options)
        if answer.status_code == 200:
            self.reached.add(operation)
        return dict(answer.json())

    def stream(self, operation: str, token: str, **names: str) -> None:
        verb, path = self.operations[operation]
        path = path.format(**{k: v.rpartition("/")[2] for k, v in names.items()})
        with httpx2.stream(
            verb,
            f"http://{self.running.http}{path}",
            headers={"authorization": f"Bearer {token}", "accept": "application/x-ndjson"},
            timeout=20,
            trust_env=False,
        ) as answer:
            if answer.status_code == 200 and json.loads(next(answer.iter_lines())):
                self.reached.add(operation)

    def through_everything(self) -> set[str]:
        admin = self.running.admin()
        person = self._accounts(admin)
        self._catalogue(admin)
        self._renting(person)
        return self.reached

    def _accounts(self, admin: str) -> str:
        call, email = self.call, "walker@example.org"
        call("CreateUser", body={"user": {"email": email}, "password": PASSWORD})
        call("SendVerificationCode", body={"email": "nobody-yet@example.org"})
        call(
            "VerifyUser",
            body={"email": email, "code": self.running.mailed_code(email)},
        )
        log_in = {"email": email, "password": PASSWORD}
        person = call("CreateSession", body=log_in)["accessToken"]
        other = call("CreateSession", body=log_in)
        call("RefreshSession", body={"refreshToken": other["refreshToken"]})
        call("ListSessions", person)
        call("DeleteSession", person, session=other["name"])
        user = call("GetUser", person, user="users/me")["name"]
        call("UpdateUser", person, {"givenName": "Walker"}, user="users/me")
        call("ListUsers", admin)
        call("GrantRole", admin, {"role": "ADMIN"}, user=user)
        call("RevokeRole", admin, {"role": "ADMIN"}, user=user)
        call("DisableUser", admin, {}, user=user)
        call("EnableUser", admin, {}, user=user)
        person = self.running.log_in(email)
        new = {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}
        call("ChangePassword", person, new, user="users/me")
        return self.running.log_in(email, PASSWORD + "!")

    def _catalogue(self, admin: str) -> None:
        call = self.call
        body = {"title": "Walked", "image": "busybox", "command": ["sleep", "60"]}
        call("CreateMachine", admin, body, query="?machineId=walked")
        call("ListMachines")
        call("GetMachine", admin, machine="machines/walked")
        call("UpdateMachine", admin, {"title": "Walked on"}, machine="machines/walked")
        call("PublishMachine", admin, {}, machine="machines/walked")
        call("RetireMachine", admin, {}, machine="machines/walked")
        call("DeleteMachine", admin, machine="machines/walked")

    def _renting(self, person: str) -> None:
        call, wait = self.call, self.running.wait
        name = call("CreateAllocation", person, {"machine": "machines/ticker"})["name"]
        wait(person, name, "READY")
        simple: list[tuple[str, Callable[[], Any]]] = [
            ("ListAllocations", lambda: call("ListAllocations", person)),
            ("GetAllocation", lambda: call("GetAllocation", person, allocation=name)),
            ("InspectAllocation", lambda: call("InspectAllocation", person, allocation=name)),
            ("ListLines", lambda: call("ListLines", person, allocation=name)),
        ]
        for _, ask in simple:
            ask()
        call("UpdateAllocation", person, {"displayName": "walked"}, allocation=name)
        self.stream("WatchAllocations", person)
        self.stream("FollowConsole", person, allocation=name)
        call("RestartAllocation", person, {}, allocation=name)
        wait(person, name, "READY")
        call("StopAllocation", person, {}, allocation=name)
        wait(person, name, "STOPPED")
        call("StartAllocation", person, {}, allocation=name)
        wait(person, name, "READY")
        call("DeleteAllocation", person, allocation=name)
