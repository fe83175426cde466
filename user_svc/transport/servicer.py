"""The services of user_svc, from the wire to the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from allocator.access.v1 import trust_service_pb2
from allocator.users.v1 import session_pb2, session_service_pb2, user_pb2, user_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import (
    PageRequest,
    chosen_fields,
    next_token,
    page_of,
    parse_filter,
    version_of,
)
from chassis.rpc import Call
from user_svc.domain.names import id_of
from user_svc.transport.cookies import RefreshCookies
from user_svc.transport.mapping import (
    FILTER_FIELDS,
    UPDATABLE,
    role_of,
    session_message,
    timestamp,
    trust_message,
    user_message,
)
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.log_in import LogIn, Pair
from user_svc.usecases.sign_up import NewPerson, SignUp
from user_svc.usecases.trust_feed import TrustFeed

_KEY = (datetime, str)


class UserServicer:
    """allocator.users.v1.UserService."""

    def __init__(self, sign_up: SignUp, accounts: Accounts) -> None:
        """Takes the use cases."""
        self._sign_up = sign_up
        self._accounts = accounts

    async def CreateUser(
        self, request: user_service_pb2.CreateUserRequest, call: Call
    ) -> user_service_pb2.CreateUserResponse:
        """Signs a person up."""
        person = NewPerson(
            email=request.user.email,
            password=request.password,
            phone_number=request.user.phone_number,
            given_name=request.user.given_name,
            family_name=request.user.family_name,
        )
        await self._sign_up.register(person, call.address, request.request_id)
        return user_service_pb2.CreateUserResponse(
            email=request.user.email, verification_required=True
        )

    async def GetUser(self, request: user_service_pb2.GetUserRequest, call: Call) -> user_pb2.User:
        """Reads one account."""
        return user_message(await self._accounts.read(call.caller, request.name))

    async def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, call: Call
    ) -> user_service_pb2.ListUsersResponse:
        """Lists accounts."""
        conditions = parse_filter(request.filter, FILTER_FIELDS)
        page = page_of(request.page_size, request.page_token, request.filter, key=_KEY)
        found = await self._accounts.find(conditions, page.after, page.size + 1)
        return user_service_pb2.ListUsersResponse(
            users=[user_message(account) for account in found[: page.size]],
            next_page_token=_token_after(found, page, request.filter),
        )

    async def UpdateUser(
        self, request: user_service_pb2.UpdateUserRequest, call: Call
    ) -> user_pb2.User:
        """Changes the names of a person."""
        user = request.user
        present = [field for field in UPDATABLE if getattr(user, field)]
        fields = chosen_fields(request.update_mask.paths, present, UPDATABLE)
        changes = {field: str(getattr(user, field)) for field in fields}
        account = await self._accounts.update(
            call.caller, user.name, changes, version_of(user.etag)
        )
        return user_message(account)

    async def SendVerificationCode(
        self, request: user_service_pb2.SendVerificationCodeRequest, call: Call
    ) -> Empty:
        """Has a new one-time code sent."""
        await self._sign_up.send_code(request.email)
        return Empty()

    async def VerifyUser(self, request: user_service_pb2.VerifyUserRequest, call: Call) -> Empty:
        """Shows by the one-time code that the address is the person's."""
        await self._sign_up.verify(request.email, request.code)
        return Empty()

    async def ChangePassword(
        self, request: user_service_pb2.ChangePasswordRequest, call: Call
    ) -> Empty:
        """Changes the caller's password."""
        await self._accounts.change_password(
            call.caller, request.name, request.current_password, request.new_password
        )
        return Empty()

    async def GrantRole(
        self, request: user_service_pb2.GrantRoleRequest, call: Call
    ) -> user_pb2.User:
        """Gives a person a role."""
        role = role_of(request.role)
        return user_message(await self._accounts.grant(call.caller, request.name, role))

    async def RevokeRole(
        self, request: user_service_pb2.RevokeRoleRequest, call: Call
    ) -> user_pb2.User:
        """Takes a role from a person."""
        role = role_of(request.role)
        return user_message(await self._accounts.revoke(call.caller, request.name, role))

    async def DisableUser(
        self, request: user_service_pb2.DisableUserRequest, call: Call
    ) -> user_pb2.User:
        """Disables an account."""
        return user_message(await self._accounts.disable(call.caller, request.name))

    async def EnableUser(
        self, request: user_service_pb2.EnableUserRequest, call: Call
    ) -> user_pb2.User:
        """Lets a disabled account log in again."""
        return user_message(await self._accounts.enable(call.caller, request.name))


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
        pair = await self._log_in.open(
            request.email, request.password, call.address, call.metadata.get("user-agent", "")
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
        return self._answer(await self._log_in.refresh(token), call, by_cookie=by_cookie)

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
            sessions=messages, next_page_token=_token_after(found, page, call.caller.user)
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


def _token_after(found: Sequence[Any], page: PageRequest, *bound: object) -> str:
    """The token of the next page, where one more was found than the page holds."""
    if len(found) <= page.size:
        return ""
    last = found[page.size - 1]
    return next_token((last.create_time, last.id), *bound)
