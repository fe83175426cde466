"""allocator.users.v1.InvitationService, from the wire to the use case."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from allocator.users.v1 import invitation_facts_pb2, invitation_pb2, invitation_service_pb2
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.clock import Clock, instant_of
from chassis.listing import page_of
from chassis.rpc import Call
from user_svc.domain.invitation import Invitation, InvitationFact
from user_svc.domain.names import id_of
from user_svc.transport.mapping import timestamp
from user_svc.transport.pages import token_after
from user_svc.usecases.invitations import Invitations, Wanted
from user_svc.usecases.sign_up import Mode

_KEY = (datetime, str)
_STATE = invitation_pb2.Invitation.State
_MODES = {
    Mode.OPEN: invitation_pb2.SignUpPolicy.OPEN,
    Mode.INVITE: invitation_pb2.SignUpPolicy.INVITE,
    Mode.CLOSED: invitation_pb2.SignUpPolicy.CLOSED,
}

_FACTS: dict[InvitationFact, type[Message]] = {
    InvitationFact.CREATED: invitation_facts_pb2.InvitationCreated,
    InvitationFact.DELETED: invitation_facts_pb2.InvitationDeleted,
}


class InvitationServicer:
    """allocator.users.v1.InvitationService.

    Args:
        invitations: the use case.
        mode: who can sign up here.
        clock: tells which have ended.
    """

    def __init__(self, invitations: Invitations, mode: Mode, clock: Clock) -> None:
        self._invitations = invitations
        self._mode = mode
        self._clock = clock

    async def GetSignUpPolicy(
        self, request: invitation_service_pb2.GetSignUpPolicyRequest, call: Call
    ) -> invitation_pb2.SignUpPolicy:
        """Says who can sign up."""
        return invitation_pb2.SignUpPolicy(mode=_MODES[self._mode])

    async def CreateInvitation(
        self, request: invitation_service_pb2.CreateInvitationRequest, call: Call
    ) -> invitation_pb2.Invitation:
        """Makes one."""
        asked = request.invitation
        wanted = Wanted(
            title=asked.title,
            email=asked.email,
            language_code=asked.language_code,
            max_uses=asked.max_uses or 1,
            expire_time=instant_of(asked.expire_time.ToMilliseconds())
            if asked.HasField("expire_time")
            else None,
        )
        made, code = await self._invitations.create(call.caller, wanted)
        return self._message(made, code)

    async def GetInvitation(
        self, request: invitation_service_pb2.GetInvitationRequest, call: Call
    ) -> invitation_pb2.Invitation:
        """Reads one."""
        return self._message(await self._invitations.read(id_of(request.name)))

    async def ListInvitations(
        self, request: invitation_service_pb2.ListInvitationsRequest, call: Call
    ) -> invitation_service_pb2.ListInvitationsResponse:
        """Lists them."""
        page = page_of(request.page_size, request.page_token, key=_KEY)
        found = await self._invitations.find(page.after, page.size + 1)
        return invitation_service_pb2.ListInvitationsResponse(
            invitations=[self._message(one) for one in found[: page.size]],
            next_page_token=token_after(found, page),
        )

    async def DeleteInvitation(
        self, request: invitation_service_pb2.DeleteInvitationRequest, call: Call
    ) -> Empty:
        """Withdraws one."""
        await self._invitations.delete(id_of(request.name))
        return Empty()

    def _message(self, one: Invitation, code: str = "") -> invitation_pb2.Invitation:
        """An invitation on the wire; with its code only in the answer that makes it."""
        state = _STATE.ACTIVE
        if one.use_count >= one.max_uses:
            state = _STATE.USED_UP
        elif self._clock.now() >= one.expire_time:
            state = _STATE.ENDED
        return invitation_pb2.Invitation(
            name=one.name,
            title=one.title,
            email=one.email,
            max_uses=one.max_uses,
            expire_time=timestamp(one.expire_time),
            use_count=one.use_count,
            state=state,
            creator=one.creator,
            create_time=timestamp(one.create_time),
            code=code,
        )


def invitation_records(kind: InvitationFact, one: Invitation, now: datetime) -> Sequence[Record]:
    """That an invitation was made or withdrawn, as a record of the bus; there is no topic of states."""
    return fact_records(
        noun="users",
        source="user_svc",
        fact=_FACTS[kind](name=one.name),
        resource=None,
        key=one.name,
        version=0,
        now=now,
    )[:1]
