"""Asking owners over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import grpc
from allocator.allocations.v1 import (
    allocation_pb2,
    allocation_service_pb2,
    allocation_service_pb2_grpc,
)
from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc
from allocator.users.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc

from broker.domain.entry import Entry, Kind
from chassis.clock import Clock
from chassis.faults import NotFound
from chassis.identity.caller import NOBODY
from chassis.listing import version_of
from chassis.rpc import ask, current_call

Resource = user_pb2.User | machine_pb2.Machine | allocation_pb2.Allocation


class GrpcOwners:
    """Asks user_svc, machines_svc and allocation_svc."""

    def __init__(
        self,
        channel: Callable[[str], grpc.aio.Channel],
        clock: Clock,
        entry_of: Callable[[Resource, int, datetime], Entry],
        timeout_seconds: float,
    ) -> None:
        """Asks over these channels.

        Args:
            channel: gives the channel to a peer.
            clock: tells when something was learnt.
            entry_of: makes an entry of a resource, its version and the time.
            timeout_seconds: how long an answer may take.
        """
        self._users = user_service_pb2_grpc.UserServiceStub(channel("user_svc"))
        self._machines = machine_service_pb2_grpc.MachineServiceStub(channel("machines_svc"))
        self._allocations = allocation_service_pb2_grpc.AllocationServiceStub(
            channel("allocation_svc")
        )
        self._clock = clock
        self._entry_of = entry_of
        self._timeout_seconds = timeout_seconds

    async def ask(self, kind: Kind, name: str) -> Entry | None:
        """The resource as its owner has it now; None where it has none."""
        question = self._question(kind, name)
        call = current_call.get()
        # What a person may see is no measure for what the directory knows: their token stays here.
        if call is not None:
            current_call.set(replace(call, caller=NOBODY))
        try:
            resource = await question()
        except NotFound:
            return None
        finally:
            current_call.set(call)
        return self._entry_of(resource, version_of(resource.etag) or 0, self._clock.now())

    def _question(self, kind: Kind, name: str) -> Callable[[], Awaitable[Resource]]:
        seconds = self._timeout_seconds
        match kind:
            case Kind.USER:
                user = user_service_pb2.GetUserRequest(name=name)
                return lambda: ask(self._users.GetUser, user, timeout=seconds)
            case Kind.MACHINE:
                machine = machine_service_pb2.GetMachineRequest(name=name)
                return lambda: ask(self._machines.GetMachine, machine, timeout=seconds)
            case Kind.ALLOCATION:
                allocation = allocation_service_pb2.GetAllocationRequest(name=name)
                return lambda: ask(self._allocations.GetAllocation, allocation, timeout=seconds)
