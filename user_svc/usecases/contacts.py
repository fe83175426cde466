"""Changing one's e-mail address or phone number: the new one is shown to be one's own first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from chassis.clock import Clock
from chassis.identity.caller import Caller
from user_svc.domain.account import Account, Fact, FactKind, State
from user_svc.domain.code import Addressee, Letter, Purpose, address_changed_letter
from user_svc.domain.contact import Contact
from user_svc.domain.faults import AccountChanged, CodeWrong, ContactTaken
from user_svc.ports.accounts import (
    AccountStore,
    AddressTaken,
    AdminFile,
    Change,
    PhoneTaken,
    Removal,
)
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.codes import Codes
from user_svc.usecases.log_in import SessionRules
from user_svc.usecases.password_proof import PasswordProof

_TRIES = 5
_NOTE_LIFETIME = timedelta(days=1)


class Contacts:
    """Changes contacts.

    Nothing changes before the code has come back from the new one. Whoever asks is not told that
    somebody else has it before they have shown that it is theirs.
    """

    def __init__(
        self,
        accounts: AccountStore,
        keeping: Accounts,
        codes: Codes,
        *,
        proof: PasswordProof,
        admin_file: AdminFile,
        rules: SessionRules,
        clock: Clock,
        revoked: Callable[[], None],
    ) -> None:
        """Takes what it needs; `revoked` is called when tokens were revoked."""
        self._accounts = accounts
        self._keeping = keeping
        self._codes = codes
        self._proof = proof
        self._admin_file = admin_file
        self._rules = rules
        self._clock = clock
        self._revoked = revoked

    async def change(
        self, caller: Caller, name: str, contact: Contact, password: str, address: str
    ) -> bool:
        """Has a code sent to a new contact.

        Args:
            caller: who asks.
            name: whose account; only one's own can be changed.
            contact: the new one.
            password: the caller's.
            address: the network address that they come from.

        Returns:
            Whether a code is needed; not for what is shown to be the caller's already.

        Raises:
            UserNotFound: the account is somebody else's.
            PasswordWrong: it is not the password.
            TooManyRequests: wrong passwords, or too many codes, came before.
            CodeSentRecently: to this contact, a moment ago.
            Overloaded: too many passwords are being hashed.
        """
        account = await self._keeping.own(caller, name)
        await self._proof.check(account, password)
        if account.has_verified(contact.kind) and account.contact(contact.kind).key == contact.key:
            return False
        await self._codes.allow(contact, address)
        holder = await self._accounts.by_contact(contact)
        if holder is not None and holder.id != account.id and not _is_nobodys(holder):
            owner = Addressee(holder.contact(contact.kind), holder.name, holder.language_code)
            note = self._codes.taken(owner)
            await self._codes.pretend(account.id, contact, Purpose.NEW_CONTACT, note)
        else:
            to = Addressee(contact, account.name, account.language_code)
            await self._codes.send(account.id, to, Purpose.NEW_CONTACT)
        return True

    async def confirm(self, caller: Caller, name: str, digits: str) -> Account:
        """Changes the contact to the one that the code was sent to; tells the former one.

        Raises:
            UserNotFound: the account is somebody else's.
            CodeWrong: the code is wrong, has ended, was used, or was tried too often.
            ContactTaken: somebody else has shown it to be theirs meanwhile.
        """
        for _ in range(_TRIES):
            account = await self._keeping.own(caller, name)
            code = await self._accounts.code_of(account.id, Purpose.NEW_CONTACT)
            if code is None:
                break
            now = self._clock.now()
            changed = account.with_contact(code.contact, now)
            letter = self._note(account, code.contact)
            fact = Fact(FactKind.CONTACT_CHANGED, changed)
            change = Change(changed, [fact], ends_codes=True, letter=letter)
            try:
                if not await self._accounts.try_code(
                    account.id, Purpose.NEW_CONTACT, code.contact, digits, now=now, change=change
                ):
                    break
            except AccountChanged:
                continue
            except (AddressTaken, PhoneTaken):
                await self._make_room(code.contact)
                continue
            if letter is not None:
                self._codes.letter_waits()
            if changed.email != account.email:
                # The file would show an address that does not log in any more.
                await self._admin_file.remove(account.email)
            return changed
        raise CodeWrong("This is not the code, or it has ended; ask for a new one.")

    def _note(self, account: Account, new: Contact) -> Letter | None:
        """Tells the former contact, if it was the person's and is another one."""
        if not account.has_verified(new.kind):
            return None
        former = account.contact(new.kind)
        if former.key == new.key:
            return None
        to = Addressee(former, account.name, account.language_code)
        return address_changed_letter(to, new, self._clock.now(), _NOTE_LIFETIME)

    async def _make_room(self, contact: Contact) -> None:
        """Ends an account that was never verified and stands in the way of the contact's owner.

        Raises:
            ContactTaken: it is somebody's.
        """
        holder = await self._accounts.by_contact(contact)
        if holder is None:
            return
        if not _is_nobodys(holder):
            raise ContactTaken("Another account has shown that this is its own; use another one.")
        now = self._clock.now()
        try:
            await self._accounts.remove(Removal(holder, now, self._rules.revoked_until(now)))
        except AccountChanged:
            return
        self._revoked()


def _is_nobodys(account: Account) -> bool:
    """Whether nobody has shown anything of the account to be theirs; what is disabled stays so."""
    return not account.verified and account.state is State.ACTIVE
