"""Choosing a new password when the former one is forgotten."""

from __future__ import annotations

from collections.abc import Callable

from chassis.clock import Clock
from user_svc.domain.account import Account, Fact, FactKind, State
from user_svc.domain.code import Addressee, Purpose
from user_svc.domain.contact import Contact, ContactKind
from user_svc.domain.faults import AccountChanged, CodeWrong
from user_svc.domain.password import check_strength, normalised
from user_svc.ports.accounts import (
    AccountStore,
    AdminFile,
    Change,
    PasswordHasher,
    SessionsEnded,
)
from user_svc.usecases.codes import NOBODY, Codes
from user_svc.usecases.log_in import SessionRules

_TRIES = 4


class PasswordReset:
    """Replaces a password by a code that goes to a verified contact.

    Nothing tells whether there is an account: codes that nobody gets are made too, and a password is
    hashed before the code is looked at.
    """

    def __init__(
        self,
        accounts: AccountStore,
        codes: Codes,
        *,
        hasher: PasswordHasher,
        admin_file: AdminFile,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._codes = codes
        self._hasher = hasher
        self._admin_file = admin_file
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def request(self, contact: Contact, address: str) -> None:
        """Has a one-time code sent, if it is the verified contact of an account.

        Raises:
            TooManyRequests: many codes were asked for from this network address.
            CodeSentRecently: to this contact, a moment ago.
        """
        await self._codes.allow(contact, address)
        account = await self._owner(contact)
        if account is None:
            await self._codes.send(NOBODY, Addressee(contact), Purpose.PASSWORD_RESET)
            return
        to = Addressee(account.contact(contact.kind), account.name, account.language_code)
        await self._codes.send(account.id, to, Purpose.PASSWORD_RESET)

    async def reset(self, contact: Contact, digits: str, new: str, address: str) -> None:
        """Replaces the password, and ends every session of the person.

        Raises:
            PasswordTooWeak: the new one is too easy to guess.
            TooManyRequests: it was tried too often from this network address.
            CodeWrong: the code is wrong, has ended, was used, or was tried too often; or there is no
                such account.
            Overloaded: too many passwords are being hashed.
        """
        check_strength(new, contact.value if contact.kind is ContactKind.EMAIL else "")
        await self._codes.limit("password resets", address)
        password_hash = await self._hasher.hash(normalised(new))
        for _ in range(_TRIES):
            account = await self._owner(contact)
            now = self._clock.now()
            change = None
            if account is not None:
                changed = account.with_password(password_hash, now)
                change = Change(
                    changed,
                    [Fact(FactKind.UPDATED, changed)],
                    ends_codes=True,
                    sessions=SessionsEnded(now, self._rules.revoked_until(now)),
                )
            try:
                done = await self._accounts.try_code(
                    account.id if account else "",
                    Purpose.PASSWORD_RESET,
                    contact,
                    digits,
                    now=now,
                    change=change,
                )
            except AccountChanged:
                continue
            if done and account is not None:
                self._revoked()
                await self._admin_file.remove(account.email)
                return
            break
        raise CodeWrong("This is not the code, or it has ended; ask for a new one.")

    async def _owner(self, contact: Contact) -> Account | None:
        """Whose verified contact it is, if they can log in."""
        account = await self._accounts.by_contact(contact)
        if account is None or account.state is not State.ACTIVE:
            return None
        return account if account.has_verified(contact.kind) else None
