"""ResourceClassService: from the wire to the use cases and back."""

from __future__ import annotations

from allocator.allocations.v1 import resource_class_pb2, resource_class_service_pb2
from google.protobuf import empty_pb2

from allocation_svc.domain.resource_class import Size
from allocation_svc.transport.admission_mapping import class_message
from allocation_svc.usecases.resource_classes import ResourceClasses
from chassis.faults import FieldViolation, Invalid
from chassis.listing import chosen_fields, version_of
from chassis.rpc import Call

_NOT_ZERO = ("cpu_millis", "memory_bytes", "pids")
_UPDATABLE = ("title", *_NOT_ZERO, "disk_bytes", "is_default")


class ResourceClassServicer:
    """Serves `allocator.allocations.v1.ResourceClassService`."""

    def __init__(self, classes: ResourceClasses) -> None:
        """Passes calls on to the use case."""
        self._classes = classes

    async def GetResourceClass(
        self, request: resource_class_service_pb2.GetResourceClassRequest, call: Call
    ) -> resource_class_pb2.ResourceClass:
        """Reads one class."""
        del call
        return class_message(await self._classes.one(_id(request.name)))

    async def ListResourceClasses(
        self, request: resource_class_service_pb2.ListResourceClassesRequest, call: Call
    ) -> resource_class_service_pb2.ListResourceClassesResponse:
        """Lists the classes, the smallest first."""
        del call
        found, token = await self._classes.page(request.page_size, request.page_token)
        return resource_class_service_pb2.ListResourceClassesResponse(
            resource_classes=map(class_message, found), next_page_token=token
        )

    async def CreateResourceClass(
        self, request: resource_class_service_pb2.CreateResourceClassRequest, call: Call
    ) -> resource_class_pb2.ResourceClass:
        """Defines a class."""
        wanted = request.resource_class
        defined = await self._classes.define(
            call.caller,
            request.resource_class_id,
            Size(wanted.cpu_millis, wanted.memory_bytes, wanted.pids, wanted.disk_bytes),
            wanted.title,
            is_default=wanted.is_default,
            request=request.request_id,
        )
        return class_message(defined)

    async def UpdateResourceClass(
        self, request: resource_class_service_pb2.UpdateResourceClassRequest, call: Call
    ) -> resource_class_pb2.ResourceClass:
        """Changes a class.

        Raises:
            Invalid: REQUEST_INVALID, an amount that it cannot do without is to be 0.
        """
        del call
        wanted = request.resource_class
        present = [field.name for field, _ in wanted.ListFields()]
        chosen = chosen_fields(list(request.update_mask.paths), present, _UPDATABLE)
        empty = [name for name in _NOT_ZERO if name in chosen and not getattr(wanted, name)]
        if empty:
            raise Invalid(
                "Give what the class has instead of 0.",
                fields=[
                    FieldViolation(f"resource_class.{name}", "Give more than 0.") for name in empty
                ],
            )
        changed = await self._classes.change(
            _id(wanted.name),
            version_of(wanted.etag),
            {name: getattr(wanted, name) for name in chosen},
        )
        return class_message(changed)

    async def DeleteResourceClass(
        self, request: resource_class_service_pb2.DeleteResourceClassRequest, call: Call
    ) -> empty_pb2.Empty:
        """Removes a class."""
        del call
        await self._classes.remove(_id(request.name), version_of(request.etag))
        return empty_pb2.Empty()


def _id(name: str) -> str:
    return name.removeprefix("resourceClasses/")
