"""user_svc without its transport: the use cases on SQLite, with a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from chassis.clock import ManualClock
from chassis.faults import Fault
from chassis.identity import Caller, ServiceTokens, Trust, TrustUpdate, Vault
from chassis.limits import Delays, MemoryFailureDelays, MemoryRateLimiter
from chassis.sql import Database, open_database
from user_svc.adapters.access_token_store.sql import SqlAccessTokenStore
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.admin_file.disk import DiskAdminFile
from user_svc.adapters.authenticator.pyotp import PyotpAuthenticator
from user_svc.adapters.invitation_store.sql import SqlInvitationStore
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.adapters.password_hasher.argon2 import Argon2PasswordHasher
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.token_signer.joserfc import JoseTokenSigner
from user_svc.adapters.totp_store.sql import SqlTotpStore
from user_svc.adapters.trust_store.sql import SqlTrustStore
from user_svc.domain.account import Account
from user_svc.domain.code import Letter
from user_svc.domain.contact import email as by_email
from user_svc.domain.trust import KeyPlan
from user_svc.transport.invitation_servicer import invitation_records
from user_svc.transport.mapping import user_records
from user_svc.transport.session_mapping import new_place_records
from user_svc.usecases.access_tokens import AccessTokenRules, AccessTokens
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.codes import CodeRules, Codes
from user_svc.usecases.contacts import Contacts
from user_svc.usecases.first_admin import FirstAdmin
from user_svc.usecases.invitations import Invitations
from user_svc.usecases.leaving import Leaving
from user_svc.usecases.log_in import LogIn, Pair, SessionRules
from user_svc.usecases.password_proof import PasswordProof
from user_svc.usecases.password_reset import PasswordReset
from user_svc.usecases.second_factor import SecondFactor
from user_svc.usecases.sign_up import Mode, NewPerson, SignUp, SignUpRules
from user_svc.usecases.trust_feed import FeedPace, TrustFeed

PASSWORD = "a fine long password"


@dataclass
class World:
    """Everything that user_svc is made of, but its transport."""

    clock: ManualClock
    database: Database
    accounts: SqlAccountStore
    sessions: SqlSessionStore
    tokens: SqlAccessTokenStore
    totps: SqlTotpStore
    second_factor: SecondFactor
    access_tokens: AccessTokens
    letters: SqlLetterStore
    trust_store: SqlTrustStore
    hasher: Argon2PasswordHasher
    signer: JoseTokenSigner
    admin_file: DiskAdminFile
    feed: TrustFeed
    sign_up: SignUp
    invitation_store: SqlInvitationStore
    invitations: Invitations
    log_in: LogIn
    keeping: Accounts
    reset: PasswordReset
    contacts: Contacts
    leaving: Leaving
    first_admin: FirstAdmin
    stopping: asyncio.Event
    woken: list[str] = field(default_factory=list)
    failures: list[Fault] = field(default_factory=list)

    async def mail(self) -> list[Letter]:
        """The letters that wait, each once, the oldest first."""
        now = self.clock.now()
        found = await self.letters.due(now, now + timedelta(days=1), 100)
        for letter, _ in found:
            await self.letters.drop(letter.delivery_id)
        return [letter for letter, _ in found]

    async def registered(self, email: str = "ada@example.org", password: str = PASSWORD) -> Letter:
        """Somebody who has signed up; the letter that they got."""
        await self.sign_up.register(NewPerson(email, password), "192.0.2.1", "")
        return (await self.mail())[-1]

    async def person(self, email: str = "ada@example.org", password: str = PASSWORD) -> Account:
        """Somebody who can log in."""
        letter = await self.registered(email, password)
        await self.sign_up.verify(by_email(email), letter.digits)
        account = await self.accounts.by_email(email)
        assert account is not None
        return account

    async def logged_in(self, email: str = "ada@example.org", password: str = PASSWORD) -> Pair:
        """Somebody who has logged in."""
        return await self.log_in.open(email, password, "192.0.2.1", "tests")

    async def admin(self) -> Caller:
        """The first admin, logged in."""
        await self.first_admin.ensure()
        account = await self.accounts.by_email("admin@allocator.local")
        assert account is not None
        return Caller(user=account.name, roles=frozenset({"ADMIN"}), verified=True)


def caller_of(pair: Pair) -> Caller:
    """Who calls with the tokens of a session."""
    roles = frozenset(role.value for role in pair.account.roles)
    return Caller(user=pair.account.name, session=pair.session.name, roles=roles, verified=True)


@pytest.fixture
def as_caller():  # type: ignore[no-untyped-def]
    """Who calls with the tokens of a session."""
    return caller_of


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """A world with nobody in it; everybody can sign up unless a parameter says who."""
    clock = ManualClock()
    database = await open_database(f"sqlite:///{tmp_path}/users.sqlite3", "user_svc.schema", clock)
    vault = Vault(b"k" * 32)
    woken: list[str] = []
    mode = getattr(request, "param", Mode.OPEN)
    invitation_store = SqlInvitationStore(
        database, vault, invitation_records, lambda: woken.append("relay")
    )
    failures: list[Fault] = []
    stopping = asyncio.Event()
    accounts = SqlAccountStore(database, vault, user_records, lambda: woken.append("relay"))
    sessions = SqlSessionStore(database, vault, new_place_records, lambda: woken.append("relay"))
    tokens = SqlAccessTokenStore(database)
    totps = SqlTotpStore(database, vault)
    trust_store = SqlTrustStore(database, vault)
    hasher = Argon2PasswordHasher(memory_kib=64, passes=1, threads=2, waiting=8)
    signer = JoseTokenSigner()
    delays = MemoryFailureDelays(clock)
    admin_file = DiskAdminFile(tmp_path / "admin.json")
    token_lifetime = timedelta(minutes=15)
    feed = TrustFeed(
        trust_store,
        signer,
        plan=KeyPlan(timedelta(days=90), timedelta(minutes=2), token_lifetime),
        pace=FeedPace(timedelta(seconds=2), timedelta(minutes=1), timedelta(seconds=5)),
        clock=clock,
        stopping=stopping,
        failed=failures.append,
    )
    await feed.refresh()
    rules = SessionRules(
        token_lifetime=token_lifetime,
        lifetime=timedelta(days=30),
        grace=timedelta(seconds=10),
        skew=timedelta(minutes=1),
        most=5,
        account_delays=Delays(3, 1.0, 60.0),
        address_delays=Delays(20, 1.0, 900.0),
    )
    limiter = MemoryRateLimiter(clock)
    codes = Codes(
        accounts,
        limiter=limiter,
        rules=CodeRules(
            lifetime=timedelta(minutes=10),
            pause=timedelta(minutes=1),
            address_burst=10,
            address_refill=timedelta(minutes=1),
        ),
        clock=clock,
        letter_waits=lambda: woken.append("letters"),
    )
    proof = PasswordProof(hasher, delays, rules.account_delays)
    second_factor = SecondFactor(
        accounts,
        totps,
        authenticator=PyotpAuthenticator(),
        password=proof,
        failures=delays,
        delays=Delays(3, 1.0, 900.0),
        clock=clock,
    )
    keeping = Accounts(
        accounts,
        hasher=hasher,
        proof=proof,
        admin_file=admin_file,
        rules=rules,
        clock=clock,
        revoked=feed.wake,
    )
    yield World(
        clock=clock,
        database=database,
        accounts=accounts,
        sessions=sessions,
        tokens=tokens,
        totps=totps,
        second_factor=second_factor,
        access_tokens=AccessTokens(
            accounts,
            tokens,
            signer=signer,
            signing_key=feed.signing_key,
            limiter=MemoryRateLimiter(clock),
            rules=AccessTokenRules(
                scopes=frozenset({"allocations:read", "allocations:write", "admin"}),
                most=3,
                burst=5,
                refill=timedelta(minutes=1),
            ),
            clock=clock,
            revoked=feed.wake,
        ),
        letters=SqlLetterStore(database, vault),
        trust_store=trust_store,
        hasher=hasher,
        signer=signer,
        admin_file=admin_file,
        feed=feed,
        invitation_store=invitation_store,
        invitations=Invitations(
            invitation_store, most=5, clock=clock, letter_waits=lambda: woken.append("letters")
        ),
        sign_up=SignUp(
            accounts,
            codes,
            invitation_store,
            hasher=hasher,
            limiter=limiter,
            rules=SignUpRules(
                mode=mode,
                address_burst=10,
                address_refill=timedelta(minutes=1),
                contact_burst=3,
                contact_refill=timedelta(minutes=10),
            ),
            clock=clock,
        ),
        log_in=LogIn(
            accounts,
            sessions,
            hasher=hasher,
            signer=signer,
            signing_key=feed.signing_key,
            second_factor=second_factor,
            failures=delays,
            rules=rules,
            clock=clock,
            revoked=feed.wake,
        ),
        keeping=keeping,
        reset=PasswordReset(
            accounts,
            codes,
            hasher=hasher,
            admin_file=admin_file,
            rules=rules,
            clock=clock,
            revoked=feed.wake,
        ),
        contacts=Contacts(
            accounts,
            keeping,
            codes,
            proof=proof,
            admin_file=admin_file,
            rules=rules,
            clock=clock,
            revoked=feed.wake,
        ),
        leaving=Leaving(
            accounts,
            keeping,
            sessions=sessions,
            proof=proof,
            admin_file=admin_file,
            rules=rules,
            clock=clock,
            revoked=feed.wake,
        ),
        first_admin=FirstAdmin(accounts, hasher, admin_file, clock),
        stopping=stopping,
        woken=woken,
        failures=failures,
    )
    hasher.close()
    await database.close()


@pytest.fixture
def trusting(world: World):  # type: ignore[no-untyped-def]
    """Makes what every other service has: trust in the tokens of this one, as of now."""

    async def follow() -> Trust:
        from chassis.identity import Revocation

        trust = Trust(ServiceTokens(b"s" * 32), clock=lambda: world.clock.now().timestamp())
        await world.feed.refresh()
        async for change in world.feed.watch():
            trust.learn(
                TrustUpdate(
                    {key.id: key.public_key for key in change.keys},
                    [
                        Revocation(
                            one.user,
                            one.session,
                            one.issued_before.timestamp(),
                            one.expire_time.timestamp(),
                            one.access_token,
                        )
                        for one in change.revocations
                    ],
                )
            )
            return trust
        raise AssertionError("the feed has ended")

    return follow
