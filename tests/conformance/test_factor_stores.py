"""Access tokens, second factors and known places, as their ports promise them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from chassis.bus import Record
from chassis.clock import SystemClock
from chassis.identity import Vault
from chassis.sql import Database, open_database
from tests.sql_places import SQL_ENGINES, SqlPlace, what_is_stored
from user_svc.adapters.access_token_store.sql import SqlAccessTokenStore
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.token_signer.joserfc import JoseTokenSigner
from user_svc.adapters.totp_store.sql import SqlTotpStore
from user_svc.adapters.trust_store.sql import SqlTrustStore
from user_svc.domain.access_token import AccessToken
from user_svc.domain.account import Account, Role
from user_svc.domain.faults import RoleMissing, SessionOver, TooManyAccessTokens
from user_svc.domain.session import Session, open_session
from user_svc.domain.totp import Totp
from user_svc.domain.trust import Revocation
from user_svc.ports.accounts import AccountStore, Change, Removal, SessionsEnded
from user_svc.ports.factors import AccessTokenStore, TotpStore
from user_svc.ports.sessions import SessionStore, TrustStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UNTIL = NOW + timedelta(minutes=16)


@dataclass
class Stores:
    """The stores of one installation, opened as in production."""

    database: Database
    accounts: AccountStore
    sessions: SessionStore
    trust: TrustStore
    tokens: AccessTokenStore
    totps: TotpStore
    told: list[Session] = field(default_factory=list)

    async def person(self, user_id: str = "ada", *roles: Role) -> tuple[Account, Session]:
        """Somebody with an account and an open session."""
        account = Account(
            id=user_id,
            uid=str(uuid.uuid4()),
            email=f"{user_id}@example.org",
            password_hash="$hash",
            create_time=NOW,
            update_time=NOW,
            email_verified=True,
            roles=frozenset(roles),
        )
        await self.accounts.add(Change(account))
        return account, await self.session(user_id)

    async def session(self, user_id: str, agent: str = "curl/8", address: str = "::1") -> Session:
        """One more session of theirs."""
        session, _ = open_session(user_id, NOW, DAY, agent, address)
        await self.sessions.add(session, 10)
        return session

    async def token(
        self, session: Session, *scopes: str, number: int = 1, days: int = 30, most: int = 10
    ) -> AccessToken:
        """An access token that is stored."""
        made = AccessToken(
            id=f"{session.user_id}{number}",
            user_id=session.user_id,
            title="CI 🦊",
            scopes=scopes or ("machines:read",),
            create_time=NOW + timedelta(seconds=number // 2),
            expire_time=NOW + timedelta(days=days),
        )
        await self.tokens.add(made, session_id=session.id, key_id="k1", most=most)
        return made

    async def revoked(self) -> list[str]:
        """The access tokens that are revoked."""
        found = await self.trust.revocations(NOW - DAY, NOW)
        return sorted(one.access_token for one in found if one.access_token)


@pytest.fixture(params=SQL_ENGINES)
async def stores(request: pytest.FixtureRequest, sql_place: SqlPlace) -> AsyncIterator[Stores]:
    """Stores with nothing in them but a signing key."""
    url = sql_place(request.param, "user_svc.schema")
    database = await open_database(url, "user_svc.schema", SystemClock())
    vault = Vault(b"k" * 32)
    told: list[Session] = []

    last: list[Session] = []

    def encode(session: Session) -> list[Record]:
        last[:] = [session]
        return [Record("allocator.users.facts.v1", f"users/{session.user_id}", b"", {})]

    made = Stores(
        database,
        SqlAccountStore(database, vault, lambda fact: [], lambda: None),
        SqlSessionStore(database, vault, encode, lambda: told.extend(last)),
        SqlTrustStore(database, vault),
        SqlAccessTokenStore(database),
        SqlTotpStore(database, vault),
        told,
    )
    key = replace(JoseTokenSigner().new_key(NOW), id="k1")
    assert await made.trust.add_key(key, "")
    yield made
    await database.close()


async def test_a_token_comes_back_as_it_was_stored(stores: Stores) -> None:
    _, session = await stores.person()
    made = await stores.token(session, "consoles:read", "machines:write")
    assert await stores.tokens.live_of("ada", NOW, None, 10) == [made]


async def test_tokens_are_listed_by_pages_without_those_that_have_ended(stores: Stores) -> None:
    _, session = await stores.person()
    made = [await stores.token(session, number=n) for n in range(5)]
    await stores.token(session, number=9, days=-1)
    found, after = [], None
    while page := await stores.tokens.live_of("ada", NOW, after, 2):
        found += page
        after = (page[-1].create_time, page[-1].id)
    assert found == sorted(made, key=lambda one: (one.create_time, one.id), reverse=True)


async def test_a_token_is_deleted_by_its_owner_once_and_revoked_with_it(stores: Stores) -> None:
    _, session = await stores.person()
    await stores.person("grace")
    made = await stores.token(session)
    assert not await stores.tokens.delete("grace", made.id, NOW)
    assert await stores.revoked() == []
    outcomes = await asyncio.gather(*(stores.tokens.delete("ada", made.id, NOW) for _ in range(4)))
    assert sorted(outcomes) == [False, False, False, True]
    [revocation] = [
        one for one in await stores.trust.revocations(NOW, NOW) if one.access_token == made.name
    ]
    assert (revocation.user, revocation.session) == ("users/ada", "")
    assert revocation.expire_time > made.expire_time


async def test_nobody_has_more_than_they_may_and_what_has_ended_does_not_count(
    stores: Stores,
) -> None:
    _, session = await stores.person()
    await stores.token(session, number=0, days=-1, most=2)
    results = await asyncio.gather(
        *(stores.token(session, number=n, most=2) for n in range(1, 6)), return_exceptions=True
    )
    assert sum(isinstance(one, TooManyAccessTokens) for one in results) == 3
    assert len(await stores.tokens.live_of("ada", NOW, None, 10)) == 2


async def test_only_an_open_session_of_ones_own_makes_one(stores: Stores) -> None:
    _, session = await stores.person()
    _, other = await stores.person("grace")
    with pytest.raises(SessionOver):
        await stores.token(replace(session, id=other.id))
    await stores.sessions.end("ada", session.id, NOW, UNTIL)
    with pytest.raises(SessionOver):
        await stores.token(session)
    with pytest.raises(SessionOver):
        await stores.token(open_session("nobody", NOW, DAY, "", "")[0])


async def test_only_an_admin_has_one_with_that_scope_and_it_ends_with_the_role(
    stores: Stores,
) -> None:
    _, session = await stores.person()
    with pytest.raises(RoleMissing):
        await stores.token(session, "admin")
    account, root = await stores.person("root", Role.ADMIN)
    strong = await stores.token(root, "admin", number=1)
    plain = await stores.token(root, number=2)
    revocation = Revocation(str(uuid.uuid4()), account.name, "", NOW, UNTIL, NOW)
    taken = account.revoked(Role.ADMIN, NOW)
    await stores.accounts.save(Change(taken, revocation=revocation))
    assert await stores.revoked() == [strong.name]
    assert await stores.tokens.live_of("root", NOW, None, 10) == [plain]


@pytest.mark.parametrize("keep", [True, False])
async def test_tokens_end_where_every_session_does(stores: Stores, *, keep: bool) -> None:
    account, session = await stores.person()
    _, other = await stores.person("grace")
    made, others = await stores.token(session), await stores.token(other)
    ended = SessionsEnded(NOW, UNTIL, keep=session.id if keep else "")
    changed = account.with_password("$other", NOW)
    await stores.accounts.save(Change(changed, sessions=ended))
    assert await stores.revoked() == ([] if keep else [made.name])
    assert await stores.tokens.live_of("grace", NOW, None, 10) == [others]


async def test_no_token_survives_what_ends_its_like_at_the_same_moment(stores: Stores) -> None:
    for number in range(6):
        account, session = await stores.person(f"p{number}")
        made, _ = await asyncio.gather(
            stores.token(session),
            stores.accounts.remove(Removal(account, NOW, UNTIL)),
            return_exceptions=True,
        )
        assert await stores.tokens.live_of(account.id, NOW, None, 10) == []
        if isinstance(made, AccessToken):
            assert made.name in await stores.revoked()
        else:
            assert isinstance(made, SessionOver)


async def test_the_key_is_needed_until_the_last_token_that_it_signed_has_ended(
    stores: Stores,
) -> None:
    _, session = await stores.person()
    for number, days in enumerate((30, 300, 60)):
        await stores.token(session, number=number, days=days)
    [key] = await stores.trust.keys()
    assert key.needed_until == NOW + timedelta(days=300)


async def test_use_is_noted_for_those_that_are_there(stores: Stores) -> None:
    _, session = await stores.person()
    made, unused = await stores.token(session, number=1), await stores.token(session, number=2)
    await stores.tokens.note_use([], NOW)
    await stores.tokens.note_use([made.id, "nobodys"], NOW + timedelta(seconds=5))
    await stores.tokens.note_use([made.id], NOW + timedelta(seconds=30))
    found = {one.id: one.last_use_time for one in await stores.tokens.live_of("ada", NOW, None, 9)}
    assert found == {made.id: NOW + timedelta(seconds=5), unused.id: None}


async def test_tokens_that_have_ended_are_swept(stores: Stores) -> None:
    _, session = await stores.person()
    await stores.token(session, number=1, days=1)
    await stores.token(session, number=2, days=3)
    assert await stores.tokens.sweep(NOW + timedelta(days=2)) == 1
    assert [one.id for one in await stores.tokens.live_of("ada", NOW, None, 9)] == ["ada2"]


async def test_a_second_factor_counts_once_it_is_confirmed(stores: Stores) -> None:
    await stores.person()
    first, second = Totp("ada", "JBSWY3DPEHPK3PXP", NOW), Totp("ada", "GEZDGNBVGY3TQOJQ", NOW)
    assert await stores.totps.get("ada") is None
    assert await stores.totps.put(first)
    assert await stores.totps.put(second)
    assert await stores.totps.get("ada") == second
    assert not await stores.totps.use_step("ada", 5)
    assert not await stores.totps.confirm(first, 7, [b"a" * 32], NOW)
    outcomes = await asyncio.gather(
        *(stores.totps.confirm(second, 7, [b"a" * 32, b"b" * 32], NOW) for _ in range(3))
    )
    assert sorted(outcomes) == [False, False, True]
    assert not await stores.totps.put(first)
    assert await stores.totps.get("ada") == replace(second, confirm_time=NOW, recovery_codes_left=2)


async def active(stores: Stores) -> Totp:
    """A second factor that is active, with two recovery codes."""
    await stores.person()
    totp = Totp("ada", "JBSWY3DPEHPK3PXP", NOW)
    await stores.totps.put(totp)
    assert await stores.totps.confirm(totp, 7, [b"a" * 32, b"b" * 32], NOW)
    return totp


async def test_a_time_step_and_those_before_it_are_used_up_once(stores: Stores) -> None:
    await active(stores)
    assert not await stores.totps.use_step("ada", 7)
    outcomes = await asyncio.gather(*(stores.totps.use_step("ada", 9) for _ in range(5)))
    assert sorted(outcomes) == [False] * 4 + [True]
    assert not await stores.totps.use_step("ada", 8)
    assert await stores.totps.use_step("ada", 10)
    assert not await stores.totps.use_step("nobody", 10)


async def test_a_recovery_code_is_used_up_once_and_only_by_its_owner(stores: Stores) -> None:
    await active(stores)
    assert not await stores.totps.use_recovery_code("grace", b"a" * 32)
    outcomes = await asyncio.gather(
        *(stores.totps.use_recovery_code("ada", b"a" * 32) for _ in range(5))
    )
    assert sorted(outcomes) == [False] * 4 + [True]
    found = await stores.totps.get("ada")
    assert found is not None
    assert found.recovery_codes_left == 1


async def test_a_second_factor_is_removed_with_all_that_belongs_to_it(stores: Stores) -> None:
    totp = await active(stores)
    assert await stores.totps.remove("ada")
    assert not await stores.totps.remove("ada")
    assert await stores.totps.get("ada") is None
    assert await stores.totps.put(totp)
    assert not await stores.totps.use_recovery_code("ada", b"b" * 32)


async def test_no_secret_is_stored_as_it_is(stores: Stores) -> None:
    totp = await active(stores)
    assert totp.secret.encode() not in await what_is_stored(stores.database)


async def test_what_is_kept_of_a_person_goes_with_the_account(stores: Stores) -> None:
    account, session = await stores.person()
    await stores.token(session)
    totp = Totp("ada", "JBSWY3DPEHPK3PXP", NOW)
    await stores.totps.put(totp)
    await stores.totps.confirm(totp, 7, [b"a" * 32], NOW)
    await stores.accounts.remove(Removal(account, NOW, UNTIL))
    assert await stores.totps.get("ada") is None
    assert not await stores.totps.use_recovery_code("ada", b"a" * 32)
    await stores.session("ada", "Firefox/1", "192.0.2.9")
    # The places are forgotten: with none known, this is a first log-in.
    assert stores.told == []


async def test_a_new_place_is_told_once_and_never_at_the_first_log_in(stores: Stores) -> None:
    await stores.session("ada", "curl/8", "192.0.2.1")
    await stores.session("grace", "curl/8", "192.0.2.2")
    await stores.session("ada", "curl/9", "192.0.2.1")
    assert stores.told == []
    elsewhere = await stores.session("ada", "curl/8", "192.0.2.2")
    other = await stores.session("ada", "Firefox/1 (X11)", "192.0.2.1")
    await stores.session("ada", "Firefox/2 (X11)", "192.0.2.2")
    assert stores.told == [elsewhere, other]
    assert await stores.sessions.sweep_places(NOW) == 0
    assert await stores.sessions.sweep_places(NOW + DAY) == 6
