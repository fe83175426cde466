"""AllocationService: from the wire to the use cases and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from allocator.allocations.v1 import allocation_pb2, allocation_service_pb2, usage_pb2
from google.api import httpbody_pb2

from allocation_svc.domain.allocation import Allocation, Desired
from allocation_svc.ports.catalogue import MachineVersions
from allocation_svc.transport.admission_mapping import estimate_message
from allocation_svc.transport.archive_files import files_about
from allocation_svc.transport.mapping import inspection_of, message_of, restart_policy_of
from allocation_svc.transport.terms_mapping import TERMS, terms_change, terms_from_wire
from allocation_svc.transport.usage_mapping import (
    allocation_usage_of,
    machine_usage_of,
    period_in,
)
from allocation_svc.transport.usage_report import CSV_TYPE, JSON_TYPE, csv_of, json_of
from allocation_svc.transport.volume_servicer import file_headers
from allocation_svc.usecases.admission import Admission, Wish
from allocation_svc.usecases.archives import Archives
from allocation_svc.usecases.estimation import Estimation
from allocation_svc.usecases.lifecycle import Changes, Lifecycle, RestartChoice
from allocation_svc.usecases.queue import Queueing
from allocation_svc.usecases.reading import Reading, owner_seen
from allocation_svc.usecases.recreation import Recreation
from allocation_svc.usecases.usage import UsageReading
from allocation_svc.usecases.volumes import Volumes
from allocation_svc.usecases.watching import Sign, Watching
from chassis.listing import chosen_fields, version_of
from chassis.rpc import Call
from chassis.rpc.written import Written

_UPDATABLE = ("display_name", "labels", "restart_policy", "resource_class", *TERMS)


class AllocationServicer:
    """Serves `allocator.allocations.v1.AllocationService`."""

    def __init__(
        self,
        admission: Admission,
        lifecycle: Lifecycle,
        reading: Reading,
        watching: Watching,
        versions: MachineVersions,
        *,
        estimation: Estimation,
        queueing: Queueing,
        usage: UsageReading,
        volumes: Volumes,
        archives: Archives,
        recreation: Recreation,
    ) -> None:
        """Passes calls on to the use cases; says where a newer version of a machine is to be had."""
        self._versions = versions
        self._admission = admission
        self._lifecycle = lifecycle
        self._reading = reading
        self._watching = watching
        self._estimation = estimation
        self._queueing = queueing
        self._usage = usage
        self._volumes = volumes
        self._archives = archives
        self._recreation = recreation
        self._written = Written(message_of)

    async def CreateAllocation(
        self, request: allocation_service_pb2.CreateAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Rents a machine."""
        wanted = request.allocation
        wish = Wish(
            machine=wanted.machine,
            display_name=wanted.display_name,
            values={value.key: value.value for value in wanted.variables},
            labels=dict(wanted.labels),
            request_id=request.request_id,
            waits=request.when_full == allocation_service_pb2.WAIT,
            wait_seconds=request.max_wait.ToMilliseconds() / 1000,
            restart_policy=restart_policy_of(wanted.restart_policy),
            volumes={had.path: had.volume for had in wanted.volumes},
            terms=terms_from_wire(wanted),
            resource_class=wanted.resource_class,
        )
        rented, made = await self._admission.rent(call.caller, wish)
        message = self._message(rented)
        for value in message.variables:
            value.value = made.get(value.key, value.value)
        return message

    async def GetAllocation(
        self, request: allocation_service_pb2.GetAllocationRequest, call: Call
    ) -> bytes:
        """Reads one allocation, as the wire has it."""
        found = await self._reading.one(call.caller, request.name)
        newer = self._newer(found)
        if not newer:
            return self._written.of(found)
        # Written messages that follow each other are one message.
        further = allocation_pb2.Allocation(newer_machine_version=newer)
        return self._written.of(found) + further.SerializeToString()

    async def ListAllocations(
        self, request: allocation_service_pb2.ListAllocationsRequest, call: Call
    ) -> allocation_service_pb2.ListAllocationsResponse:
        """Lists allocations, newest first."""
        found, token = await self._reading.page(
            call.caller, request.parent, request.filter, request.page_size, request.page_token
        )
        return allocation_service_pb2.ListAllocationsResponse(
            allocations=map(self._message, found), next_page_token=token
        )

    async def UpdateAllocation(
        self, request: allocation_service_pb2.UpdateAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Changes what its owner may change."""
        wanted = request.allocation
        present = [field.name for field, _ in wanted.ListFields()]
        chosen = chosen_fields(list(request.update_mask.paths), present, _UPDATABLE)
        changes = Changes(
            display_name=wanted.display_name if "display_name" in chosen else None,
            labels=dict(wanted.labels) if "labels" in chosen else None,
            restart=RestartChoice(restart_policy_of(wanted.restart_policy))
            if "restart_policy" in chosen
            else None,
            terms=terms_change(wanted, chosen) if set(TERMS) & set(chosen) else None,
            resource_class=wanted.resource_class if "resource_class" in chosen else None,
        )
        updated = await self._lifecycle.update(
            call.caller, wanted.name, version_of(wanted.etag), changes
        )
        return self._message(updated)

    async def DeleteAllocation(
        self, request: allocation_service_pb2.DeleteAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Has an allocation removed."""
        version = version_of(request.etag)
        if request.keep_volumes:
            await self._reading.one(call.caller, request.name)
            await self._volumes.refuse_to_keep(call.caller, request.name)
        return self._message(
            await self._lifecycle.delete(
                call.caller, request.name, version, keep_volumes=request.keep_volumes
            )
        )

    async def StartAllocation(
        self, request: allocation_service_pb2.StartAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Has an allocation run."""
        waits = request.when_full == allocation_service_pb2.WAIT
        wait_seconds = request.max_wait.ToMilliseconds() / 1000 if waits else None
        await self._reading.one(call.caller, request.name)
        await self._volumes.refuse_full(request.name)
        return self._message(
            await self._lifecycle.start(call.caller, request.name, request.request_id, wait_seconds)
        )

    async def EstimateAllocation(
        self, request: allocation_service_pb2.EstimateAllocationRequest, call: Call
    ) -> allocation_service_pb2.EstimateAllocationResponse:
        """Tells what would come of renting a machine."""
        return estimate_message(await self._estimation.estimate(call.caller, request.machine))

    async def CancelAllocation(
        self, request: allocation_service_pb2.CancelAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Takes an allocation out of the queue."""
        return self._message(await self._queueing.cancel(call.caller, request.name))

    async def PrioritizeAllocation(
        self, request: allocation_service_pb2.PrioritizeAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Puts an allocation at a position of the queue."""
        return self._message(
            await self._queueing.prioritize(call.caller, request.name, request.position or 1)
        )

    async def StopAllocation(
        self, request: allocation_service_pb2.StopAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Has an allocation not run."""
        return self._message(await self._lifecycle.stop(call.caller, request.name))

    async def RestartAllocation(
        self, request: allocation_service_pb2.RestartAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Has the program of an allocation end and start again."""
        return self._message(
            await self._lifecycle.restart(call.caller, request.name, request.request_id)
        )

    async def RecreateAllocation(
        self, request: allocation_service_pb2.RecreateAllocationRequest, call: Call
    ) -> allocation_pb2.Allocation:
        """Has the instance of an allocation made anew."""
        values = {value.key: value.value for value in request.variables}
        remade, made = await self._recreation.recreate(
            call.caller, request.name, values, request.request_id
        )
        message = self._message(remade)
        for value in message.variables:
            value.value = made.get(value.key, value.value)
        return message

    async def InspectAllocation(
        self, request: allocation_service_pb2.InspectAllocationRequest, call: Call
    ) -> allocation_service_pb2.InspectAllocationResponse:
        """Tells all that is known about the instance behind an allocation."""
        return inspection_of(*await self._reading.inspection(call.caller, request.name))

    async def DownloadArchive(
        self, request: allocation_service_pb2.DownloadArchiveRequest, call: Call
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Streams all that there is of an allocation."""
        found = await self._reading.one(call.caller, request.name)
        files = await files_about(self._usage, call.caller, self._message(found))
        size, zipped = await self._archives.of(call.caller, found, files)
        file = f"{request.name.rpartition('/')[2]}.zip"
        call.response_headers.extend(file_headers(file, size))
        async with aclosing(zipped) as pieces:
            async for piece in pieces:
                yield httpbody_pb2.HttpBody(content_type="application/zip", data=piece)

    async def WatchAllocations(
        self, request: allocation_service_pb2.WatchAllocationsRequest, call: Call
    ) -> AsyncIterator[allocation_service_pb2.WatchAllocationsResponse]:
        """Streams allocations: each as it is now, then each time that one changes."""
        owner = owner_seen(call.caller, request.parent)
        if request.name and not request.parent and call.caller.sees_all:
            owner = ""
        async for told in self._watching.stream(owner, request.name):
            yield self._watch_response(told)

    async def GetAllocationUsage(
        self, request: usage_pb2.GetAllocationUsageRequest, call: Call
    ) -> usage_pb2.AllocationUsage:
        """Tells what an allocation was and for how long."""
        told = await self._usage.of_allocation(
            call.caller,
            request.name.removesuffix("/usage"),
            period_in(request),
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return allocation_usage_of(told)

    async def GetMachineUsage(
        self, request: usage_pb2.GetMachineUsageRequest, call: Call
    ) -> usage_pb2.MachineUsage:
        """Tells what all allocations of a machine were."""
        machine = request.name.removesuffix("/usage")
        usage, count = await self._usage.of_machine(call.caller, machine, period_in(request))
        return machine_usage_of(machine, usage, count)

    async def DownloadUsageReport(
        self, request: usage_pb2.DownloadUsageReportRequest, call: Call
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Streams what each allocation was and for how long."""
        report = await self._usage.report(
            call.caller, request.parent, request.allocation, period_in(request)
        )
        is_json = request.format == usage_pb2.DownloadUsageReportRequest.JSON
        ending, media_type = ("json", JSON_TYPE) if is_json else ("csv", CSV_TYPE)
        call.response_headers += [
            ("content-disposition", f'attachment; filename="usage.{ending}"'),
            ("cache-control", "private, no-store"),
        ]
        async for part in json_of(report) if is_json else csv_of(report):
            yield httpbody_pb2.HttpBody(content_type=media_type, data=part)

    def _watch_response(
        self, told: Allocation | Sign
    ) -> allocation_service_pb2.WatchAllocationsResponse:
        if isinstance(told, Allocation):
            return allocation_service_pb2.WatchAllocationsResponse(allocation=self._message(told))
        return allocation_service_pb2.WatchAllocationsResponse(complete=told is Sign.COMPLETE)

    def _newer(self, allocation: Allocation) -> int:
        if allocation.desired is Desired.DELETED:
            return 0
        return self._versions.newer(allocation.machine, allocation.machine_version)

    def _message(self, allocation: Allocation) -> allocation_pb2.Allocation:
        message = message_of(allocation)
        message.newer_machine_version = self._newer(allocation)
        return message
