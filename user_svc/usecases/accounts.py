"""Looking after accounts: one's own, and as an admin everybody's."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from chassis.clock import Clock
from chassis.identity.caller import Caller
from chassis.listing import Condition
from user_svc.domain.account import DEFAULT_LANGUAGE, Account, Fact, FactKind, Role
from user_svc.domain.faults import AccountChanged, PasswordWrong, UserNotFound
from user_svc.domain.names import id_of
from user_svc.domain.password import check_strength, normalised
from user_svc.domain.trust import Revocation
from user_svc.ports.accounts import AccountStore, AdminFile, Change, PasswordHasher, SessionsEnded
from user_svc.usecases.log_in import SessionRules
from user_svc.usecases.password_proof import PasswordProof

_TRIES = 5
"""How often a change is tried again that does not depend on what else has changed."""


class Accounts:
    """Reads and changes accounts.

    Who may not see an account is told that there is none. Changes of roles and of the state revoke
    the person's tokens: the next refresh brings tokens that say what is so.
    """

    def __init__(
        self,
        accounts: AccountStore,
        *,
        hasher: PasswordHasher,
        proof: PasswordProof,
        admin_file: AdminFile,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._hasher = hasher
        self._proof = proof
        self._admin_file = admin_file
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def read(self, caller: Caller, name: str) -> Account:
        """One account: `users/me`, one's own, or, for admins and peers, anybody's.

        Raises:
            UserNotFound: there is none, or the caller may not see it.
        """
        account_id = id_of(caller.user) if name == "users/me" else id_of(name)
        visible = caller.sees_all or account_id == id_of(caller.user)
        account = await self._accounts.get(account_id) if visible and account_id else None
        if account is None:
            raise UserNotFound(f"There is no user {name!r}.", user=name)
        return account

    async def own(self, caller: Caller, name: str) -> Account:
        """The caller's own account.

        Raises:
            UserNotFound: the name is somebody else's, or the account has ended.
        """
        account = await self.read(caller, name)
        if account.name != caller.user:
            raise UserNotFound(f"There is no user {name!r} whose account is yours to change.")
        return account

    async def find(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[datetime | str, ...] | None,
        limit: int,
    ) -> list[Account]:
        """Accounts that meet the conditions, in an order; for admins and peers. See AccountStore."""
        return await self._accounts.find(conditions, order, after, limit)

    async def update(
        self, caller: Caller, name: str, changes: Mapping[str, str], version: int | None
    ) -> Account:
        """Changes the names of a person, or their language.

        Args:
            caller: who asks.
            name: whose.
            changes: the new values of `given_name`, `family_name` and `language_code`, or of some.
            version: the version that the caller knows; None where a lost race does not matter.

        Raises:
            UserNotFound: there is none, or the caller may not see it.
            AccountChanged: the account has another version.
        """
        return await self._change(
            caller,
            name,
            lambda account, now: account.renamed(
                changes.get("given_name", account.given_name),
                changes.get("family_name", account.family_name),
                now,
                # Without a language it is the default again.
                changes.get("language_code", account.language_code) or DEFAULT_LANGUAGE,
            ),
            FactKind.UPDATED,
            version=version,
        )

    async def change_password(self, caller: Caller, name: str, present: str, new: str) -> None:
        """Changes the caller's password, and ends their other sessions.

        Raises:
            UserNotFound: the name is somebody else's.
            PasswordWrong: `present` is not the password.
            PasswordTooWeak: the new one is too easy to guess.
            TooManyRequests: wrong passwords came before.
            Overloaded: too many passwords are being hashed.
        """
        account = await self.own(caller, name)
        check_strength(new, account.email)
        await self._proof.check(account, present)
        password_hash = await self._hasher.hash(normalised(new))
        now = self._clock.now()
        ended = SessionsEnded(now, self._rules.revoked_until(now), keep=id_of(caller.session))
        checked = account.password_hash
        for _ in range(_TRIES):
            changed = account.with_password(password_hash, now)
            change = Change(
                changed, [Fact(FactKind.UPDATED, changed)], ends_codes=True, sessions=ended
            )
            try:
                await self._accounts.save(change)
            except AccountChanged:
                account = await self.read(caller, name)
                if account.password_hash != checked:
                    raise PasswordWrong("The password was changed just now; try again.") from None
            else:
                self._revoked()
                await self._admin_file.remove(account.email)
                return
        raise AccountChanged("The account is being changed by others; try again.")

    async def grant(self, caller: Caller, name: str, role: Role) -> Account:
        """Gives a person a role; for admins.

        Raises:
            UserNotFound: there is none.
        """
        return await self._change(
            caller,
            name,
            lambda account, now: account.granted(role, now),
            FactKind.ROLES_CHANGED,
            revokes=True,
        )

    async def revoke(self, caller: Caller, name: str, role: Role) -> Account:
        """Takes a role from a person; for admins.

        Raises:
            UserNotFound: there is none.
            LastAdmin: nobody active would be an admin.
        """
        return await self._change(
            caller,
            name,
            lambda account, now: account.revoked(role, now),
            FactKind.ROLES_CHANGED,
            revokes=True,
        )

    async def disable(self, caller: Caller, name: str, reason: str = "") -> Account:
        """Keeps a person from logging in, and ends what they have open; for admins.

        Args:
            caller: who asks.
            name: whose.
            reason: why; the person reads it.

        Raises:
            UserNotFound: there is none.
            LastAdmin: nobody active would be an admin.
        """
        return await self._change(
            caller,
            name,
            lambda account, now: account.disabled(now, reason),
            FactKind.DISABLED,
            revokes=True,
            ends_sessions=True,
        )

    async def enable(self, caller: Caller, name: str) -> Account:
        """Lets a person log in again; for admins.

        Raises:
            UserNotFound: there is none.
        """
        return await self._change(
            caller, name, lambda account, now: account.enabled(now), FactKind.ENABLED
        )

    async def _change(
        self,
        caller: Caller,
        name: str,
        transition: Callable[[Account, datetime], Account],
        kind: FactKind,
        *,
        version: int | None = None,
        revokes: bool = False,
        ends_sessions: bool = False,
    ) -> Account:
        """Applies a transition; what changes nothing is not stored, told or revoked."""
        for _ in range(_TRIES):
            account = await self.read(caller, name)
            if version is not None and version != account.version:
                break
            now = self._clock.now()
            changed = transition(account, now)
            if changed is account:
                return account
            if revokes:
                changed = changed.later(account)
            until = self._rules.revoked_until(now)
            change = Change(
                changed,
                [Fact(kind, changed)],
                revocation=Revocation(
                    str(uuid.uuid4()),
                    account.name,
                    "",
                    self._rules.effective(changed.update_time),
                    until,
                    now,
                )
                if revokes
                else None,
                sessions=SessionsEnded(now, until) if ends_sessions else None,
                keeps_an_admin=account.is_active_admin and not changed.is_active_admin,
            )
            try:
                await self._accounts.save(change)
            except AccountChanged:
                continue
            if revokes:
                self._revoked()
            return changed
        raise AccountChanged(
            "The account has changed since it was read; read it again and send its etag.",
            user=name,
        )
