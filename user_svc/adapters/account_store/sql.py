"""Accounts in SQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    false,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.identity import Vault
from chassis.listing import Condition, Once
from chassis.sql import Database, upsert
from chassis.sql.once import recall, remember
from user_svc.adapters.access_token_store.sql import end_access_tokens
from user_svc.adapters.account_store.rows import (
    account_in,
    account_row,
    code_in,
    code_row,
    first_in,
)
from user_svc.adapters.account_store.selection import listed
from user_svc.adapters.invitation_store.sql import use_invitation
from user_svc.adapters.letter_store.sql import put_letter
from user_svc.adapters.session_store.sql import end_sessions
from user_svc.adapters.trust_store.sql import put_revocation
from user_svc.domain.account import Account, Fact, FactKind
from user_svc.domain.code import MAX_ATTEMPTS, Code, Letter, Purpose
from user_svc.domain.contact import Contact, ContactKind, email_key
from user_svc.domain.faults import AccountChanged, LastAdmin
from user_svc.domain.invitation import Use
from user_svc.domain.trust import Revocation
from user_svc.ports.accounts import AddressTaken, AlreadyDone, Change, PhoneTaken, Removal
from user_svc.schema.tables import CODES, DELETED_USERS, LETTERS, METADATA, ONCE, OUTBOX, USERS

EncodeFact = Callable[[Fact], Sequence[Record]]

_ONE = select(USERS).where(USERS.c.id == bindparam("by_id"))
_BY_EMAIL = select(USERS).where(USERS.c.email_key == bindparam("by_email_key"))
_CLAIMED = or_(
    USERS.c.phone_verified == true(),
    and_(USERS.c.signed_up_by == ContactKind.PHONE.value, USERS.c.verified == false()),
)
_BY_PHONE = select(USERS).where(USERS.c.phone_number == bindparam("by_phone_number"), _CLAIMED)
# The first releases put numbers there that nobody had shown to be theirs.
_UNCLAIM = (
    update(USERS)
    .where(USERS.c.phone_number == bindparam("by_phone_number"), not_(_CLAIMED))
    .values(unclaimed_phone_number=bindparam("by_phone_number"), phone_number=None)
)
_DELETED = select(DELETED_USERS.c.id).where(DELETED_USERS.c.id == bindparam("by_id"))
_ADD = insert(USERS)
_ACTIVE_ADMINS = select(USERS.c.id).where(USERS.c.is_active_admin == true())
_ADMINS = _ACTIVE_ADMINS.with_for_update()
_SAVE = (
    update(USERS)
    .where(USERS.c.id == bindparam("by_id"), USERS.c.version == bindparam("was_version"))
    .values({column.name: bindparam(column.name) for column in USERS.c if column.name != "id"})
)
_REMOVE = delete(USERS).where(
    USERS.c.id == bindparam("by_id"), USERS.c.version == bindparam("was_version")
)
# Whatever is kept by a person's identifier goes with the person, also what is added later.
_ERASE = [
    delete(table).where(table.c.user_id == bindparam("by_id"))
    for table in METADATA.sorted_tables
    if "user_id" in table.c
]
_ERASE_LETTERS = delete(LETTERS).where(LETTERS.c.user_name == bindparam("by_name"))
_CODE = select(CODES).where(
    CODES.c.user_id == bindparam("by_id"), CODES.c.purpose == bindparam("for_purpose")
)
_COUNT_ATTEMPT = (
    update(CODES)
    .where(
        CODES.c.user_id == bindparam("by_id"),
        CODES.c.purpose == bindparam("for_purpose"),
        CODES.c.attempts < MAX_ATTEMPTS,
        CODES.c.expire_time > bindparam("present"),
    )
    .values(attempts=CODES.c.attempts + 1)
)
_USE_UP = delete(CODES).where(
    CODES.c.user_id == bindparam("by_id"), CODES.c.purpose == bindparam("for_purpose")
)
_END_CODES = delete(CODES).where(CODES.c.user_id == bindparam("by_id"))
_PUT_CODE = upsert(
    CODES,
    None,
    ["user_id", "purpose"],
    ["contact_kind", "contact", "salt", "digest", "send_time", "expire_time", "attempts"],
)


class SqlAccountStore:
    """An AccountStore on MySQL and SQLite.

    Args:
        database: where the tables are.
        vault: seals the codes that wait to be sent.
        encode: a fact as records of the bus.
        published: called once facts are committed.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        encode: EncodeFact,
        published: Callable[[], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._encode = encode
        self._published = published

    async def add(self, change: Change) -> None:
        """Stores a new account with all that goes with it.

        Raises:
            AlreadyDone, InvitationInvalid, AddressTaken, PhoneTaken, AccountChanged: nothing is stored.
        """
        records = self._records(change)

        def work(connection: Connection) -> None:
            account = change.account
            now = account.update_time
            if recall(connection, ONCE, change.once, now) is not None:
                raise AlreadyDone
            use_invitation(connection, change.use, now)
            if connection.execute(_DELETED, {"by_id": account.id}).first() is not None:
                raise AccountChanged("An account of this name has ended.")
            try:
                _make_room(connection, account)
                connection.execute(_ADD, account_row(account))
            except IntegrityError:
                raise _taken(connection, account) from None
            self._put_rest(connection, change, records)

        await self._database.write(work)
        self._published()

    async def get(self, account_id: str) -> Account | None:
        """The account with that identifier."""
        return await self._database.get(
            lambda connection: first_in(connection.execute(_ONE, {"by_id": account_id}).first())
        )

    async def by_email(self, email: str) -> Account | None:
        """The account that claims that address, whatever its case."""
        return await self.by_contact(Contact(ContactKind.EMAIL, email))

    async def by_contact(self, contact: Contact) -> Account | None:
        """The account that claims that e-mail address or phone number."""
        by_email = contact.kind is ContactKind.EMAIL
        statement = _BY_EMAIL if by_email else _BY_PHONE
        keys = {"by_email_key" if by_email else "by_phone_number": contact.key}
        return await self._database.get(
            lambda connection: first_in(connection.execute(statement, keys).first())
        )

    async def has_admin(self) -> bool:
        """Whether somebody active is an admin."""
        return await self._database.get(
            lambda connection: connection.execute(_ACTIVE_ADMINS.limit(1)).first() is not None
        )

    async def find(
        self,
        conditions: Sequence[Condition],
        order: Sequence[tuple[str, bool]],
        after: tuple[datetime | str, ...] | None,
        limit: int,
    ) -> list[Account]:
        """Accounts that meet the conditions, in an order."""
        statement = listed(conditions, order, after).limit(limit)
        return await self._database.read(
            lambda connection: [account_in(row) for row in connection.execute(statement)]
        )

    async def save(self, change: Change) -> None:
        """Applies a change.

        Raises:
            AlreadyDone, InvitationInvalid, AccountChanged, LastAdmin, AddressTaken, PhoneTaken: nothing
                is stored.
        """
        records = self._records(change)
        await self._database.write(lambda connection: self._save(connection, change, records))
        self._published()

    async def remove(self, removal: Removal) -> None:
        """Erases an account with all that is kept of the person, and tells that it has ended.

        Raises:
            AccountChanged, LastAdmin: nothing is erased.
        """
        account, now = removal.account, removal.delete_time
        records = self._encode(Fact(FactKind.DELETED, account, now))
        keys = {"by_id": account.id, "was_version": account.version}

        def work(connection: Connection) -> None:
            if account.is_active_admin:
                _keep_an_admin(connection, account.id)
            if not connection.execute(_REMOVE, keys).rowcount:
                raise _changed()
            end_sessions(connection, account.id, "", now, removal.revoked_until)
            end_access_tokens(connection, account.id, now)
            # Whatever clock has made a token for this account, it is of before then.
            until = removal.revoked_until
            put_revocation(
                connection, Revocation(str(uuid.uuid4()), account.name, "", until, until, now)
            )
            for statement in _ERASE:
                connection.execute(statement, {"by_id": account.id})
            connection.execute(_ERASE_LETTERS, {"by_name": account.name})
            row = {"id": account.id, "uid": account.uid, "delete_time": now}
            connection.execute(insert(DELETED_USERS), row)
            append(connection, OUTBOX, records, now)

        await self._database.write(work)
        self._published()

    async def replace_code(self, account_id: str, code: Code, letter: Letter | None) -> None:
        """Replaces the account's one-time code of that purpose, and stores the letter with it."""

        def work(connection: Connection) -> None:
            connection.execute(_PUT_CODE, code_row(account_id, code))
            if letter is not None:
                put_letter(connection, self._vault, letter, code.send_time)

        await self._database.write(work)

    async def code_of(self, account_id: str, purpose: Purpose) -> Code | None:
        """The account's one-time code of that purpose, also one that has ended."""
        keys = {"by_id": account_id, "for_purpose": purpose.value}

        def work(connection: Connection) -> Code | None:
            row = connection.execute(_CODE, keys).first()
            return None if row is None else code_in(row)

        return await self._database.get(work)

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

        Raises:
            AccountChanged, AddressTaken, PhoneTaken: it fits, but the change cannot be made.
        """
        records = self._records(change) if change else []
        keys = {"by_id": account_id, "for_purpose": purpose.value}

        def work(connection: Connection) -> bool:
            counted = connection.execute(_COUNT_ATTEMPT, {**keys, "present": now})
            row = connection.execute(_CODE, keys).first()
            if not counted.rowcount or row is None:
                return False
            code = code_in(row)
            if code.contact.key != contact.key or not code.fits(digits):
                return False
            connection.execute(_USE_UP, keys)
            if change is not None:
                self._save(connection, change, records)
            return True

        fits = await self._database.write(work)
        if fits:
            self._published()
        return fits

    async def send(
        self, letter: Letter, once: Once | None, now: datetime, use: Use | None = None
    ) -> None:
        """Stores a letter that goes with no change.

        Raises:
            AlreadyDone: the request was carried out before.
            InvitationInvalid: nobody can sign up with the invitation.
        """

        def work(connection: Connection) -> None:
            if recall(connection, ONCE, once, now) is not None:
                raise AlreadyDone
            use_invitation(connection, use, now)
            put_letter(connection, self._vault, letter, now)
            remember(connection, ONCE, once, {}, now)

        await self._database.write(work)

    def _save(self, connection: Connection, change: Change, records: Sequence[Record]) -> None:
        account = change.account
        if recall(connection, ONCE, change.once, account.update_time) is not None:
            raise AlreadyDone
        use_invitation(connection, change.use, account.update_time)
        if change.keeps_an_admin:
            _keep_an_admin(connection, account.id)
        keys = {"by_id": account.id, "was_version": account.version - 1}
        try:
            _make_room(connection, account)
            if not connection.execute(_SAVE, {**account_row(account), **keys}).rowcount:
                raise _changed()
        except IntegrityError:
            raise _taken(connection, account) from None
        self._put_rest(connection, change, records)

    def _put_rest(self, connection: Connection, change: Change, records: Sequence[Record]) -> None:
        """Stores what goes with an account."""
        account, now = change.account, change.account.update_time
        if change.ends_codes:
            connection.execute(_END_CODES, {"by_id": account.id})
        if change.code is not None:
            connection.execute(_PUT_CODE, code_row(account.id, change.code))
        if change.letter is not None:
            put_letter(connection, self._vault, change.letter, now)
        if change.revocation is not None:
            put_revocation(connection, change.revocation)
            if not account.is_active_admin:
                end_access_tokens(connection, account.id, now, only_admins=True)
        if change.sessions is not None:
            ended = change.sessions
            end_sessions(
                connection, account.id, "", ended.end_time, ended.revoked_until, keep=ended.keep
            )
            if not ended.keep:
                end_access_tokens(connection, account.id, ended.end_time)
        append(connection, OUTBOX, records, now)
        remember(connection, ONCE, change.once, {}, now)

    def _records(self, change: Change) -> list[Record]:
        return [record for fact in change.facts for record in self._encode(fact)]


def _keep_an_admin(connection: Connection, account_id: str) -> None:
    # Locks every admin's row, so that two who are taken at once do not each count the other.
    if not set(connection.execute(_ADMINS).scalars().all()) - {account_id}:
        raise LastAdmin("Nobody would be left who is an admin; make somebody else one first.")


def _make_room(connection: Connection, account: Account) -> None:
    if account.phone_number and account.claims(ContactKind.PHONE):
        connection.execute(_UNCLAIM, {"by_phone_number": account.phone_number})


def _taken(connection: Connection, account: Account) -> Exception:
    """What another account has: the drivers say it in words of their own.

    The failed statement alone is undone, so the transaction can be asked.
    """
    if account.claims(ContactKind.EMAIL):
        found = connection.execute(_BY_EMAIL, {"by_email_key": email_key(account.email)}).first()
        if found is not None and found.id != account.id:
            return AddressTaken()
    return PhoneTaken()


def _changed() -> AccountChanged:
    return AccountChanged("The account has changed since it was read; read it again.")
