"""MachineService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from allocator.machines.v1 import machine_pb2, machine_service_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from chassis.cache.answers import Answers
from chassis.listing import Once, chosen_fields, version_of
from chassis.rpc import Call
from chassis.rpc.chain import validate
from machines_svc.domain.machine import Machine
from machines_svc.transport.mapping import SPEC_FIELDS, message_of, spec_of
from machines_svc.usecases.browsing import Browsing
from machines_svc.usecases.editing import Editing
from machines_svc.usecases.publication import Publication

M = TypeVar("M", bound=Message)

CATALOGUE = "machines"
"""What answers from the cache are about."""


class MachineServicer:
    """Serves `allocator.machines.v1.MachineService`.

    What everybody sees of the catalogue is given from a cache. Admins, who change it, and peers, who
    rent from it, get what is in the store.
    """

    def __init__(
        self, browsing: Browsing, editing: Editing, publication: Publication, answers: Answers
    ) -> None:
        """Serves these use cases, and what everybody sees from `answers`."""
        self._answers = answers
        self._browsing = browsing
        self._editing = editing
        self._publication = publication

    async def CreateMachine(
        self, request: machine_service_pb2.CreateMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Adds a machine, as a DRAFT."""
        once = Once.of(
            call.caller.user,
            "CreateMachine",
            request.request_id,
            request.machine_id,
            request.machine.SerializeToString(deterministic=True),
        )
        name = f"machines/{request.machine_id}"
        machine = await self._editing.create(name, spec_of(request.machine), call.caller.user, once)
        return self._message(machine)

    async def GetMachine(
        self, request: machine_service_pb2.GetMachineRequest, call: Call
    ) -> machine_pb2.Machine | bytes:
        """Reads one machine."""

        async def read() -> machine_pb2.Machine:
            return self._message(await self._browsing.get(request.name, call.caller))

        return await self._seen_by_all(request, call, read)

    async def ListMachines(
        self, request: machine_service_pb2.ListMachinesRequest, call: Call
    ) -> machine_service_pb2.ListMachinesResponse | bytes:
        """Lists the catalogue."""

        async def read() -> machine_service_pb2.ListMachinesResponse:
            page = await self._browsing.list(
                request.page_size, request.page_token, request.filter, request.order_by, call.caller
            )
            return machine_service_pb2.ListMachinesResponse(
                machines=[self._message(machine) for machine in page.machines],
                next_page_token=page.next_page_token,
            )

        return await self._seen_by_all(request, call, read)

    async def UpdateMachine(
        self,
        request: machine_service_pb2.UpdateMachineRequest,
        call: Call,
    ) -> machine_pb2.Machine:
        """Changes a machine."""
        given = request.machine
        validate(machine_service_pb2.GetMachineRequest(name=given.name))
        fields = chosen_fields(
            request.update_mask.paths, [f.name for f, _ in given.ListFields()], SPEC_FIELDS
        )
        _check_chosen(given, fields)
        machine = await self._editing.update(
            given.name, version_of(given.etag), spec_of(given), fields
        )
        return self._message(machine)

    async def DeleteMachine(
        self,
        request: machine_service_pb2.DeleteMachineRequest,
        call: Call,
    ) -> Empty:
        """Deletes a machine that is not in the catalogue."""
        await self._editing.delete(request.name, version_of(request.etag))
        return Empty()

    async def PublishMachine(
        self,
        request: machine_service_pb2.PublishMachineRequest,
        call: Call,
    ) -> machine_pb2.Machine:
        """Puts a machine into the catalogue."""
        return self._message(
            await self._publication.publish(request.name, version_of(request.etag))
        )

    async def RetireMachine(
        self,
        request: machine_service_pb2.RetireMachineRequest,
        call: Call,
    ) -> machine_pb2.Machine:
        """Takes a machine out of the catalogue."""
        return self._message(await self._publication.retire(request.name, version_of(request.etag)))

    async def _seen_by_all(
        self, request: Message, call: Call, read: Callable[[], Awaitable[M]]
    ) -> M | bytes:
        """What is read, from the cache where the caller sees what everybody sees."""
        if call.caller.sees_all:
            return await read()
        # What can be run here is in each answer, and is no matter of the catalogue.
        variant = f"{self._browsing.abilities()}"
        return await self._answers.answer(call, CATALOGUE, request, read, variant)

    def _message(self, machine: Machine) -> machine_pb2.Machine:
        return message_of(machine, self._browsing.availability(machine))


def _check_chosen(given: machine_pb2.Machine, fields: Collection[str]) -> None:
    """Checks the fields of a partial machine against the contract of a whole one.

    Raises:
        Invalid: a chosen field breaks the contract; it is named as `machine.…`.
    """
    whole = machine_pb2.Machine()
    whole.CopyFrom(given)
    for field, _ in given.ListFields():
        if field.name not in fields:
            whole.ClearField(field.name)  # type: ignore[arg-type]  # the stubs know each name
    # What is not chosen stays as it is kept, which is valid; these stand for it.
    if "title" not in fields:
        whole.title = "kept"
    if "image" not in fields:
        whole.image = "kept"
    if "command" not in fields:
        whole.command.append("kept")
    validate(machine_service_pb2.CreateMachineRequest(machine=whole, machine_id="kept"))
