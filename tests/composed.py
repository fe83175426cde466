"""One service as it is composed, over real calls and a real bus; its peers alone are stand-ins."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from chassis.bus import Bus, open_bus
from chassis.clock import SystemClock
from chassis.faults import Unauthenticated
from chassis.identity import NOBODY, Caller, ServiceTokens, Trust, Vault
from chassis.rpc import Call, Chain, PeerChannel, ask, current_call
from chassis.rpc.server import RpcServer
from chassis.serving import Platform, Service
from chassis.serving.platform import Shared
from chassis.settings import ProcessSettings, ServiceSettings, load_settings
from tests.waiting import PATIENCE, until


class KnownPeople:
    """Verifies the tokens of these people, and of every service."""

    def __init__(self, tokens: ServiceTokens, *people: Caller) -> None:
        self.tokens = tokens
        self.people = {person.token: person for person in people}

    def verify(self, token: str) -> Caller:
        if token not in self.people:
            raise Unauthenticated("no")
        return self.people[token]

    def verify_service(self, token: str) -> str:
        return self.tokens.verify(token)

    def is_fresh(self) -> bool:
        return True


@dataclass
class Composed:
    """A service, and the ways to it."""

    service: Service
    chain: Chain
    open_channel: Callable[[str], PeerChannel]
    bus: Bus
    folder: Path
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def begin(self, *names: str) -> None:
        """Begins the service's own tasks of these names."""
        for task in self.service.tasks:
            if task.name.partition(".")[2] in names:
                self.tasks.append(asyncio.ensure_future(task.run()))

    async def end_tasks(self) -> None:
        """Ends the service's own tasks."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def call_method(
        self, stub: Any, path: str, request: Message, caller: Caller = NOBODY, service: str = ""
    ) -> Any:
        """Calls a method as a service, on a person's behalf or nobody's.

        Args:
            stub: the class of the stub that has the method.
            path: `/allocator.machines.v1.MachineService/GetMachine`.
            request: what is asked.
            caller: who asks.
            service: which service asks for them.
        """
        known = self.chain.find(path)
        assert known is not None
        method = getattr(stub(self.open_channel(service)), path.rpartition("/")[2])
        token = current_call.set(Call(known, {}, "test", math.inf, caller=caller))
        try:
            return await ask(method, request, timeout=PATIENCE)
        finally:
            current_call.reset(token)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Asks until something is so."""
        await until(condition)


async def begin_service(
    compose: Callable[[Platform], Awaitable[Service]],
    settings: type[ServiceSettings],
    environment: Mapping[str, str],
    folder: Path,
    exits: AsyncExitStack,
    *,
    stand_ins: Mapping[str, object],
    people: tuple[Caller, ...],
    shares: Bus | None = None,
) -> Composed:
    """Composes a service over a data folder and serves it; its tasks are not begun.

    Args:
        compose: of the service.
        settings: the class of its settings.
        environment: its settings, by the names of variables.
        folder: the data folder.
        exits: what ends it.
        stand_ins: what serves in place of its peers, by the full name of the gRPC service.
        people: who may call.
        shares: the bus, where another one has opened it; its own by default.
    """
    name = compose.__module__.partition(".")[0]
    runtime = exits.enter_context(tempfile.TemporaryDirectory(prefix="c-"))
    clock = SystemClock()
    tokens = ServiceTokens(b"k" * 32)
    bus = shares or await open_bus(f"sqlite:///{folder}/bus.sqlite3", clock)
    exits.push_async_callback(bus.close)
    shared = Shared(
        settings=load_settings(
            {"ALLOCATOR_DATA_DIR": str(folder), **environment}, [ProcessSettings, settings]
        ),
        clock=clock,
        exits=exits,
        bus=bus,
        trust=Trust(tokens),
        service_tokens=tokens,
        certificates=None,
        vault=Vault(b"v" * 32),
        draining=asyncio.Event(),
        internal_target=f"unix:{runtime}/s",
        advertised=lambda: "",
    )
    service = await compose(Platform(name, shared))
    chain = Chain({**service.servicers, **stand_ins}, KnownPeople(tokens, *people))
    server = RpcServer(
        chain, address=shared.internal_target, internal=True, max_request_bytes=1 << 20
    )
    await server.start()
    await server.set_ready([*service.servicers, *stand_ins])
    exits.push_async_callback(server.stop, 0)

    def open_channel(caller: str) -> PeerChannel:
        channel = PeerChannel(name, shared.internal_target, lambda: tokens.mint(caller))
        exits.push_async_callback(channel.close)
        return channel

    composed = Composed(service, chain, open_channel, bus, folder)
    exits.push_async_callback(composed.end_tasks)
    return composed
