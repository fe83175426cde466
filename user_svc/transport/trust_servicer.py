"""allocator.access.v1.TrustService, from the wire to the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allocator.access.v1 import trust_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.rpc import Call
from user_svc.transport.session_mapping import trust_message
from user_svc.usecases.access_tokens import AccessTokens
from user_svc.usecases.trust_feed import TrustFeed


class TrustServicer:
    """allocator.access.v1.TrustService."""

    def __init__(self, feed: TrustFeed, tokens: AccessTokens) -> None:
        """Takes the use cases."""
        self._feed = feed
        self._tokens = tokens

    async def WatchTrust(
        self, request: trust_service_pb2.WatchTrustRequest, call: Call
    ) -> AsyncIterator[trust_service_pb2.TrustUpdate]:
        """Streams keys and revocations."""
        async for change in self._feed.watch():
            yield trust_message(change)

    async def NoteAccessTokenUse(
        self, request: trust_service_pb2.NoteAccessTokenUseRequest, call: Call
    ) -> Empty:
        """Notes that personal access tokens were used."""
        await self._tokens.note_use(request.access_tokens)
        return Empty()
