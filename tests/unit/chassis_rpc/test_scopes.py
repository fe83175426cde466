"""What a personal access token may do, over real servers and channels, and by the contracts."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import pytest
from allocator.access.v1 import access_pb2
from allocator.machines.v1 import machine_service_pb2, machine_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from chassis.identity import ADMIN_SCOPE, Caller, ServiceTokens
from chassis.rpc import Call, Chain, PeerChannel, ask, current_call
from chassis.rpc.contract import known_scopes, public_methods
from chassis.rpc.server import RpcServer
from chassis.rpc.status import fault_of

MACHINES = "allocator.machines.v1.MachineService"
USERS = "allocator.users.v1.UserService"
TOKENS = ServiceTokens(b"k" * 32)
Who = access_pb2.Rule


def robot(*scopes: str, admin: bool = False) -> Caller:
    """Who calls with a personal access token."""
    return Caller(
        user="users/ada",
        verified=True,
        roles=frozenset({"ADMIN"} if admin else ()),
        token="robot",
        token_expires=9e12,
        access_token="accessTokens/one",
        scopes=frozenset(scopes),
    )


class OneRobot:
    """Verifies one token, whoever that is."""

    def __init__(self) -> None:
        self.fresh = True
        self.caller = robot()

    def verify(self, token: str) -> Caller:
        return self.caller

    def verify_service(self, token: str) -> str:
        return TOKENS.verify(token)

    def is_fresh(self) -> bool:
        return self.fresh


class Anything:
    """Serves every method of a service, and keeps who called."""

    def __init__(self, answers: dict[str, type]) -> None:
        self.answers = answers
        self.callers: list[Caller] = []

    def __getattr__(self, name: str) -> object:
        if not name[0].isupper():
            raise AttributeError(name)

        async def serve(request: object, call: Call) -> object:
            self.callers.append(call.caller)
            return self.answers.get(name, Empty)()

        return serve


class World:
    def __init__(self, path: Path) -> None:
        methods = [m for m in public_methods() if m.service in (MACHINES, USERS)]
        self.served = Anything({m.name: m.response for m in methods})
        self.person = OneRobot()
        self.chain = Chain({MACHINES: self.served, USERS: self.served}, self.person)
        target = f"unix:{path}"
        self.server = RpcServer(
            self.chain, address=target, internal=True, max_request_bytes=1 << 20
        )
        self.channel = grpc.aio.insecure_channel(target)
        self.peer = PeerChannel("machines_svc", target, lambda: TOKENS.mint("interact_svc"))

    async def outcome(self, path: str, request: object, token: str = "robot") -> str:
        """The reason that a call fails with; OK where it does not."""
        method = self.chain.find(path)
        assert method is not None
        call = self.channel.unary_unary(
            path, method.request.SerializeToString, method.response.FromString
        )
        try:
            await call(request, metadata=(("authorization", f"Bearer {token}"),))
        except grpc.aio.AioRpcError as error:
            return fault_of(error, "peer").reason
        return "OK"


@pytest.fixture
async def world(tmp_path: Path):
    made = World(tmp_path / "s")
    await made.server.start()
    yield made
    await made.channel.close()
    await made.peer.close()
    await made.server.stop(0)


UPDATE = machine_service_pb2.UpdateMachineRequest(machine={"name": "machines/a"})


async def test_a_token_does_what_its_scopes_say_and_the_refusal_names_the_one_needed(
    world: World,
) -> None:
    world.person.caller = robot("machines:write")
    assert await world.outcome(f"/{MACHINES}/UpdateMachine", UPDATE) == "OK"
    world.person.caller = robot("machines:read", "users:write", "admin")
    stub = machine_service_pb2_grpc.MachineServiceStub(world.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UpdateMachine(UPDATE, metadata=(("authorization", "Bearer robot"),))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    fault = fault_of(caught.value, "peer")
    assert fault.reason == "SCOPE_MISSING"
    assert fault.metadata == {"scope": "machines:write"}
    assert "machines:write" in fault.message


async def test_an_admins_method_needs_the_scope_admin_and_the_role(world: World) -> None:
    path, request = (
        f"/{MACHINES}/PublishMachine",
        machine_service_pb2.PublishMachineRequest(name="machines/a"),
    )
    world.person.caller = robot("machines:write", "machines:read", admin=True)
    assert await world.outcome(path, request) == "SCOPE_MISSING"
    world.person.caller = robot("admin")
    assert await world.outcome(path, request) == "CALLER_NOT_ALLOWED"
    world.person.caller = robot("admin", admin=True)
    assert await world.outcome(path, request) == "OK"


async def test_what_needs_a_session_refuses_every_token(world: World) -> None:
    world.person.caller = robot(*known_scopes(), admin=True)
    refused = [m for m in public_methods() if m.service == USERS and m.rule.sessions_only]
    assert "ChangePassword" in [m.name for m in refused]
    for method in refused:
        assert await world.outcome(method.path, method.request()) == "SESSION_NEEDED"


async def test_on_an_open_method_a_token_without_the_scope_counts_as_not_sent(
    world: World,
) -> None:
    request = machine_service_pb2.ListMachinesRequest()
    path = f"/{MACHINES}/ListMachines"
    for scopes, fresh, user in (
        (("machines:read",), True, "users/ada"),
        (("machines:write",), True, ""),
        (("machines:read",), False, ""),
    ):
        world.person.caller, world.person.fresh = robot(*scopes), fresh
        assert await world.outcome(path, request) == "OK"
        assert world.served.callers[-1].user == user


async def test_a_token_is_refused_while_it_is_not_known_what_is_revoked(world: World) -> None:
    world.person.caller, world.person.fresh = robot("machines:write"), False
    assert await world.outcome(f"/{MACHINES}/UpdateMachine", UPDATE) == "TRUST_STALE"


async def test_what_a_service_asks_others_for_a_person_needs_no_further_scope(
    world: World,
) -> None:
    world.person.caller = robot("consoles:read")
    method = world.chain.find(f"/{MACHINES}/UpdateMachine")
    assert method is not None
    call = Call(method, {}, "", time.monotonic() + 5, caller=world.person.caller, trace="")
    token = current_call.set(call)
    try:
        stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
        await ask(stub.UpdateMachine, UPDATE, timeout=5)
    finally:
        current_call.reset(token)
    assert world.served.callers == [world.person.caller]


async def test_nobody_gains_by_saying_that_they_are_a_service(world: World) -> None:
    world.person.caller = robot("consoles:read")
    stub = machine_service_pb2_grpc.MachineServiceStub(world.channel)
    metadata = (
        ("authorization", "Bearer robot"),
        ("x-allocator-service-token", "interact_svc.99999999999.forged"),
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UpdateMachine(UPDATE, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_every_method_that_a_person_calls_has_one_scope_or_needs_a_session() -> None:
    for method in public_methods():
        rule = method.rule
        if rule.sessions_only or rule.who == Who.PEER:
            assert method.scope == "", method.path
        elif rule.who == Who.ADMIN:
            assert method.scope == ADMIN_SCOPE, method.path
        else:
            noun, _, kind = method.scope.partition(":")
            assert method.service.split(".")[1] == noun, method.path
            assert kind in ("read", "write"), method.path
            if method.http is not None and method.http.HasField("get"):
                assert kind == "read", method.path


def test_the_scopes_are_those_of_the_public_packages() -> None:
    scopes = known_scopes()
    assert {"admin", "users:read", "machines:read", "allocations:write"} <= scopes
    assert {"consoles:read"} <= scopes
    assert not any(scope.startswith(("access", "containers", "directory")) for scope in scopes)


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("allocations.v1.AllocationService/GetAllocation", "allocations:read"),
        ("allocations.v1.AllocationService/WatchAllocations", "allocations:read"),
        ("allocations.v1.AllocationService/CreateAllocation", "allocations:write"),
        ("allocations.v1.AllocationService/StopAllocation", "allocations:write"),
        ("consoles.v1.ConsoleService/FollowConsole", "consoles:read"),
        ("machines.v1.MachineService/PublishMachine", "admin"),
        ("users.v1.SessionService/ListSessions", ""),
        ("users.v1.AccessTokenService/CreateAccessToken", ""),
    ],
)
def test_scopes_follow_from_the_names(name: str, scope: str) -> None:
    found = {method.path: method.scope for method in public_methods()}
    assert found[f"/allocator.{name}"] == scope
