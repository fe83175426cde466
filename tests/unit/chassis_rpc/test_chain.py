"""The chain, over real servers and channels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import grpc
import pytest
from allocator.access.v1 import trust_service_pb2, trust_service_pb2_grpc
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)
from allocator.machines.v1 import (
    machine_pb2,
    machine_service_pb2,
    machine_service_pb2_grpc,
)

from chassis.faults import (
    Conflict,
    DeadlineExceeded,
    Fault,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from chassis.identity import Caller, ServiceTokens
from chassis.rpc import Call, Chain, ContractBroken, PeerChannel, ask, current_call, follow
from chassis.rpc.server import RpcServer

MACHINES = "allocator.machines.v1.MachineService"
ALLOCATIONS = "allocator.allocations.v1.AllocationService"
TOKENS = ServiceTokens(b"k" * 32)


def robot(*scopes: str) -> Caller:
    """Who calls with a personal access token of Ada's."""
    return Caller(
        user="users/ada",
        verified=True,
        token="robot",
        token_expires=9e12,
        access_token="accessTokens/one",
        scopes=frozenset(scopes),
    )


class KnownPeople:
    """Verifies the few tokens of these tests."""

    def __init__(self) -> None:
        self.fresh = True
        self.people = {
            "ada": Caller(user="users/ada", verified=True, token="ada", token_expires=9e12),
            "new": Caller(user="users/new", token="new", token_expires=9e12),
            "root": Caller(user="users/root", roles=frozenset({"ADMIN"}), token="root"),
            "robot": robot("allocations:write"),
            "reader": robot("machines:read", "allocations:read"),
            "writer": robot("machines:write"),
        }

    def verify(self, token: str) -> Caller:
        if token not in self.people:
            raise Unauthenticated("no")
        return self.people[token]

    def verify_service(self, token: str) -> str:
        return TOKENS.verify(token)

    def is_fresh(self) -> bool:
        return self.fresh


async def unused(request, call):
    raise AssertionError


class Machines:
    """Answers with what it was asked, and with who asked."""

    seen: list[Call]

    def __init__(self) -> None:
        self.seen = []

    async def GetMachine(self, request, call):
        self.seen.append(call)
        if request.name == "machines/absent":
            raise NotFound("There is none.", reason="MACHINE_NOT_FOUND", machine=request.name)
        if request.name == "machines/bug":
            raise ZeroDivisionError("secret detail")
        if request.name == "machines/slow":
            await asyncio.sleep(60)
        return machine_pb2.Machine(name=request.name, title=call.caller.user or call.caller.service)

    async def UpdateMachine(self, request, call):
        raise Conflict("It has changed.", retry_after=2.5)

    async def CreateMachine(self, request, call):
        return request.machine

    async def PublishMachine(self, request, call):
        return machine_pb2.Machine(name=request.name)

    async def ListMachines(self, request, call):
        self.seen.append(call)
        return machine_service_pb2.ListMachinesResponse()

    def __getattr__(self, name: str) -> object:
        if name[0].isupper():
            return unused
        raise AttributeError(name)


class Allocations:
    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def WatchAllocations(self, request, call) -> AsyncIterator[object]:
        try:
            for number in range(3):
                yield allocation_service_pb2.WatchAllocationsResponse(
                    allocation=allocation_pb2.Allocation(generation=number)
                )
            if request.name:
                await asyncio.sleep(60)
            raise Unavailable("Draining.", reason="SERVICE_STOPPING")
        finally:
            assert current_call.get() is call
            self.ended.set()

    async def CreateAllocation(self, request, call):
        return request.allocation

    async def _unused(self, request, call):
        raise AssertionError


for _method in allocation_service_pb2.DESCRIPTOR.services_by_name["AllocationService"].methods:
    if not hasattr(Allocations, _method.name):
        setattr(Allocations, _method.name, Allocations._unused)


class World:
    def __init__(self, path: Path) -> None:
        self.people = KnownPeople()
        self.machines = Machines()
        self.allocations = Allocations()
        self.chain = Chain({MACHINES: self.machines, ALLOCATIONS: self.allocations}, self.people)
        self.target = f"unix:{path}"
        self.server = RpcServer(
            self.chain, address=self.target, internal=True, max_request_bytes=1 << 20
        )
        self.peer = PeerChannel("machines_svc", self.target, lambda: TOKENS.mint("broker"))
        self.plain = grpc.aio.insecure_channel(self.target)


@pytest.fixture
async def world(tmp_path: Path):
    made = World(tmp_path / "s")
    await made.server.start()
    yield made
    await made.peer.close()
    await made.plain.close()
    await made.server.stop(0)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    from chassis.rpc.status import fault_of

    return fault_of(error, "peer").reason


async def test_an_open_method_serves_nobody_known(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.plain)
    found = await stub.GetMachine(machine_service_pb2.GetMachineRequest(name="machines/redis"))
    assert (found.name, found.title) == ("machines/redis", "")


async def test_a_named_peer_is_known_by_its_service_token(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
    request = machine_service_pb2.GetMachineRequest(name="machines/redis")
    assert (await ask(stub.GetMachine, request, timeout=5)).title == "broker"


async def test_a_peer_that_works_for_a_person_is_that_person(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
    method = world.chain.find(f"/{MACHINES}/GetMachine")
    assert method is not None
    caller = world.people.people["ada"]
    call = Call(method, {}, "", time.monotonic() + 5, caller=caller, trace="")
    token = current_call.set(call)
    try:
        request = machine_service_pb2.GetMachineRequest(name="machines/redis")
        assert (await ask(stub.GetMachine, request, timeout=5)).title == "users/ada"
    finally:
        current_call.reset(token)


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        ("", grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
        ("forged", grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
        ("new", grpc.StatusCode.PERMISSION_DENIED, "USER_NOT_VERIFIED"),
    ],
)
async def test_a_method_for_verified_people_refuses_others(
    world: World, token: str, status: grpc.StatusCode, reason: str
) -> None:
    stub = allocation_service_pb2_grpc.AllocationServiceStub(world.plain)
    request = allocation_service_pb2.CreateAllocationRequest(allocation={"machine": "machines/a"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateAllocation(request, metadata=bearer(token) if token else ())
    assert caught.value.code() is status
    assert reason_of(caught.value) == reason


async def test_a_method_that_needs_fresh_trust_is_refused_without_it(world: World) -> None:
    stub = allocation_service_pb2_grpc.AllocationServiceStub(world.plain)
    request = allocation_service_pb2.CreateAllocationRequest(allocation={"machine": "machines/a"})
    assert (await stub.CreateAllocation(request, metadata=bearer("ada"))).machine == "machines/a"
    world.people.fresh = False
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateAllocation(request, metadata=bearer("ada"))
    assert reason_of(caught.value) == "TRUST_STALE"


async def test_an_admins_method_refuses_everybody_else(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.plain)
    request = machine_service_pb2.PublishMachineRequest(name="machines/a")
    found = await stub.PublishMachine(request, metadata=bearer("root"))
    assert found.name == "machines/a"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.PublishMachine(request, metadata=bearer("ada"))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_request_that_breaks_the_contract_names_each_field(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.plain)
    request = machine_service_pb2.CreateMachineRequest(
        machine_id="Not Good",
        machine={"title": "A", "image": "a", "ports": [{"number": 70000}]},
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CreateMachine(request, metadata=bearer("root"))
    from chassis.rpc.status import fault_of

    fault = fault_of(caught.value, "peer")
    assert isinstance(fault, Invalid)
    assert {one.field for one in fault.fields} == {"machine_id", "machine.ports[0].number"}


async def test_a_fault_crosses_the_wire_whole(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
    with pytest.raises(NotFound) as caught:
        request = machine_service_pb2.GetMachineRequest(name="machines/absent")
        await ask(stub.GetMachine, request, timeout=5)
    assert caught.value.reason == "MACHINE_NOT_FOUND"
    assert caught.value.metadata == {"machine": "machines/absent"}
    assert caught.value.message == "There is none."


async def test_a_bug_is_masked_and_has_an_incident_id(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
    with pytest.raises(Fault) as caught:
        request = machine_service_pb2.GetMachineRequest(name="machines/bug")
        await ask(stub.GetMachine, request, timeout=5)
    assert caught.value.reason == "INTERNAL_ERROR"
    assert "secret" not in caught.value.message
    assert caught.value.metadata["incident"] in caught.value.message


async def test_the_deadline_holds_and_names_the_peer(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.peer)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        request = machine_service_pb2.GetMachineRequest(name="machines/slow")
        await ask(stub.GetMachine, request, timeout=0.2)
    assert time.monotonic() - began < 2


async def test_a_peer_that_is_away_is_unavailable_by_name(tmp_path: Path) -> None:
    peer = PeerChannel("machines_svc", f"unix:{tmp_path}/nobody", lambda: "t")
    stub = machine_service_pb2_grpc.MachineServiceStub(peer)
    with pytest.raises(Unavailable, match="machines_svc"):
        request = machine_service_pb2.GetMachineRequest(name="machines/slow")
        await ask(stub.GetMachine, request, timeout=5)
    await peer.close()


async def test_a_stream_ends_with_the_fault_that_the_service_raised(world: World) -> None:
    stub = allocation_service_pb2_grpc.AllocationServiceStub(world.peer)
    world.people.people["ada"] = Caller(user="users/ada", token="ada", token_expires=9e12)
    method = world.chain.find(f"/{ALLOCATIONS}/WatchAllocations")
    assert method is not None
    call = Call(method, {}, "", time.monotonic() + 5, caller=world.people.people["ada"], trace="")
    token = current_call.set(call)
    seen = []
    try:
        with pytest.raises(Unavailable) as caught:
            request = allocation_service_pb2.WatchAllocationsRequest()
            async for update in follow(stub.WatchAllocations, request):
                seen.append(update.allocation.generation)
    finally:
        current_call.reset(token)
    assert seen == [0, 1, 2]
    assert caught.value.reason == "SERVICE_STOPPING"


async def test_a_reader_that_goes_away_ends_the_stream(world: World) -> None:
    stub = allocation_service_pb2_grpc.AllocationServiceStub(world.plain)
    request = allocation_service_pb2.WatchAllocationsRequest(name="allocations/aaaa")
    stream = stub.WatchAllocations(request, metadata=bearer("ada"))
    await stream.read()
    stream.cancel()
    async with asyncio.timeout(5):
        await world.allocations.ended.wait()


async def test_a_stale_etag_says_when_to_try_again(world: World) -> None:
    stub = machine_service_pb2_grpc.MachineServiceStub(world.plain)
    request = machine_service_pb2.UpdateMachineRequest(machine={"name": "machines/a"})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.UpdateMachine(request, metadata=bearer("root"))
    assert caught.value.code() is grpc.StatusCode.ABORTED
    from chassis.rpc.status import fault_of

    assert fault_of(caught.value, "peer").retry_after == 2.5


async def test_bytes_that_are_no_message_are_refused(world: World) -> None:
    raw = world.plain.unary_unary(f"/{MACHINES}/GetMachine")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(b"\xff\xff\xff")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_servicer_must_have_every_method_of_its_contract() -> None:
    class Half:
        async def GetMachine(self, request, call):
            return None

    with pytest.raises(ContractBroken, match="CreateMachine"):
        Chain({MACHINES: Half()}, KnownPeople())


def test_a_forged_service_token_is_refused() -> None:
    forged = ServiceTokens(b"x" * 32).mint("broker")
    with pytest.raises(Unauthenticated):
        TOKENS.verify(forged)
    with pytest.raises(Unauthenticated):
        TOKENS.verify("broker.99999999999.00")
    assert TOKENS.verify(TOKENS.mint("broker")) == "broker"


async def test_only_named_peers_reach_internal_methods(tmp_path: Path) -> None:
    class Trust:
        async def WatchTrust(self, request, call):
            yield trust_service_pb2.TrustUpdate()

        async def NoteAccessTokenUse(self, request, call):
            raise AssertionError

    servicers = {"allocator.access.v1.TrustService": Trust()}
    chain = Chain(servicers, KnownPeople())
    target = f"unix:{tmp_path}/internal"
    public = f"unix:{tmp_path}/public"
    servers = [
        RpcServer(chain, address=target, internal=True, max_request_bytes=1 << 20),
        RpcServer(chain, address=public, internal=False, max_request_bytes=1 << 20),
    ]
    for server in servers:
        await server.start()
    answers = {}
    for at, name in ((target, "broker"), (target, "stranger"), (public, "broker")):
        peer = PeerChannel("user_svc", at, lambda name=name: TOKENS.mint(name))
        stub = trust_service_pb2_grpc.TrustServiceStub(peer)
        try:
            request = trust_service_pb2.WatchTrustRequest()
            async with aclosing(follow(stub.WatchTrust, request, timeout=5)) as updates:
                answers[at, name] = len([one async for one in updates])
        except Fault as fault:
            answers[at, name] = fault.kind.value
        await peer.close()
    for server in servers:
        await server.stop(0)
    assert answers == {
        (target, "broker"): 1,
        (target, "stranger"): "FORBIDDEN",
        (public, "broker"): "UNIMPLEMENTED",
    }
