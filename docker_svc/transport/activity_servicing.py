"""The method of `ContainerService` that tells when instances were last in use."""

from __future__ import annotations

from datetime import datetime

from allocator.containers.v1 import container_service_pb2 as service_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.rpc import Call
from docker_svc.domain.activity import Activity
from docker_svc.usecases.duty import Duty


class ActivityServicing:
    """GetActivity, for the servicer to inherit.

    Args:
        duty: where instances are watched.
    """

    def __init__(self, duty: Duty) -> None:
        self._duty = duty

    async def GetActivity(
        self, request: service_pb2.GetActivityRequest, call: Call
    ) -> service_pb2.GetActivityResponse:
        """When instances were last in use."""
        del call
        with self._duty.working() as work:
            seen, now = await work.activity.seen(request.allocations)
        return service_pb2.GetActivityResponse(activities=map(_wire, seen), observe_time=_time(now))


def _wire(activity: Activity) -> service_pb2.Activity:
    return service_pb2.Activity(
        allocation=activity.allocation,
        watch_time=_time(activity.watch_time),
        network_time=_time(activity.network_time),
        cpu_time=_time(activity.cpu_time),
        connection_time=_time(activity.connection_time),
        watcher_time=_time(activity.watcher_time),
    )


def _time(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    time = Timestamp()
    time.FromDatetime(instant)
    return time
