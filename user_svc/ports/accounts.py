"""What accounts need: stores, passwords, and whoever delivers letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chassis.listing import Condition, Once
from user_svc.domain.account import Account, Fact
from user_svc.domain.code import Code, Letter, Purpose
from user_svc.domain.contact import Contact
from user_svc.domain.invitation import Use
from user_svc.domain.trust import Revocation


class AddressTaken(Exception):
    """Another account has the e-mail address. No caller is ever told: see `usecases/sign_up.py`."""


class PhoneTaken(Exception):
    """Another account has the phone number. No caller is ever told: see `usecases/sign_up.py`."""


class AlreadyDone(Exception):
    """The same request, by its request id, was carried out before."""


@dataclass(frozen=True, slots=True)
class SessionsEnded:
    """Which sessions of a person end together with a change of the account.

    Attributes:
        end_time: when.
        keep: the identifier of one that goes on; empty to end them all, and the person's access
            tokens with them.
        revoked_until: how long the tokens of each session that ends are to be refused: until the
            last of them has ended by itself.
    """

    end_time: datetime
    revoked_until: datetime
    keep: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an account with all that is committed with it, or not at all.

    Attributes:
        account: as it becomes; its version is one more than the version that must be stored.
        facts: what others are told.
        code: replaces the account's one-time code of that purpose.
        ends_codes: whether all others end.
        letter: is sent.
        revocation: of the tokens of the person's sessions. Access tokens with the scope `admin` end
            with it where the person is no active admin after the change.
        sessions: which sessions end.
        once: the request that asks for it; the same one is carried out once.
        use: of the invitation that is needed for it.
        keeps_an_admin: True to refuse the change where nobody active would be an admin after it.
    """

    account: Account
    facts: Sequence[Fact] = ()
    code: Code | None = None
    ends_codes: bool = False
    letter: Letter | None = None
    revocation: Revocation | None = None
    sessions: SessionsEnded | None = None
    once: Once | None = None
    use: Use | None = None
    keeps_an_admin: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """The end of an account.

    Attributes:
        account: as it must be stored.
        delete_time: when.
        revoked_until: how long its tokens are to be refused.
    """

    account: Account
    delete_time: datetime
    revoked_until: datetime


class AccountStore(Protocol):
    """Keeps accounts, their one-time codes, the facts and the letters that go out with a change.

    Of contacts that accounts claim (`Account.claims`), e-mail addresses are unique in the form of
    `email_key`, phone numbers as they are, both by a constraint of the store. Instants are kept in whole milliseconds. Every method raises Unavailable
    where the store does not answer.
    """

    async def add(self, change: Change) -> None:
        """Stores a new account with all that goes with it: all of it, or nothing.

        Raises:
            AlreadyDone: the request of the change was carried out before.
            InvitationInvalid: nobody can sign up with its invitation any more, or this contact cannot.
            AddressTaken: another account claims the address, also where that account is being
                stored by somebody else at this moment.
            PhoneTaken: the same for the phone number.
            AccountChanged: an account of that name has ended; names are never used again.
        """

    async def get(self, account_id: str) -> Account | None:
        """The account with that identifier."""

    async def by_email(self, email: str) -> Account | None:
        """The account that claims that address, whatever its case."""

    async def by_contact(self, contact: Contact) -> Account | None:
        """The account that claims that e-mail address or phone number."""

    async def has_admin(self) -> bool:
        """Whether somebody active is an admin."""

    async def find(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[datetime | str, ...] | None,
        limit: int,
    ) -> list[Account]:
        """Accounts that meet the conditions, in an order.

        Args:
            conditions: on `state`, `role`, `verified` (compared by `=` and `!=`), `email` and
                `phone_number` (also `:`, which finds a part), `create_time` (every comparison); all of
                them hold.
            order: of `create_time`, `update_time` and `email`, each with whether it descends; accounts
                that are equal in it are in the order of their identifiers, which descend with the
                first part. Not empty.
            after: the parts of the order and the identifier of the last account of the page before.
            limit: how many at most.
        """

    async def save(self, change: Change) -> None:
        """Applies a change, in one step that nobody sees half of.

        Raises:
            AlreadyDone: the request of the change was carried out before.
            InvitationInvalid: as in `add`.
            AccountChanged: the stored version is not the one before the new one.
            LastAdmin: nobody active would be an admin.
            AddressTaken, PhoneTaken: another account claims the contact.
        """

    async def remove(self, removal: Removal) -> None:
        """Erases an account with all that is kept of the person, and tells that it has ended.

        In one step its tokens are revoked, its sessions, codes and everything else that is kept by its
        identifier are erased, letters that wait for it too, and what remains is that its name is used.

        Raises:
            AccountChanged: the stored version is another one.
            LastAdmin: nobody active would be an admin.
        """

    async def replace_code(self, account_id: str, code: Code, letter: Letter | None) -> None:
        """Replaces the account's one-time code of that purpose, and stores the letter that goes with it.

        The account need not exist: asking for a code shall not be faster where nobody gets one.
        """

    async def code_of(self, account_id: str, purpose: Purpose) -> Code | None:
        """The account's one-time code of that purpose, also one that has ended."""

    async def try_code(
        self,
        account_id: str,
        purpose: Purpose,
        contact: Contact,
        digits: str,
        *,
        now: datetime,
        change: Change | None,
    ) -> bool:
        """Tries a one-time code that was sent to `contact`.

        Counts the attempt; if it fits, uses the code up and applies the change in the same step. A
        code that has ended, was tried too often, or was sent to another contact is False whatever the
        digits. Of two calls at once with the right digits, one gets True; of many calls at once with
        wrong ones, each is counted. Works as long where there is no such account.

        Raises:
            AccountChanged, AddressTaken, PhoneTaken: it fits, but the change cannot be made; nothing is
                done.
        """

    async def send(
        self, letter: Letter, once: Once | None, now: datetime, use: Use | None = None
    ) -> None:
        """Stores a letter that goes with no change.

        Raises:
            AlreadyDone: the request was carried out before.
            InvitationInvalid: as in `add`.
        """


class LetterStore(Protocol):
    """The letters that wait to be handed to notifier, in the same store as the accounts."""

    async def due(self, now: datetime, lease_end: datetime, limit: int) -> list[tuple[Letter, int]]:
        """Takes letters whose time has come, the oldest first, each with how often it was tried.

        They are nobody else's until `lease_end`; after it they are due again, so a process that
        dies loses none.
        """

    async def reclaim(self, now: datetime) -> int:
        """Makes every letter that waits due; returns how many were not.

        Only for a start where no other process uses the store: then the leases are of the dead.
        """

    async def postpone(self, delivery_id: str, until: datetime) -> None:
        """Gives a letter back, to be tried again then, with one attempt more."""

    async def drop(self, delivery_id: str) -> None:
        """Forgets a letter: it has been handed over, or nobody needs it any more."""

    async def next_due(self) -> datetime | None:
        """When the first letter is due; None where none waits."""


class CodeDelivery(Protocol):
    """Hands letters to whoever delivers them."""

    async def deliver(self, letter: Letter, now: datetime) -> None:
        """Hands a letter over.

        Once it returns, the letter is the other's to keep. The same letter again changes nothing.

        Raises:
            Fault: it was not taken.
        """


class PasswordHasher(Protocol):
    """Makes and checks password hashes, a few at a time."""

    async def hash(self, password: str) -> str:
        """A salted hash, as text of at most 255 characters.

        Raises:
            Overloaded: too many wait.
        """

    async def fits(self, password_hash: str, password: str) -> bool:
        """Whether it is the password. With an empty hash it works as long, and says False.

        Raises:
            Overloaded: too many wait.
        """


class AdminFile(Protocol):
    """The file in which the first admin's credentials are shown to whoever runs the allocator."""

    async def password(self, email: str) -> str:
        """The password in the file.

        Where there is no file it is made, with a random password, readable by its owner alone; of
        two callers at once, both get the same.
        """

    async def remove(self, email: str) -> None:
        """Removes the file if it is about that address."""
