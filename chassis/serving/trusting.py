"""What every process does to know which tokens are good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

from allocator.access.v1 import trust_service_pb2, trust_service_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.faults import Fault
from chassis.identity import Revocation, TrustUpdate
from chassis.rpc import ask, follow
from chassis.serving.platform import Platform, Shared
from chassis.serving.service import Task

_WATCH_SECONDS = 3600.0
_NOTE_SECONDS = 10.0
_NOTE_TIMEOUT_SECONDS = 5.0


def trust_tasks(platform: Platform, shared: Shared) -> tuple[Task, ...]:
    """Follows keys and revocations, and tells which personal access tokens were used here.

    Args:
        platform: of a service of this process, for whom user_svc is asked.
        shared: what the services of this process share.
    """
    stub = trust_service_pb2_grpc.TrustServiceStub(platform.channel("user_svc"))

    async def watch() -> AsyncIterator[TrustUpdate]:
        request = trust_service_pb2.WatchTrustRequest()
        async for update in follow(stub.WatchTrust, request, timeout=_WATCH_SECONDS):
            yield _trust_update(update)

    async def note_use() -> None:
        while True:
            await shared.clock.sleep(_NOTE_SECONDS)
            used = shared.trust.take_used()
            if used:
                request = trust_service_pb2.NoteAccessTokenUseRequest(access_tokens=used)
                # Where user_svc is away, it is noted at the next use.
                with suppress(Fault):
                    await ask(stub.NoteAccessTokenUse, request, timeout=_NOTE_TIMEOUT_SECONDS)

    return (
        Task("chassis.trust", lambda: shared.trust.run(watch, shared.draining)),
        Task("chassis.token_use", note_use),
    )


def _seconds(time: Timestamp) -> float:
    """Seconds since 1970, in the very number that a token has for the same millisecond.

    Another way of dividing gives one that differs in the last bit, and then a token which was made with a
    change would count as older than the change.
    """
    return time.ToMilliseconds() / 1000


def _trust_update(update: trust_service_pb2.TrustUpdate) -> TrustUpdate:
    return TrustUpdate(
        keys={key.id: key.public_key for key in update.keys},
        revocations=[
            Revocation(
                user=one.user,
                session=one.session,
                issued_before=_seconds(one.issued_before),
                expires=_seconds(one.expire_time),
                access_token=one.access_token,
            )
            for one in update.revocations
        ],
        more=update.more,
    )
