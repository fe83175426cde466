"""The versions of machines, asked of machines_svc once and then heard from the bus."""

from __future__ import annotations

import asyncio

import grpc
from allocator.machines.v1 import machine_pb2, machine_service_pb2, machine_service_pb2_grpc

from chassis.bus import Bus, Record, state_topic
from chassis.bus.facts import decode
from chassis.clock import Clock
from chassis.faults import Fault
from chassis.rpc import ask

_PAGE = 1000
_CALL_SECONDS = 5.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


class GrpcMachineVersions:
    """Remembers the version of each machine that is in the catalogue."""

    def __init__(self, channel: grpc.aio.Channel, bus: Bus, clock: Clock) -> None:
        """Knows nothing until `run` has had an answer.

        Args:
            channel: to machines_svc.
            bus: where changes of machines are heard.
            clock: tells when to ask again.
        """
        self._stub = machine_service_pb2_grpc.MachineServiceStub(channel)
        self._bus = bus
        self._clock = clock
        self._known: dict[str, tuple[str, int, bool]] = {}

    def newer(self, machine: str, version: int) -> int:
        """The version of a machine that would be rented now, where it is a newer one."""
        _, present, active = self._known.get(machine, ("", 0, False))
        return present if active and present > version else 0

    async def run(self) -> None:
        """Hears of changes, until it is cancelled; asks once for what was there before."""
        listens = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._bus.tail([state_topic("machines")], self._hear, listens))
            await listens.wait()
            pause = _FIRST_PAUSE
            while not await self._ask():
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _ask(self) -> bool:
        request = machine_service_pb2.ListMachinesRequest(page_size=_PAGE, filter="state = ACTIVE")
        try:
            while True:
                page = await ask(self._stub.ListMachines, request, timeout=_CALL_SECONDS)
                for machine in page.machines:
                    self._learn(machine)
                if not page.next_page_token:
                    return True
                request.page_token = page.next_page_token
        except Fault:
            return False

    async def _hear(self, record: Record) -> None:
        if record.is_tombstone:
            self._known.pop(record.key, None)
            return
        machine = decode(record, machine_pb2.Machine)
        if machine is not None:
            self._learn(machine)

    def _learn(self, machine: machine_pb2.Machine) -> None:
        uid, version, _ = self._known.get(machine.name, ("", 0, False))
        # What was asked for may be older than what was heard meanwhile.
        if uid != machine.uid or version < machine.version:
            active = machine.state == machine_pb2.Machine.ACTIVE
            self._known[machine.name] = (machine.uid, machine.version, active)
