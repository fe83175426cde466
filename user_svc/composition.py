"""How user_svc is wired; the only place that knows concrete classes."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from chassis.bus.outbox import Relay
from chassis.clock import SystemClock
from chassis.faults import Fault
from chassis.identity import Vault, kept_secrets
from chassis.limits import Delays, open_limits
from chassis.rpc.contract import known_scopes
from chassis.serving import Platform, Service, Store, Task, led
from chassis.settings import LoadedSettings, ProcessSettings
from chassis.sql import open_database
from chassis.sql.leases import SqlLeases
from user_svc.adapters.access_token_store.sql import SqlAccessTokenStore
from user_svc.adapters.account_store.sql import SqlAccountStore
from user_svc.adapters.admin_file.disk import DiskAdminFile
from user_svc.adapters.authenticator.pyotp import PyotpAuthenticator
from user_svc.adapters.code_delivery.grpc import GrpcCodeDelivery
from user_svc.adapters.invitation_store.sql import SqlInvitationStore
from user_svc.adapters.letter_store.sql import SqlLetterStore
from user_svc.adapters.password_hasher.argon2 import Argon2PasswordHasher
from user_svc.adapters.session_store.sql import SqlSessionStore
from user_svc.adapters.token_signer.joserfc import JoseTokenSigner
from user_svc.adapters.totp_store.sql import SqlTotpStore
from user_svc.adapters.trust_store.sql import SqlTrustStore
from user_svc.domain.code import Letter
from user_svc.domain.trust import KeyPlan
from user_svc.schema.tables import LEASES, OUTBOX
from user_svc.settings import Settings
from user_svc.transport.cookies import RefreshCookies
from user_svc.transport.factor_servicers import AccessTokenServicer, TotpServicer
from user_svc.transport.invitation_servicer import InvitationServicer, invitation_records
from user_svc.transport.key_document import key_document
from user_svc.transport.mapping import user_records
from user_svc.transport.session_mapping import new_place_records
from user_svc.transport.session_servicer import SessionServicer
from user_svc.transport.trust_servicer import TrustServicer
from user_svc.transport.user_servicer import People, UserServicer
from user_svc.usecases.access_tokens import AccessTokenRules, AccessTokens
from user_svc.usecases.accounts import Accounts
from user_svc.usecases.codes import CodeRules, Codes
from user_svc.usecases.contacts import Contacts
from user_svc.usecases.first_admin import FirstAdmin
from user_svc.usecases.invitations import Invitations
from user_svc.usecases.leaving import Leaving
from user_svc.usecases.letters import LetterDispatch
from user_svc.usecases.log_in import LogIn, SessionRules
from user_svc.usecases.password_proof import PasswordProof
from user_svc.usecases.password_reset import PasswordReset
from user_svc.usecases.second_factor import SecondFactor
from user_svc.usecases.sign_up import Mode, SignUp, SignUpRules
from user_svc.usecases.sweeping import Sweeping
from user_svc.usecases.trust_feed import FeedPace, TrustFeed

# Two minutes between the clocks of two machines, and one for a change that is being stored.
_SKEW = timedelta(minutes=3)
_KEY_NOTICE = 4 * _SKEW
_HEARTBEAT = timedelta(seconds=5)
_ACCESS_TOKEN_REFILL = timedelta(minutes=15)
_ADMIN_FILE = "admin.json"


PUBLISHES: tuple[str, ...] = ("users",)
"""The nouns of the topics that it publishes to."""


def stores(settings: LoadedSettings) -> tuple[Store, ...]:
    """Where it keeps what it owns."""
    return (
        Store("users", "user_svc.schema", settings.of(Settings).database_url.get_secret_value()),
    )


async def compose(platform: Platform) -> Service:
    """Wires the service, and makes the first admin and the first signing key."""
    settings = platform.settings(Settings)
    log, clock, vault = platform.log(), platform.clock, platform.vault

    # stores
    database = await platform.database(stores(platform.loaded)[0])
    leases = None if database.is_sqlite else SqlLeases(database, LEASES)
    leadership = platform.leadership(leases)
    fence = None if leases is None else leases.fence_for(leadership)
    relay = Relay(database, OUTBOX, platform.bus, fence=fence)
    platform.publishes(relay, leadership)
    accounts = SqlAccountStore(database, vault, user_records, leadership.wake)
    sessions = SqlSessionStore(database, vault, new_place_records, leadership.wake)
    tokens = SqlAccessTokenStore(database)
    totps = SqlTotpStore(database, vault)
    letters = SqlLetterStore(database, vault)
    invitation_store = SqlInvitationStore(database, vault, invitation_records, leadership.wake)
    trust_store = SqlTrustStore(database, vault)

    # passwords, tokens, limits
    hasher = _password_hasher(settings)
    platform.exits.callback(hasher.close)
    signer = JoseTokenSigner()
    limits = open_limits(platform.process.cache_url.get_secret_value(), clock, platform.service)
    platform.exits.push_async_callback(limits.close)
    admin_file = DiskAdminFile(settings.admin_file or platform.process.data_dir / _ADMIN_FILE)

    # what others trust
    token_lifetime = timedelta(seconds=settings.access_token_seconds)

    def trust_unread(fault: Fault) -> None:
        log.warning("keys and revocations cannot be read", reason=fault.reason)

    poll = timedelta(seconds=settings.trust_poll_seconds)
    feed = TrustFeed(
        trust_store,
        signer,
        plan=KeyPlan(timedelta(days=settings.key_rotation_days), _KEY_NOTICE, token_lifetime),
        pace=FeedPace(poll, _SKEW, _HEARTBEAT),
        clock=clock,
        stopping=platform.draining,
        failed=trust_unread,
    )
    await feed.refresh()

    # letters to notifier
    def letter_refused(letter: Letter, fault: Fault) -> None:
        log.warning("letter not handed over", delivery=letter.delivery_id, reason=fault.reason)

    delivery = GrpcCodeDelivery(platform.channel("notifier"), settings.delivery_seconds)
    dispatch = LetterDispatch(letters, delivery, clock, letter_refused)
    leadership.on_wake(lambda _keys: dispatch.wake())

    # what people do
    session_rules = _session_rules(settings, token_lifetime)
    codes = Codes(
        accounts,
        limiter=limits.limiter,
        rules=_code_rules(settings),
        clock=clock,
        letter_waits=leadership.wake,
    )
    sign_up = SignUp(
        accounts,
        codes,
        invitation_store,
        hasher=hasher,
        limiter=limits.limiter,
        rules=_sign_up_rules(settings),
        clock=clock,
    )
    invitations = Invitations(
        invitation_store, most=settings.invitations, clock=clock, letter_waits=leadership.wake
    )
    proof = PasswordProof(hasher, limits.failures, session_rules.account_delays)
    second_factor = SecondFactor(
        accounts,
        totps,
        authenticator=PyotpAuthenticator(),
        password=proof,
        failures=limits.failures,
        delays=Delays(settings.free_wrong_totp_codes, 1.0, settings.longest_wait_totp_seconds),
        clock=clock,
    )
    access_tokens = AccessTokens(
        accounts,
        tokens,
        signer=signer,
        signing_key=feed.signing_key,
        limiter=limits.limiter,
        rules=AccessTokenRules(
            scopes=known_scopes(),
            most=settings.access_tokens_per_user,
            burst=settings.access_tokens_per_user,
            refill=_ACCESS_TOKEN_REFILL,
        ),
        clock=clock,
        revoked=feed.wake,
    )
    log_in = LogIn(
        accounts,
        sessions,
        hasher=hasher,
        signer=signer,
        signing_key=feed.signing_key,
        second_factor=second_factor,
        failures=limits.failures,
        rules=session_rules,
        clock=clock,
        revoked=feed.wake,
    )
    keeping = Accounts(
        accounts,
        hasher=hasher,
        proof=proof,
        admin_file=admin_file,
        rules=session_rules,
        clock=clock,
        revoked=feed.wake,
    )
    reset = PasswordReset(
        accounts,
        codes,
        hasher=hasher,
        admin_file=admin_file,
        rules=session_rules,
        clock=clock,
        revoked=feed.wake,
    )
    contacts = Contacts(
        accounts,
        keeping,
        codes,
        proof=proof,
        admin_file=admin_file,
        rules=session_rules,
        clock=clock,
        revoked=feed.wake,
    )
    leaving = Leaving(
        accounts,
        keeping,
        sessions=sessions,
        proof=proof,
        admin_file=admin_file,
        rules=session_rules,
        clock=clock,
        revoked=feed.wake,
    )
    if settings.first_admin == "yes" or (settings.first_admin == "auto" and database.is_sqlite):
        made = await FirstAdmin(accounts, hasher, admin_file, clock).ensure()
        log.info("first admin", made=made)

    origins = frozenset(part.strip() for part in settings.origins.split(",") if part.strip())
    cookies = RefreshCookies(origins, always_secure=settings.secure_cookie == "yes")
    return Service(
        name="user_svc",
        servicers={
            "allocator.users.v1.UserService": UserServicer(
                People(sign_up, keeping, reset, contacts, leaving)
            ),
            "allocator.users.v1.SessionService": SessionServicer(log_in, cookies),
            "allocator.users.v1.AccessTokenService": AccessTokenServicer(access_tokens),
            "allocator.users.v1.InvitationService": InvitationServicer(
                invitations, Mode(settings.sign_up), clock
            ),
            "allocator.users.v1.TotpService": TotpServicer(second_factor),
            "allocator.access.v1.TrustService": TrustServicer(feed, access_tokens),
        },
        routes=[key_document(feed.published)],
        tasks=[
            *led(
                leadership,
                Task("user_svc.relay", relay.run),
                Task("user_svc.letters", dispatch.run),
                Task(
                    "user_svc.sweeping",
                    Sweeping(sessions, tokens, invitation_store, feed.sweep, clock).run,
                ),
            ),
            Task("user_svc.trust", feed.run),
            *(Task("user_svc.limits", watch) for watch in limits.watches),
        ],
        checks={"limits": limits.problem} if limits.watches else {},
    )


async def make_first_admin(settings: LoadedSettings, file: Path) -> bool:
    """Makes the first admin where there is none, however many processes try it at the same moment.

    Args:
        settings: of every service.
        file: where the credentials are written; its folder is there.

    Returns:
        Whether it was made now.

    Raises:
        SchemaTooOld, SchemaTooNew: the store is not of this version.
        Unavailable: the store does not answer, or the file cannot be written.
    """
    process, clock = settings.of(ProcessSettings), SystemClock()
    store = stores(settings)[0]
    keys = kept_secrets(
        process.vault_key.get_secret_value(), process.data_dir / "keys" / "vault.key"
    )
    async with AsyncExitStack() as exits:
        database = await open_database(
            store.url_in(process.data_dir), store.schema, clock, migrate=store.is_file
        )
        exits.push_async_callback(database.close)
        hasher = _password_hasher(settings.of(Settings))
        exits.callback(hasher.close)
        # The relay of a service looks into the outbox by itself.
        accounts = SqlAccountStore(database, Vault(*keys), user_records, lambda: None)
        return await FirstAdmin(accounts, hasher, DiskAdminFile(file), clock).ensure()


def _password_hasher(settings: Settings) -> Argon2PasswordHasher:
    return Argon2PasswordHasher(
        settings.argon2_memory_kib,
        settings.argon2_passes,
        settings.argon2_threads,
        settings.argon2_waiting,
    )


def _session_rules(settings: Settings, token_lifetime: timedelta) -> SessionRules:
    return SessionRules(
        token_lifetime=token_lifetime,
        lifetime=timedelta(days=settings.session_days),
        grace=timedelta(seconds=settings.refresh_grace_seconds),
        skew=_SKEW,
        most=settings.sessions_per_user,
        account_delays=Delays(
            settings.free_failures_per_user, 1.0, settings.longest_wait_per_user_seconds
        ),
        address_delays=Delays(
            settings.free_failures_per_address, 1.0, settings.longest_wait_per_address_seconds
        ),
    )


def _code_rules(settings: Settings) -> CodeRules:
    return CodeRules(
        lifetime=timedelta(seconds=settings.code_seconds),
        pause=timedelta(seconds=settings.code_pause_seconds),
        address_burst=settings.sign_ups_at_once,
        address_refill=timedelta(seconds=settings.sign_up_pause_seconds),
    )


def _sign_up_rules(settings: Settings) -> SignUpRules:
    return SignUpRules(
        mode=Mode(settings.sign_up),
        address_burst=settings.sign_ups_at_once,
        address_refill=timedelta(seconds=settings.sign_up_pause_seconds),
        contact_burst=settings.sign_up_mails_at_once,
        contact_refill=timedelta(seconds=settings.sign_up_mail_pause_seconds),
    )
