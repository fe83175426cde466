"""What replicas ask of each other."""

from __future__ import annotations

from collections.abc import Mapping

from allocator.replicas.v1 import replica_service_pb2 as wire

from chassis.faults import Forbidden
from chassis.leading.leadership import Leadership
from chassis.leading.port import LeaseLost
from chassis.rpc.call import Call


class ReplicaServicer:
    """Serves allocator.replicas.v1.ReplicaService for every service of a process."""

    def __init__(self, leaderships: Mapping[str, Leadership]) -> None:
        """Keeps them, by the name of their service; others may be added later."""
        self._leaderships = leaderships

    async def Wake(self, request: wire.WakeRequest, call: Call) -> wire.WakeResponse:  # noqa: N802
        """See the contract."""
        if call.caller.service != request.service:
            raise Forbidden("A service wakes its own leader only.")
        leadership = self._leaderships.get(request.service)
        if leadership is None:
            raise LeaseLost(f"{request.service} does not run here.")
        leadership.heard(request.keys)
        return wire.WakeResponse()
