"""The catalogue, asked of machines_svc."""

from __future__ import annotations

import grpc
from allocator.machines.v1 import machine_service_pb2, machine_service_pb2_grpc

from chassis.rpc import ask


class GrpcCatalogue:
    """Asks machines_svc, with the person's own token: so only admins find drafts."""

    def __init__(self, channel: grpc.aio.Channel, call_seconds: float) -> None:
        """Asks over a channel, and waits so many seconds for an answer."""
        self._stub = machine_service_pb2_grpc.MachineServiceStub(channel)
        self._seconds = call_seconds

    async def check_visible(self, machine: str) -> None:
        """Makes sure that the caller may see a machine."""
        request = machine_service_pb2.GetMachineRequest(name=machine)
        await ask(self._stub.GetMachine, request, timeout=self._seconds)
