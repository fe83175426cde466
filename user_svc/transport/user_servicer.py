"""allocator.users.v1.UserService, from the wire to the use cases."""

from __future__ import annotations

from datetime import datetime

from allocator.users.v1 import user_pb2, user_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import chosen_fields, page_of, parse_filter, version_of
from chassis.rpc import Call
from user_svc.transport.mapping import FILTER_FIELDS, UPDATABLE, role_of, user_message
from user_svc.transport.pages import token_after
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.sign_up import NewPerson, SignUp

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
            next_page_token=token_after(found, page, request.filter),
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
