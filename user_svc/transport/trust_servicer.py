"""allocator.access.v1.TrustService, from the wire to the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allocator.access.v1 import trust_service_pb2

from chassis.rpc import Call
from user_svc.transport.session_mapping import trust_message
from user_svc.usecases.trust_feed import TrustFeed


class TrustServicer:
    """allocator.access.v1.TrustService."""

    def __init__(self, feed: TrustFeed) -> None:
        """Takes the use case."""
        self._feed = feed

    async def WatchTrust(
        self, request: trust_service_pb2.WatchTrustRequest, call: Call
    ) -> AsyncIterator[trust_service_pb2.TrustUpdate]:
        """Streams keys and revocations."""
        async for change in self._feed.watch():
            yield trust_message(change)
