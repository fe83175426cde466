"""People and machines, asked of the broker's directory over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.directory.v1 import directory_service_pb2, directory_service_pb2_grpc
from allocator.users.v1 import user_pb2

from chassis.faults import NotFound
from chassis.rpc import ask
from notifier.domain.notice import Person

if TYPE_CHECKING:
    import grpc


class GrpcDirectory:
    """A Directory over DirectoryService.

    Args:
        channel: to the broker.
        timeout_seconds: how long it may take to answer.
    """

    def __init__(self, channel: grpc.aio.Channel, timeout_seconds: float) -> None:
        self._stub = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    async def person(self, user: str, min_version: int = 0) -> Person | None:
        """A person, as of that version at least; None where there is none any more."""
        request = directory_service_pb2.GetUserRequest(name=user, min_version=min_version)
        try:
            answer = await ask(self._stub.GetUser, request, timeout=self._timeout_seconds)
        except NotFound:
            return None
        return _person(answer.user)

    async def machine(self, name: str) -> tuple[str, str] | None:
        """The title of a machine and its publisher; None where there is none any more."""
        request = directory_service_pb2.GetMachineRequest(name=name)
        try:
            answer = await ask(self._stub.GetMachine, request, timeout=self._timeout_seconds)
        except NotFound:
            return None
        return answer.machine.title or name.rpartition("/")[2], answer.machine.publisher


def _person(user: user_pb2.User) -> Person:
    if user.state == user_pb2.User.DISABLED:
        return Person(user.name, language=user.language_code)
    # An account of the time before phones were verified says `verified` alone, and means the address.
    by_email = user.email_verified or (user.verified and not user.phone_verified)
    return Person(
        user.name,
        email=user.email if by_email else "",
        phone=user.phone_number if user.phone_verified else "",
        language=user.language_code or "en",
    )
