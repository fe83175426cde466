"""`ContainerService`: from the wire to the use cases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TypeVar

from allocator.containers.v1 import container_service_pb2 as service_pb2
from allocator.containers.v1 import instance_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.faults import Unavailable
from chassis.rpc import Call
from docker_svc.transport.activity_servicing import ActivityServicing
from docker_svc.transport.log_servicing import LogServicing
from docker_svc.transport.mapping import (
    instance_to_wire,
    key_from_wire,
    limits_from_wire,
    node_standing_to_wire,
    node_to_wire,
    progress_to_wire,
    spec_from_wire,
    told_to_wire,
    usage_to_wire,
)
from docker_svc.transport.volume_servicing import VolumeServicing
from docker_svc.usecases.duty import Duty

T = TypeVar("T")


class _Stopping(Unavailable):
    """The service is stopping."""

    reason = "SERVICE_STOPPING"


class ContainerServicer(ActivityServicing, LogServicing, VolumeServicing):
    """Serves `ContainerService`."""

    def __init__(self, duty: Duty, draining: asyncio.Event) -> None:
        """Keeps where the use cases are found, and the sign that the process begins to stop."""
        super().__init__(duty)
        self._duty = duty
        self._draining = draining

    async def EnsureInstance(
        self, request: service_pb2.EnsureInstanceRequest, call: Call
    ) -> instance_pb2.Instance:
        """Makes an instance and starts it, unless it is there."""
        del call
        key = key_from_wire(request.allocation, request.generation)
        with self._duty.working() as work:
            return instance_to_wire(await work.instances.ensure(key, spec_from_wire(request.spec)))

    async def StartInstance(
        self, request: service_pb2.StartInstanceRequest, call: Call
    ) -> instance_pb2.Instance:
        """Starts an instance that has ended."""
        del call
        key = key_from_wire(request.allocation, request.generation)
        with self._duty.working() as work:
            return instance_to_wire(await work.instances.start(key, limits_from_wire(request)))

    async def StopInstance(
        self, request: service_pb2.StopInstanceRequest, call: Call
    ) -> instance_pb2.Instance:
        """Begins to stop an instance."""
        del call
        key = key_from_wire(request.allocation, request.generation)
        grace = (
            max(0.0, request.grace.ToTimedelta().total_seconds())
            if request.HasField("grace")
            else None
        )
        with self._duty.working() as work:
            return instance_to_wire(await work.instances.stop(key, grace))

    async def RestartInstance(
        self, request: service_pb2.RestartInstanceRequest, call: Call
    ) -> instance_pb2.Instance:
        """Begins to restart an instance."""
        del call
        key = key_from_wire(request.allocation, request.generation)
        with self._duty.working() as work:
            return instance_to_wire(
                await work.instances.restart(key, request.incarnation, limits_from_wire(request))
            )

    async def RemoveInstance(self, request: service_pb2.RemoveInstanceRequest, call: Call) -> Empty:
        """Removes the instances of an allocation."""
        del call
        with self._duty.working() as work:
            await work.instances.remove(key_from_wire(request.allocation, request.generation))
        return Empty()

    async def GetInstance(
        self, request: service_pb2.GetInstanceRequest, call: Call
    ) -> instance_pb2.Instance:
        """The instance of an allocation."""
        del call
        with self._duty.working() as work:
            return instance_to_wire(await work.instances.get(request.allocation))

    async def ListInstances(
        self, request: service_pb2.ListInstancesRequest, call: Call
    ) -> service_pb2.ListInstancesResponse:
        """Every instance."""
        del request, call
        with self._duty.working() as work:
            found = await work.instances.list_all()
        return service_pb2.ListInstancesResponse(instances=map(instance_to_wire, found))

    async def WatchInstances(
        self, request: service_pb2.WatchInstancesRequest, call: Call
    ) -> AsyncIterator[service_pb2.InstanceEvent]:
        """Each change, from now on."""
        del request, call
        with self._duty.working() as work:
            async with aclosing(self._until_draining(work.instances.watch())) as told:
                async for one in told:
                    yield told_to_wire(one)

    async def FollowStats(
        self, request: service_pb2.FollowStatsRequest, call: Call
    ) -> AsyncIterator[service_pb2.InstanceStats]:
        """What an instance uses, while it runs."""
        del call
        with self._duty.working() as work:
            usages = work.instances.stats(request.allocation)
            async with aclosing(self._until_draining(usages)) as following:
                async for usage in following:
                    yield usage_to_wire(usage)

    async def PullImage(
        self, request: service_pb2.PullImageRequest, call: Call
    ) -> AsyncIterator[service_pb2.PullProgress]:
        """Fetches an image ahead of its use."""
        del call
        with self._duty.working() as work:
            async with aclosing(self._until_draining(work.node.pull(request.image))) as steps:
                async for step in steps:
                    yield progress_to_wire(step)

    async def ListNodes(
        self, request: service_pb2.ListNodesRequest, call: Call
    ) -> service_pb2.ListNodesResponse:
        """The nodes that instances run on."""
        del request, call
        with self._duty.working() as work:
            return service_pb2.ListNodesResponse(
                nodes=map(node_standing_to_wire, await work.node.list_all())
            )

    async def DrainNode(self, request: service_pb2.DrainNodeRequest, call: Call) -> Empty:
        """Has a node take no more instances."""
        del call
        with self._duty.working() as work:
            await work.node.drain(request.node, request.reason)
        return Empty()

    async def ActivateNode(self, request: service_pb2.ActivateNodeRequest, call: Call) -> Empty:
        """Has a node take instances again."""
        del call
        with self._duty.working() as work:
            await work.node.activate(request.node)
        return Empty()

    async def GetNode(self, request: service_pb2.GetNodeRequest, call: Call) -> instance_pb2.Node:
        """What this node is and has."""
        del request, call
        with self._duty.working() as work:
            return node_to_wire(
                await work.node.capacity(),
                name=work.node.name,
                runtime=work.node.runtime_name,
                public_host=work.node.public_host,
                drained=await work.node.is_drained(),
            )

    async def _until_draining(self, stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """A stream that ends with a fault when the process begins to stop."""
        draining = asyncio.ensure_future(self._draining.wait())
        async with aclosing(stream):
            coming: asyncio.Future[T] | None = None
            try:
                while True:
                    coming = asyncio.ensure_future(anext(stream))
                    await asyncio.wait({coming, draining}, return_when=asyncio.FIRST_COMPLETED)
                    if not coming.done():
                        raise _Stopping("The service is stopping; ask again at once.")
                    try:
                        one = coming.result()
                    except StopAsyncIteration:
                        return
                    yield one
            finally:
                draining.cancel()
                if coming is not None:
                    # A generator that still runs cannot be closed; what it says last is heard here.
                    coming.cancel()
                    await asyncio.gather(coming, return_exceptions=True)
