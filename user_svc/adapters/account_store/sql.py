"""Accounts in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from chassis.bus import Record
from chassis.bus.outbox import append
from chassis.faults import Invalid
from chassis.identity import Vault
from chassis.listing import Condition, Once
from chassis.sql import Database, upsert
from chassis.sql.once import recall, remember
from user_svc.adapters.letter_store.sql import put_letter
from user_svc.adapters.session_store.sql import end_sessions
from user_svc.adapters.trust_store.sql import put_revocation
from user_svc.domain.account import Account, Fact, Role, State, email_key
from user_svc.domain.code import MAX_ATTEMPTS, Code, Letter
from user_svc.domain.faults import AccountChanged, LastAdmin
from user_svc.ports.accounts import AddressTaken, AlreadyDone, Change, PhoneTaken
from user_svc.schema.tables import CODES, ONCE, OUTBOX, USERS

EncodeFact = Callable[[Fact], Sequence[Record]]

_ONE = select(USERS).where(USERS.c.id == bindparam("by_id"))
_ONE_BY_EMAIL = select(USERS).where(USERS.c.email_key == bindparam("by_email_key"))
_ADD = insert(USERS)
_ADMINS = select(USERS.c.id).where(USERS.c.is_active_admin == true()).with_for_update()
_PHONE = select(USERS.c.id).where(
    USERS.c.phone_number == bindparam("by_phone_number"), USERS.c.id != bindparam("by_id")
)
_SAVE = (
    update(USERS)
    .where(USERS.c.id == bindparam("by_id"), USERS.c.version == bindparam("was_version"))
    .values({column.name: bindparam(column.name) for column in USERS.c if column.name != "id"})
)
_CODE = select(CODES).where(CODES.c.user_id == bindparam("by_id"))
_COUNT_ATTEMPT = (
    update(CODES)
    .where(
        CODES.c.user_id == bindparam("by_id"),
        CODES.c.attempts < MAX_ATTEMPTS,
        CODES.c.expire_time > bindparam("present"),
    )
    .values(attempts=CODES.c.attempts + 1)
)
_USE_UP = delete(CODES).where(CODES.c.user_id == bindparam("by_id"))
_PUT_CODE = upsert(
    CODES, None, ["user_id"], ["salt", "digest", "send_time", "expire_time", "attempts"]
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
            AlreadyDone, AddressTaken, PhoneTaken: nothing is stored.
        """
        records = self._records(change)

        def work(connection: Connection) -> None:
            account = change.account
            now = account.update_time
            if recall(connection, ONCE, change.once, now) is not None:
                raise AlreadyDone
            try:
                connection.execute(_ADD, _row(account))
            except IntegrityError:
                # Which of the two it was: the drivers say it in words of their own. The failed
                # statement alone is undone, so the transaction can be asked.
                key = {"by_email_key": email_key(account.email)}
                if connection.execute(_ONE_BY_EMAIL, key).first() is not None:
                    raise AddressTaken from None
                raise PhoneTaken from None
            self._put_rest(connection, change, records)

        await self._database.write(work)
        self._published()

    async def get(self, account_id: str) -> Account | None:
        """The account with that identifier."""
        return await self._database.get(
            lambda connection: _first(connection.execute(_ONE, {"by_id": account_id}).first())
        )

    async def by_email(self, email: str) -> Account | None:
        """The account with that address, whatever its case."""
        key = {"by_email_key": email_key(email)}
        return await self._database.get(
            lambda connection: _first(connection.execute(_ONE_BY_EMAIL, key).first())
        )

    async def find(
        self, conditions: Sequence[Condition], after: tuple[datetime, str] | None, limit: int
    ) -> list[Account]:
        """Accounts, newest first."""
        statement = (
            select(USERS)
            .where(*[_clause(one) for one in conditions])
            .order_by(USERS.c.create_time.desc(), USERS.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            time, account_id = after
            statement = statement.where(
                or_(
                    USERS.c.create_time < time,
                    and_(USERS.c.create_time == time, USERS.c.id < account_id),
                )
            )
        return await self._database.read(
            lambda connection: [_account(row) for row in connection.execute(statement)]
        )

    async def save(self, change: Change) -> None:
        """Applies a change.

        Raises:
            AlreadyDone, AccountChanged, LastAdmin, PhoneTaken: nothing is stored.
        """
        records = self._records(change)
        await self._database.write(lambda connection: self._save(connection, change, records))
        self._published()

    async def replace_code(self, account_id: str, code: Code, letter: Letter) -> None:
        """Replaces the account's one-time code, and stores the letter that carries it."""

        def work(connection: Connection) -> None:
            connection.execute(_PUT_CODE, _code_row(account_id, code))
            put_letter(connection, self._vault, letter, code.send_time)

        await self._database.write(work)

    async def try_code(
        self, account_id: str, digits: str, now: datetime, change: Change | None
    ) -> bool:
        """Tries a one-time code.

        Raises:
            AccountChanged: it fits, but the change is not of the stored version.
        """
        records = self._records(change) if change else []

        def work(connection: Connection) -> bool:
            counted = connection.execute(_COUNT_ATTEMPT, {"by_id": account_id, "present": now})
            row = connection.execute(_CODE, {"by_id": account_id}).first()
            if not counted.rowcount or row is None or not _code(row).fits(digits):
                return False
            connection.execute(_USE_UP, {"by_id": account_id})
            if change is not None:
                self._save(connection, change, records)
            return True

        fits = await self._database.write(work)
        if fits:
            self._published()
        return fits

    async def send(self, letter: Letter, once: Once | None, now: datetime) -> None:
        """Stores a letter that goes with no change.

        Raises:
            AlreadyDone: the request was carried out before.
        """

        def work(connection: Connection) -> None:
            if recall(connection, ONCE, once, now) is not None:
                raise AlreadyDone
            put_letter(connection, self._vault, letter, now)
            remember(connection, ONCE, once, {}, now)

        await self._database.write(work)

    def _save(self, connection: Connection, change: Change, records: Sequence[Record]) -> None:
        account = change.account
        if recall(connection, ONCE, change.once, account.update_time) is not None:
            raise AlreadyDone
        # Locks every admin's row, so that two who are taken at once do not each count the other.
        admins = connection.execute(_ADMINS).scalars().all() if change.keeps_an_admin else ()
        if change.keeps_an_admin and not set(admins) - {account.id}:
            raise LastAdmin("Nobody would be left who is an admin; make somebody else one first.")
        keys = {"by_id": account.id, "was_version": account.version - 1}
        taken = {"by_id": account.id, "by_phone_number": account.phone_number}
        if account.phone_number and connection.execute(_PHONE, taken).first() is not None:
            raise PhoneTaken
        try:
            if not connection.execute(_SAVE, {**_row(account), **keys}).rowcount:
                raise AccountChanged("The account has changed since it was read; read it again.")
        except IntegrityError:
            raise PhoneTaken from None
        self._put_rest(connection, change, records)

    def _put_rest(self, connection: Connection, change: Change, records: Sequence[Record]) -> None:
        """Stores what goes with an account."""
        account, now = change.account, change.account.update_time
        if change.code is not None:
            connection.execute(_PUT_CODE, _code_row(account.id, change.code))
        if change.letter is not None:
            put_letter(connection, self._vault, change.letter, now)
        if change.revocation is not None:
            put_revocation(connection, change.revocation)
        if change.sessions is not None:
            ended = change.sessions
            end_sessions(
                connection, account.id, "", ended.end_time, ended.revoked_until, keep=ended.keep
            )
        append(connection, OUTBOX, records, now)
        remember(connection, ONCE, change.once, {}, now)

    def _records(self, change: Change) -> list[Record]:
        return [record for fact in change.facts for record in self._encode(fact)]


def _row(account: Account) -> Mapping[str, Any]:
    return {
        "id": account.id,
        "uid": account.uid,
        "email": account.email,
        "email_key": email_key(account.email),
        "phone_number": account.phone_number or None,
        "given_name": account.given_name,
        "family_name": account.family_name,
        "password_hash": account.password_hash,
        "verified": account.verified,
        "roles": sorted(role.value for role in account.roles),
        "is_active_admin": account.is_active_admin,
        "state": account.state.value,
        "version": account.version,
        "create_time": account.create_time,
        "update_time": account.update_time,
    }


def _account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        uid=row.uid,
        email=row.email,
        password_hash=row.password_hash,
        create_time=row.create_time,
        update_time=row.update_time,
        phone_number=row.phone_number or "",
        given_name=row.given_name,
        family_name=row.family_name,
        verified=bool(row.verified),
        roles=frozenset(Role(role) for role in row.roles),
        state=State(row.state),
        version=row.version,
    )


def _first(row: Row[Any] | None) -> Account | None:
    return None if row is None else _account(row)


def _code_row(account_id: str, code: Code) -> Mapping[str, Any]:
    return {
        "user_id": account_id,
        "salt": code.salt,
        "digest": code.digest,
        "send_time": code.send_time,
        "expire_time": code.expire_time,
        "attempts": code.attempts,
    }


def _code(row: Row[Any]) -> Code:
    return Code(bytes(row.salt), bytes(row.digest), row.send_time, row.expire_time, row.attempts)


def _clause(condition: Condition) -> ColumnElement[bool]:
    clause: ColumnElement[bool]
    match condition.field:
        case "state":
            clause = USERS.c.state == str(condition.value)
        case "verified":
            clause = USERS.c.verified.is_(bool(condition.value))
        case "email" if condition.op == ":":
            # instr, and not LIKE, in which % and _ mean something.
            clause = func.instr(USERS.c.email_key, email_key(str(condition.value))) > 0
        case "email":
            clause = USERS.c.email_key == email_key(str(condition.value))
        case _:
            raise Invalid(
                f"Accounts cannot be filtered by {condition.field!r}.", reason="FILTER_INVALID"
            )
    return ~clause if condition.op == "!=" else clause
