"""MachineService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import Collection

from allocator.machines.v1 import machine_pb2, machine_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import Once, chosen_fields, version_of
from chassis.rpc import Call
from chassis.rpc.chain import validate
from machines_svc.domain.machine import Machine
from machines_svc.transport.mapping import SPEC_FIELDS, message_of, spec_of
from machines_svc.usecases.browsing import Browsing
from machines_svc.usecases.editing import Editing
from machines_svc.usecases.publication import Publication


class MachineServicer:
    """Serves `allocator.machines.v1.MachineService`."""

    def __init__(self, browsing: Browsing, editing: Editing, publication: Publication) -> None:
        """Serves these use cases."""
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
    ) -> machine_pb2.Machine:
        """Reads one machine."""
        return self._message(await self._browsing.get(request.name, call.caller))

    async def ListMachines(
        self, request: machine_service_pb2.ListMachinesRequest, call: Call
    ) -> machine_service_pb2.ListMachinesResponse:
        """Lists the catalogue."""
        page = await self._browsing.list(
            request.page_size, request.page_token, request.filter, request.order_by, call.caller
        )
        return machine_service_pb2.ListMachinesResponse(
            machines=[self._message(machine) for machine in page.machines],
            next_page_token=page.next_page_token,
        )

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
