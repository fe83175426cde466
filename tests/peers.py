"""Services of the tests' own that call each other over real sockets with real certificates."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc
from allocator.replicas.v1 import replica_service_pb2, replica_service_pb2_grpc

from allocctl.authority import Authority
from chassis.faults import NotFound, Unauthenticated
from chassis.identity import Caller, Certificates, ServiceTokens
from chassis.rpc import Call, Chain, PeerChannel, ask, current_call
from chassis.rpc.server import RpcServer

MACHINES = "allocator.machines.v1.MachineService"
REPLICAS = "allocator.replicas.v1.ReplicaService"
SERVED = ("machines_svc", MACHINES, REPLICAS)
_MACHINE_METHODS = frozenset(
    machine_service_pb2.DESCRIPTOR.services_by_name["MachineService"].methods_by_name
)
TOKENS = ServiceTokens(b"k" * 32)
ADA = Caller(user="users/ada", verified=True, token="ada", token_expires=9e12)


class People:
    """Verifies one person's token, and those of services."""

    def verify(self, token: str) -> Caller:
        if token != ADA.token:
            raise Unauthenticated("no")
        return ADA

    def verify_service(self, token: str) -> str:
        return TOKENS.verify(token)

    def is_fresh(self) -> bool:
        return True


class Machines:
    """Says who asked; is slow, or missing, where the name says so."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.calls: list[Call] = []
        self.serve: Callable[[], Awaitable[object]] | None = None
        self.let_go = asyncio.Event()
        self.asked = asyncio.Event()

    async def GetMachine(self, request, call):
        self.calls.append(call)
        if self.serve is not None:
            return await self.serve()
        if request.name == "machines/absent":
            raise NotFound("There is none.", reason="MACHINE_NOT_FOUND")
        if request.name == "machines/slow":
            self.asked.set()
            await self.let_go.wait()
        title = call.caller.user or call.caller.service
        return machine_pb2.Machine(name=request.name, title=title, description=self.tag)

    def __getattr__(self, method: str):
        """What else the contract has is there, and nobody calls it."""
        if method not in _MACHINE_METHODS:
            raise AttributeError(method)

        async def unused(request, call):
            raise AssertionError(method)

        return unused


class Replicas:
    """Counts how often it was woken; waits where it is told to."""

    def __init__(self) -> None:
        self.woken = 0
        self.failing: Exception | None = None
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.asked = asyncio.Event()

    async def Wake(self, request, call):
        self.woken += 1
        self.asked.set()
        await self.let_go.wait()
        if self.failing is not None:
            raise self.failing
        return replica_service_pb2.WakeResponse()


class Replica:
    """One process of machines_svc, as far as others see it."""

    def __init__(self, certificates: Certificates | None, tag: str = "", port: int = 0) -> None:
        self.machines = Machines(tag)
        self.replicas = Replicas()
        chain = Chain({MACHINES: self.machines, REPLICAS: self.replicas}, People())
        self.server = RpcServer(
            chain,
            address=f"127.0.0.1:{port}",
            internal=True,
            max_request_bytes=4096,
            certificates=certificates,
        )
        self.address = f"127.0.0.1:{self.server.port}"

    async def start(self) -> None:
        await self.server.start()
        await self.server.set_ready(SERVED)

    async def drain(self) -> None:
        await self.server.set_ready(())
        await self.server.stop(5)


class Peers:
    """An installation: its authority, its replicas, and the channels of whoever calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.init(["localhost", "127.0.0.1"])
        self._open: list[PeerChannel] = []
        self._replicas: list[Replica] = []

    def certificates(self, service: str) -> Certificates:
        """Those of a service, looked at again at each use."""
        return Certificates(self.folder / service, monotonic=itertools.count(0.0, 10.0).__next__)

    async def replica(self, tag: str = "", port: int = 0) -> Replica:
        made = Replica(self.certificates("machines_svc"), tag, port)
        self._replicas.append(made)
        await made.start()
        return made

    def channel(
        self,
        service: str,
        *replicas: Replica | str,
        token_of: str = "",
        certificates: Certificates | None = None,
    ) -> PeerChannel:
        """A channel of a service to machines_svc."""
        at = [one if isinstance(one, str) else one.address for one in replicas]
        made = PeerChannel(
            "machines_svc",
            f"ipv4:{','.join(at)}",
            lambda: TOKENS.mint(token_of or service),
            certificates=certificates or self.certificates(service),
        )
        self._open.append(made)
        return made

    async def close(self) -> None:
        for channel in self._open:
            await channel.close()
        for replica in self._replicas:
            replica.machines.let_go.set()
            await replica.server.stop(0)


async def get(channel: PeerChannel, name: str = "machines/a", timeout: float = 5.0) -> object:
    """Asks for a machine, which may be repeated."""
    stub = machine_service_pb2_grpc.MachineServiceStub(channel)
    return await ask(
        stub.GetMachine, machine_service_pb2.GetMachineRequest(name=name), timeout=timeout
    )


async def wake(channel: PeerChannel, timeout: float = 5.0) -> None:
    """Calls an internal method, which is not repeated."""
    stub = replica_service_pb2_grpc.ReplicaServiceStub(channel)
    request = replica_service_pb2.WakeRequest(service="machines_svc")
    await ask(stub.Wake, request, timeout=timeout)


@asynccontextmanager
async def serving(replica: Replica, caller: Caller, seconds: float = 30.0) -> AsyncIterator[None]:
    """What is called in it is called for whoever calls us."""
    method = Chain({MACHINES: replica.machines}, People()).find(f"/{MACHINES}/GetMachine")
    assert method is not None
    call = Call(method, {}, "", time.monotonic() + seconds, caller=caller)
    token = current_call.set(call)
    try:
        yield
    finally:
        current_call.reset(token)
