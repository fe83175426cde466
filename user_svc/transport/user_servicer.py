"""allocator.users.v1.UserService, from the wire to the use cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from allocator.users.v1 import user_pb2, user_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.listing import chosen_fields, page_of, parse_filter, parse_order, version_of
from chassis.rpc import Call
from user_svc.domain.account import Account
from user_svc.domain.contact import ContactKind
from user_svc.transport.mapping import (
    FILTER_FIELDS,
    ORDERS,
    UPDATABLE,
    contact_of,
    role_of,
    user_message,
)
from user_svc.transport.pages import token_after
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.contacts import Contacts
from user_svc.usecases.leaving import Leaving
from user_svc.usecases.password_reset import PasswordReset
from user_svc.usecases.sign_up import NewPerson, SignUp

_BY_PHONE = user_service_pb2.CreateUserRequest.PHONE


@dataclass(frozen=True, slots=True)
class People:
    """What people do with accounts: the use cases."""

    sign_up: SignUp
    keeping: Accounts
    reset: PasswordReset
    contacts: Contacts
    leaving: Leaving


class UserServicer:
    """allocator.users.v1.UserService."""

    def __init__(self, people: People) -> None:
        """Takes the use cases."""
        self._sign_up = people.sign_up
        self._accounts = people.keeping
        self._reset = people.reset
        self._contacts = people.contacts
        self._leaving = people.leaving

    async def CreateUser(
        self, request: user_service_pb2.CreateUserRequest, call: Call
    ) -> user_service_pb2.CreateUserResponse:
        """Signs a person up."""
        by_phone = request.verify_by == _BY_PHONE
        person = NewPerson(
            email=request.user.email,
            password=request.password,
            phone_number=request.user.phone_number,
            given_name=request.user.given_name,
            family_name=request.user.family_name,
            language_code=request.user.language_code,
            verify_by=ContactKind.PHONE if by_phone else ContactKind.EMAIL,
            invitation_code=request.invitation_code,
        )
        await self._sign_up.register(person, call.address, request.request_id)
        return user_service_pb2.CreateUserResponse(
            email="" if by_phone else person.email,
            phone_number=person.phone_number if by_phone else "",
            verification_required=True,
        )

    async def GetUser(self, request: user_service_pb2.GetUserRequest, call: Call) -> user_pb2.User:
        """Reads one account."""
        return user_message(await self._accounts.read(call.caller, request.name))

    async def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, call: Call
    ) -> user_service_pb2.ListUsersResponse:
        """Lists accounts."""
        conditions = parse_filter(request.filter, FILTER_FIELDS)
        order = parse_order(request.order_by, ORDERS, "create_time desc")
        bound = (request.filter, request.order_by)
        kinds = [str if field == "email" else datetime for field, _ in order]
        page = page_of(request.page_size, request.page_token, *bound, key=[*kinds, str])
        found = await self._accounts.find(conditions, order, page.after, page.size + 1)

        def key(account: Account) -> Sequence[datetime | str]:
            return [*(ORDERS[field](account) for field, _ in order), account.id]

        return user_service_pb2.ListUsersResponse(
            users=[user_message(account) for account in found[: page.size]],
            next_page_token=token_after(found, page, *bound, key=key),
        )

    async def UpdateUser(
        self, request: user_service_pb2.UpdateUserRequest, call: Call
    ) -> user_pb2.User:
        """Changes the names of a person, or their language."""
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
        await self._sign_up.send_code(contact_of(request), call.address)
        return Empty()

    async def VerifyUser(self, request: user_service_pb2.VerifyUserRequest, call: Call) -> Empty:
        """Shows by the one-time code that the address or number is the person's."""
        await self._sign_up.verify(contact_of(request), request.code)
        return Empty()

    async def ChangePassword(
        self, request: user_service_pb2.ChangePasswordRequest, call: Call
    ) -> Empty:
        """Changes the caller's password."""
        await self._accounts.change_password(
            call.caller, request.name, request.current_password, request.new_password
        )
        return Empty()

    async def RequestPasswordReset(
        self, request: user_service_pb2.RequestPasswordResetRequest, call: Call
    ) -> Empty:
        """Has a code sent with which a forgotten password can be replaced."""
        await self._reset.request(contact_of(request), call.address)
        return Empty()

    async def ResetPassword(
        self, request: user_service_pb2.ResetPasswordRequest, call: Call
    ) -> Empty:
        """Replaces a forgotten password."""
        contact = contact_of(request)
        await self._reset.reset(contact, request.code, request.new_password, call.address)
        return Empty()

    async def ChangeContact(
        self, request: user_service_pb2.ChangeContactRequest, call: Call
    ) -> user_service_pb2.ChangeContactResponse:
        """Has a code sent to another e-mail address or phone number."""
        needed = await self._contacts.change(
            call.caller, request.name, contact_of(request), request.current_password, call.address
        )
        return user_service_pb2.ChangeContactResponse(confirmation_required=needed)

    async def ConfirmContact(
        self, request: user_service_pb2.ConfirmContactRequest, call: Call
    ) -> user_pb2.User:
        """Changes the e-mail address or phone number."""
        return user_message(await self._contacts.confirm(call.caller, request.name, request.code))

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, call: Call) -> Empty:
        """Ends an account."""
        await self._leaving.delete(
            call.caller, request.name, request.current_password, version_of(request.etag)
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
        account = await self._accounts.disable(call.caller, request.name, request.reason)
        return user_message(account)

    async def EnableUser(
        self, request: user_service_pb2.EnableUserRequest, call: Call
    ) -> user_pb2.User:
        """Lets a disabled account log in again."""
        return user_message(await self._accounts.enable(call.caller, request.name))
