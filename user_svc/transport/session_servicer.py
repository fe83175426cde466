"""allocator.users.v1.SessionService, from the wire to the use cases."""

from __future__ import annotations

from datetime import datetime

from allocator.users.v1 import session_pb2, session_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import page_of
from chassis.rpc import Call
from user_svc.domain.names import id_of
from user_svc.transport.cookies import RefreshCookies
from user_svc.transport.mapping import timestamp, user_message
from user_svc.transport.pages import token_after
from user_svc.transport.session_mapping import session_message
from user_svc.usecases.log_in import LogIn, Pair
from user_svc.usecases.second_factor import Proof

_KEY = (datetime, str)


class SessionServicer:
    """allocator.users.v1.SessionService."""

    def __init__(self, log_in: LogIn, cookies: RefreshCookies) -> None:
        """Takes the use case, and the cookies of browsers."""
        self._log_in = log_in
        self._cookies = cookies

    async def CreateSession(
        self, request: session_service_pb2.CreateSessionRequest, call: Call
    ) -> session_pb2.Session:
        """Logs a person in."""
        if request.cookie:
            self._cookies.check_origin(call.metadata, needed=False)
        proof = Proof(totp_code=request.totp_code, recovery_code=request.recovery_code)
        pair = await self._log_in.open(
            request.email,
            request.password,
            call.address,
            call.metadata.get("user-agent", ""),
            proof,
        )
        return self._answer(pair, call, by_cookie=request.cookie)

    async def RefreshSession(
        self, request: session_service_pb2.RefreshSessionRequest, call: Call
    ) -> session_pb2.Session:
        """Exchanges a refresh token for the next pair of tokens."""
        token = request.refresh_token
        by_cookie = not token
        if by_cookie:
            token = self._cookies.token_in(call.metadata)
            if token:
                self._cookies.check_origin(call.metadata, needed=True)
        pair = await self._log_in.refresh(token, call.address, call.metadata.get("user-agent", ""))
        return self._answer(pair, call, by_cookie=by_cookie)

    async def ListSessions(
        self, request: session_service_pb2.ListSessionsRequest, call: Call
    ) -> session_service_pb2.ListSessionsResponse:
        """Lists the caller's open sessions."""
        page = page_of(request.page_size, request.page_token, call.caller.user, key=_KEY)
        found = await self._log_in.list_open(call.caller, page.after, page.size + 1)
        messages = [session_message(one, call.caller.session) for one in found[: page.size]]
        for message in messages:
            message.user.name = call.caller.user
        return session_service_pb2.ListSessionsResponse(
            sessions=messages, next_page_token=token_after(found, page, call.caller.user)
        )

    async def DeleteSession(
        self, request: session_service_pb2.DeleteSessionRequest, call: Call
    ) -> Empty:
        """Logs out."""
        every = request.name == "sessions/-"
        await self._log_in.end(call.caller, "" if every else id_of(request.name))
        if every or request.name == call.caller.session:
            call.response_headers.append(self._cookies.clear_header(call.metadata))
        return Empty()

    def _answer(self, pair: Pair, call: Call, *, by_cookie: bool) -> session_pb2.Session:
        message = session_message(pair.session, pair.session.name)
        message.access_token = pair.access_token
        message.expire_time.CopyFrom(timestamp(pair.expire_time))
        message.user.CopyFrom(user_message(pair.account))
        if by_cookie:
            call.response_headers.append(
                self._cookies.set_header(call.metadata, pair.refresh_token, pair.refresh_lifetime)
            )
        else:
            message.refresh_token = pair.refresh_token
        return message
