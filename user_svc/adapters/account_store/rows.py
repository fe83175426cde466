"""Accounts and codes as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from user_svc.domain.account import Account, Role, State
from user_svc.domain.code import Code, Purpose
from user_svc.domain.contact import Contact, ContactKind, email_key


def account_row(account: Account) -> Mapping[str, Any]:
    """An account as a row of `users`; what it does not claim is not in a unique column."""
    folded = email_key(account.email)
    by_phone = bool(account.phone_number) and account.claims(ContactKind.PHONE)
    return {
        "id": account.id,
        "uid": account.uid,
        "email": account.email,
        "email_folded": folded,
        "email_key": folded if account.claims(ContactKind.EMAIL) else f"#{account.id}",
        "phone_number": account.phone_number if by_phone else None,
        "unclaimed_phone_number": "" if by_phone else account.phone_number,
        "given_name": account.given_name,
        "family_name": account.family_name,
        "password_hash": account.password_hash,
        "language_code": account.language_code,
        "verified": account.verified,
        "email_verified": account.email_verified,
        "phone_verified": account.phone_verified,
        "signed_up_by": account.signed_up_by.value,
        "roles": sorted(role.value for role in account.roles),
        "is_active_admin": account.is_active_admin,
        "state": account.state.value,
        "disable_reason": account.disable_reason,
        "version": account.version,
        "create_time": account.create_time,
        "update_time": account.update_time,
    }


def account_in(row: Row[Any]) -> Account:
    """The account in a row of `users`."""
    return Account(
        id=row.id,
        uid=row.uid,
        email=row.email,
        password_hash=row.password_hash,
        create_time=row.create_time,
        update_time=row.update_time,
        phone_number=row.phone_number or row.unclaimed_phone_number,
        given_name=row.given_name,
        family_name=row.family_name,
        language_code=row.language_code,
        email_verified=bool(row.email_verified),
        phone_verified=bool(row.phone_verified),
        signed_up_by=ContactKind(row.signed_up_by),
        roles=frozenset(Role(role) for role in row.roles),
        state=State(row.state),
        disable_reason=row.disable_reason,
        version=row.version,
    )


def first_in(row: Row[Any] | None) -> Account | None:
    """The account in a row, where there is one."""
    return None if row is None else account_in(row)


def code_row(account_id: str, code: Code) -> Mapping[str, Any]:
    """A code as a row of `codes`."""
    return {
        "user_id": account_id,
        "purpose": code.purpose.value,
        "contact_kind": code.contact.kind.value,
        "contact": code.contact.value,
        "salt": code.salt,
        "digest": code.digest,
        "send_time": code.send_time,
        "expire_time": code.expire_time,
        "attempts": code.attempts,
    }


def code_in(row: Row[Any]) -> Code:
    """The code in a row of `codes`."""
    return Code(
        Purpose(row.purpose),
        Contact(ContactKind(row.contact_kind), row.contact),
        bytes(row.salt),
        bytes(row.digest),
        row.send_time,
        row.expire_time,
        row.attempts,
    )
