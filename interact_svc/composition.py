"""How the service is wired; reads from top to bottom."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge
from starlette.routing import WebSocketRoute

from chassis.faults import Fault
from chassis.identity.caller import Caller
from chassis.rpc.contract import methods_of, service_descriptor
from chassis.serving import Platform, Service, Task
from interact_svc.adapters.allocation_view.grpc import GrpcAllocationView
from interact_svc.adapters.log_feed.grpc import GrpcLogFeed
from interact_svc.domain.limits import Limits
from interact_svc.settings import Settings
from interact_svc.transport.mapping import FrameMapping
from interact_svc.transport.servicer import ConsoleServicer
from interact_svc.transport.socket import ConsoleSocket
from interact_svc.usecases.consoles import Consoles

SERVICE = "allocator.consoles.v1.ConsoleService"
OPEN = Gauge("allocator_consoles_open", "Consoles that are open in this process.")


async def compose(platform: Platform) -> Service:
    """Wires the service."""
    settings = platform.settings(Settings)
    logs = GrpcLogFeed(platform.channel("docker_svc"))
    allocations = GrpcAllocationView(platform.channel("allocation_svc"))
    limits = Limits(**settings.model_dump())
    consoles = Consoles(logs, allocations, platform.clock, limits)
    OPEN.set_function(lambda: consoles.open_count)
    platform.trust.on_revocation(lambda _revocation: consoles.look_again())

    def is_revoked(caller: Caller) -> Fault | None:
        try:
            platform.trust.verify(caller.token)
        except Fault as fault:
            return fault
        return None

    async def say_goodbye() -> None:
        await platform.draining.wait()
        consoles.stop()
        await asyncio.Event().wait()

    mapping = FrameMapping(limits)
    follow_console = next(
        method
        for method in methods_of(service_descriptor(SERVICE))
        if method.name == "FollowConsole"
    )
    socket = ConsoleSocket(
        consoles,
        mapping,
        follow_console,
        verify=platform.trust.verify,
        is_revoked=is_revoked,
        is_fresh=platform.trust.is_fresh,
        clock=platform.clock,
        limits=limits,
    )
    return Service(
        name="interact_svc",
        servicers={SERVICE: ConsoleServicer(consoles, logs, mapping, is_revoked)},
        routes=[
            WebSocketRoute("/v1/allocations/{allocation}/console", socket.serve),
            WebSocketRoute("/interact/", socket.serve),
        ],
        tasks=[
            Task("interact_svc.consoles", consoles.run),
            Task("interact_svc.stuck", socket.run),
            Task("interact_svc.goodbye", say_goodbye),
        ],
    )
