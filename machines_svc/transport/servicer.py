"""MachineService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from allocator.machines.v1 import machine_pb2, machine_service_pb2
from google.api import httpbody_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from chassis.cache.answers import Answers
from chassis.identity import NOBODY, Caller
from chassis.listing import Once, chosen_fields, version_of
from chassis.rpc import Call
from chassis.rpc.chain import validate
from machines_svc.domain.faults import MachineExists, MachineNotFound, MachineVersionNotFound
from machines_svc.domain.machine import Machine, PictureKind
from machines_svc.transport import definition
from machines_svc.transport.mapping import SPEC_FIELDS, message_of, spec_of
from machines_svc.usecases.browsing import Browsing
from machines_svc.usecases.editing import Editing
from machines_svc.usecases.history import History
from machines_svc.usecases.illustration import Illustration
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
        self,
        answers: Answers,
        *,
        browsing: Browsing,
        editing: Editing,
        history: History,
        publication: Publication,
        illustration: Illustration,
    ) -> None:
        """Serves these use cases, and what everybody sees from `answers`."""
        self._history = history
        self._illustration = illustration
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
        machine = await self._editing.create(name, spec_of(request.machine), call.caller, once)
        return self._message(machine)

    async def GetMachine(
        self, request: machine_service_pb2.GetMachineRequest, call: Call
    ) -> machine_pb2.Machine | bytes:
        """Reads one machine."""

        async def read() -> machine_pb2.Machine:
            return self._message(
                await self._browsing.get(request.name, _everybody(call), request.version)
            )

        try:
            return await self._seen_by_all(request, call, read)
        except (MachineNotFound, MachineVersionNotFound):
            # It may be one of their own, which others do not see.
            if not call.caller.user:
                raise
        found = await self._browsing.get(request.name, call.caller, request.version)
        return self._message(found)

    async def ListMachines(
        self, request: machine_service_pb2.ListMachinesRequest, call: Call
    ) -> machine_service_pb2.ListMachinesResponse | bytes:
        """Lists the catalogue."""

        async def read() -> machine_service_pb2.ListMachinesResponse:
            page = await self._browsing.list(
                request.page_size,
                request.page_token,
                request.filter,
                request.order_by,
                call.caller,
                query_text=request.query,
            )
            return machine_service_pb2.ListMachinesResponse(
                machines=[self._message(machine) for machine in page.machines],
                next_page_token=page.next_page_token,
            )

        if call.caller.user and "publisher" in request.filter:
            return await read()  # perhaps their own
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
            given.name, version_of(given.etag), spec_of(given), fields, call.caller
        )
        return self._message(machine)

    async def DeleteMachine(
        self,
        request: machine_service_pb2.DeleteMachineRequest,
        call: Call,
    ) -> Empty:
        """Deletes a machine that is not in the catalogue."""
        await self._editing.delete(request.name, version_of(request.etag), call.caller)
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

    async def SubmitMachine(
        self, request: machine_service_pb2.SubmitMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Asks the admins to publish a draft."""
        return self._message(
            await self._publication.submit(request.name, version_of(request.etag), call.caller)
        )

    async def RejectMachine(
        self, request: machine_service_pb2.RejectMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Refuses to publish a draft."""
        return self._message(
            await self._publication.reject(
                request.name, version_of(request.etag), request.rejection
            )
        )

    async def ListMachineVersions(
        self, request: machine_service_pb2.ListMachineVersionsRequest, call: Call
    ) -> machine_service_pb2.ListMachineVersionsResponse:
        """Lists the versions of a machine that are kept."""
        page = await self._history.versions(
            request.parent, request.page_size, request.page_token, call.caller
        )
        return machine_service_pb2.ListMachineVersionsResponse(
            versions=[self._message(machine) for machine in page.machines],
            next_page_token=page.next_page_token,
        )

    async def RollbackMachine(
        self, request: machine_service_pb2.RollbackMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Makes a machine again what it was in a former version."""
        return self._message(
            await self._history.rollback(
                request.name, request.version, version_of(request.etag), call.caller
            )
        )

    async def ForkMachine(
        self, request: machine_service_pb2.ForkMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Makes a draft from another machine."""
        other = await self._browsing.get(request.name, call.caller, request.version)
        name = f"machines/{request.machine_id}"
        return self._message(await self._editing.fork(name, other, request.title, call.caller))

    async def SetMachinePicture(
        self, request: machine_service_pb2.SetMachinePictureRequest, call: Call
    ) -> machine_pb2.Machine:
        """Gives a machine an icon or a banner."""
        name, kind = _picture_of(request.name)
        return self._message(
            await self._illustration.give(
                name, kind, request.picture.data, version_of(request.etag), call.caller
            )
        )

    async def GetMachinePicture(
        self, request: machine_service_pb2.GetMachinePictureRequest, call: Call
    ) -> httpbody_pb2.HttpBody:
        """Reads the icon or the banner of a machine."""
        name, kind = _picture_of(request.name)
        shown = await self._illustration.show(name, kind, request.digest, call.caller)
        whose = "public" if shown.is_open else "private"
        # What is at an address with a digest never changes; at the other one it may any time.
        lasts = f"{whose}, max-age=31536000, immutable" if request.digest else f"{whose}, no-cache"
        call.response_headers += [
            ("etag", f'"{shown.picture.digest}"'),
            ("cache-control", lasts),
            ("content-security-policy", "default-src 'none'; sandbox"),
        ]
        return httpbody_pb2.HttpBody(content_type=shown.picture.media_type, data=shown.content)

    async def DeleteMachinePicture(
        self, request: machine_service_pb2.DeleteMachinePictureRequest, call: Call
    ) -> machine_pb2.Machine:
        """Takes the icon or the banner of a machine away."""
        name, kind = _picture_of(request.name)
        return self._message(
            await self._illustration.take_away(name, kind, version_of(request.etag), call.caller)
        )

    async def ExportMachine(
        self, request: machine_service_pb2.ExportMachineRequest, call: Call
    ) -> httpbody_pb2.HttpBody:
        """Writes a machine as a YAML document."""
        machine = await self._browsing.get(request.name, call.caller, request.version)
        file = f"{machine.name.removeprefix('machines/')}.yaml"
        call.response_headers.append(("content-disposition", f'attachment; filename="{file}"'))
        return httpbody_pb2.HttpBody(
            content_type=definition.MEDIA_TYPE, data=definition.written(machine)
        )

    async def ImportMachine(
        self, request: machine_service_pb2.ImportMachineRequest, call: Call
    ) -> machine_pb2.Machine:
        """Adds a machine from a YAML document, or changes one."""
        name, spec = definition.read(request.definition.data)
        try:
            return self._message(await self._editing.create(name, spec, call.caller))
        except MachineExists:
            if not request.replace_existing:
                raise
        return self._message(await self._editing.update(name, None, spec, SPEC_FIELDS, call.caller))

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


def _everybody(call: Call) -> Caller:
    """As whom what is kept for everybody is read: nobody, but for those who see all."""
    return call.caller if call.caller.sees_all else NOBODY


def _picture_of(name: str) -> tuple[str, PictureKind]:
    """The machine and the kind of a picture: `machines/redis/icon`."""
    machine, _, kind = name.rpartition("/")
    return machine, PictureKind(kind)


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
