"""Accounts between the wire and the domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from allocator.users.v1 import user_facts_pb2, user_pb2, user_service_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.listing import FilterField, etag_of
from user_svc.domain.account import Account, Fact, FactKind, Role, State
from user_svc.domain.contact import Contact, email, email_key, phone

FILTER_FIELDS: Mapping[str, FilterField] = {
    "role": FilterField.choice([role.value for role in Role]),
    "state": FilterField.choice([state.value for state in State]),
    "email": FilterField.text(),
    "phone_number": FilterField.text(),
    "create_time": FilterField.time(),
    "verified": FilterField.flag(),
}
"""What ListUsers can be filtered by."""

ORDERS: Mapping[str, Callable[[Account], datetime | str]] = {
    "create_time": lambda account: account.create_time,
    "update_time": lambda account: account.update_time,
    "email": lambda account: email_key(account.email),
}
"""What ListUsers can be ordered by, with the value that an account has there."""

UPDATABLE = ("given_name", "family_name", "language_code")
"""What UpdateUser can change."""

_STATES = {State.ACTIVE: user_pb2.User.ACTIVE, State.DISABLED: user_pb2.User.DISABLED}
_ROLES = {Role.ADMIN: user_pb2.User.ADMIN}
_FACTS: Mapping[FactKind, type[Message]] = {
    FactKind.REGISTERED: user_facts_pb2.UserRegistered,
    FactKind.VERIFIED: user_facts_pb2.UserVerified,
    FactKind.UPDATED: user_facts_pb2.UserUpdated,
    FactKind.ROLES_CHANGED: user_facts_pb2.UserRolesChanged,
    FactKind.DISABLED: user_facts_pb2.UserDisabled,
    FactKind.ENABLED: user_facts_pb2.UserEnabled,
    FactKind.CONTACT_CHANGED: user_facts_pb2.UserContactChanged,
}


ContactRequest = (
    user_service_pb2.SendVerificationCodeRequest
    | user_service_pb2.VerifyUserRequest
    | user_service_pb2.RequestPasswordResetRequest
    | user_service_pb2.ResetPasswordRequest
    | user_service_pb2.ChangeContactRequest
)
"""What carries an e-mail address or a phone number."""


def timestamp(instant: datetime) -> Timestamp:
    """An instant on the wire."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def user_message(account: Account) -> user_pb2.User:
    """An account on the wire: everything but what proves the password."""
    return user_pb2.User(
        name=account.name,
        uid=account.uid,
        email=account.email,
        phone_number=account.phone_number,
        given_name=account.given_name,
        family_name=account.family_name,
        verified=account.verified,
        roles=[_ROLES[role] for role in sorted(account.roles, key=lambda role: role.value)],
        state=_STATES[account.state],
        etag=etag_of(account.version),
        language_code=account.language_code,
        email_verified=account.email_verified,
        phone_verified=account.phone_verified,
        disable_reason=account.disable_reason,
        create_time=timestamp(account.create_time),
        update_time=timestamp(account.update_time),
    )


def contact_of(message: ContactRequest) -> Contact:
    """The contact in a request; the contract lets none in without one."""
    if message.WhichOneof("contact") == "phone_number":
        return phone(message.phone_number)
    return email(message.email)


def role_of(role: user_pb2.User.Role.ValueType) -> Role:
    """A role from the wire; the contract lets no other in."""
    return Role(user_pb2.User.Role.Name(role))


def user_records(fact: Fact) -> Sequence[Record]:
    """A fact as records of the bus; after the end of an account a tombstone."""
    account = fact.account
    time = fact.time or account.update_time
    is_end = fact.kind is FactKind.DELETED
    user = None if is_end else user_message(account)
    message = (
        user_facts_pb2.UserDeleted(name=account.name, uid=account.uid, delete_time=timestamp(time))
        if is_end
        else _FACTS[fact.kind](user=user)
    )
    return fact_records(
        noun="users",
        source="user_svc",
        fact=message,
        resource=user,
        key=account.name,
        version=account.version + 1 if is_end else account.version,
        now=time,
    )
