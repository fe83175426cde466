"""Accounts between the wire and the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from allocator.users.v1 import user_facts_pb2, user_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.bus import Record
from chassis.bus.facts import fact_records
from chassis.listing import FilterField, etag_of
from user_svc.domain.account import Account, Fact, FactKind, Role, State

FILTER_FIELDS: Mapping[str, FilterField] = {
    "state": FilterField.choice([state.value for state in State]),
    "email": FilterField.text(),
    "verified": FilterField.flag(),
}
"""What ListUsers can be filtered by."""

UPDATABLE = ("given_name", "family_name")
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
}


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
        create_time=timestamp(account.create_time),
        update_time=timestamp(account.update_time),
    )


def role_of(role: user_pb2.User.Role.ValueType) -> Role:
    """A role from the wire; the contract lets no other in."""
    return Role(user_pb2.User.Role.Name(role))


def user_records(fact: Fact) -> Sequence[Record]:
    """A fact as records of the bus."""
    account = fact.account
    user = user_message(account)
    return fact_records(
        noun="users",
        source="user_svc",
        fact=_FACTS[fact.kind](user=user),
        resource=user,
        key=account.name,
        version=account.version,
        now=account.update_time,
    )
