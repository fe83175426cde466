"""When instances were last in use, asked of docker_svc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc
from allocator.containers.v1 import container_service_pb2, container_service_pb2_grpc

from chassis.rpc import ask


class GrpcActivity:
    """Asks docker_svc. Only spans are taken over, since its clock may be another one."""

    def __init__(self, channel: grpc.aio.Channel, *, call_seconds: float = 30.0) -> None:
        """Asks over a channel, and waits so many seconds for an answer."""
        self._stub = container_service_pb2_grpc.ContainerServiceStub(channel)
        self._seconds = call_seconds

    async def idle_seconds(self, allocations: Sequence[str]) -> Mapping[str, float]:
        """For how long the instances of allocations have not been in use."""
        request = container_service_pb2.GetActivityRequest(allocations=allocations)
        answer = await ask(self._stub.GetActivity, request, timeout=self._seconds)
        now = answer.observe_time.ToNanoseconds()
        return {
            activity.allocation: max(0, now - _last(activity)) / 1e9
            for activity in answer.activities
        }


def _last(activity: container_service_pb2.Activity) -> int:
    """When the latest sign was seen, in nanoseconds since 1970: what was never seen is at 0."""
    signs = (
        activity.watch_time,
        activity.network_time,
        activity.cpu_time,
        activity.connection_time,
        activity.watcher_time,
    )
    return int(max(sign.ToNanoseconds() for sign in signs))
