"""Which access tokens are trusted."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import OKPKey

from chassis.faults import Unauthenticated, Unavailable
from chassis.identity import Revocation, ServiceTokens, Trust, TrustUpdate, Vault, kept_secrets
from chassis.identity.vault import VaultBroken


class Issuer:
    def __init__(self, name: str = "k1") -> None:
        self.key = Ed25519PrivateKey.generate()
        self.name = name

    def public(self) -> dict[str, bytes]:
        return {self.name: self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)}

    def token(self, **changed: object) -> str:
        now = time.time()
        claims = {
            "iss": "allocator",
            "aud": "allocator",
            "sub": "users/ada",
            "sid": "sessions/one",
            "iat": now,
            "exp": now + 900,
            "roles": ["ADMIN"],
            "verified": True,
            **changed,
        }
        header = {"alg": "Ed25519", "kid": self.name}
        key = OKPKey.import_key(self.key)
        return jwt.encode(header, claims, key, algorithms=["Ed25519"])


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def trust(issuer: Issuer) -> Trust:
    made = Trust(ServiceTokens(b"k" * 32))
    made.learn(TrustUpdate(keys=issuer.public()))
    return made


def refused(trust: Trust, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        trust.verify(token)
    return caught.value.reason


def test_a_good_token_tells_the_person(trust: Trust, issuer: Issuer) -> None:
    caller = trust.verify(issuer.token())
    assert (caller.user, caller.session, caller.is_admin) == ("users/ada", "sessions/one", True)


def test_before_keys_are_known_nobody_is_told_that_their_token_is_bad(issuer: Issuer) -> None:
    with pytest.raises(Unavailable) as caught:
        Trust(ServiceTokens(b"k" * 32)).verify(issuer.token())
    assert caught.value.reason == "TRUST_STALE"


@pytest.mark.parametrize(
    "changed", [{"iss": "other"}, {"aud": "other"}, {"sub": None, "sid": None, "exp": "x"}]
)
def test_a_token_for_somebody_else_is_refused(
    trust: Trust, issuer: Issuer, changed: dict[str, object]
) -> None:
    assert refused(trust, issuer.token(**changed)) in ("TOKEN_INVALID", "TOKEN_EXPIRED")


def test_a_forged_or_damaged_token_is_refused(trust: Trust, issuer: Issuer) -> None:
    assert refused(trust, Issuer("k1").token()) == "TOKEN_INVALID"
    assert refused(trust, Issuer("unknown").token()) == "TOKEN_INVALID"
    token = issuer.token()
    assert refused(trust, token[:-4] + "AAAA") == "TOKEN_INVALID"
    for junk in ("", "a", "a.b.c", "é" * 10, "." * 5, "eyJhbGciOiJub25lIn0.e30."):
        assert refused(trust, junk) == "TOKEN_INVALID"


def test_a_token_that_has_ended_says_so(trust: Trust, issuer: Issuer) -> None:
    assert refused(trust, issuer.token(exp=time.time() - 1)) == "TOKEN_EXPIRED"


def test_a_revocation_does_not_wait_for_a_remembered_token(trust: Trust, issuer: Issuer) -> None:
    token = issuer.token()
    trust.verify(token)
    now = time.time()
    trust.learn(
        TrustUpdate(revocations=[Revocation("users/ada", "sessions/one", now + 1, now + 900)])
    )
    assert refused(trust, token) == "TOKEN_REVOKED"
    assert trust.verify(issuer.token(sid="sessions/two")).session == "sessions/two"


def test_a_revoked_person_may_log_in_again(trust: Trust, issuer: Issuer) -> None:
    old = issuer.token(iat=time.time() - 10)
    heard: list[str] = []
    trust.on_revocation(lambda revocation: heard.append(revocation.user))
    now = time.time()
    trust.learn(TrustUpdate(revocations=[Revocation("users/ada", "", now - 1, now + 900)]))
    assert refused(trust, old) == "TOKEN_REVOKED"
    assert trust.verify(issuer.token()).user == "users/ada"
    assert heard == ["users/ada"]


def test_a_key_that_is_gone_is_trusted_no_more(trust: Trust, issuer: Issuer) -> None:
    token = issuer.token()
    trust.verify(token)
    trust.learn(TrustUpdate(keys=Issuer("k2").public()))
    assert refused(trust, token) == "TOKEN_INVALID"


def test_trust_is_fresh_once_it_has_heard_of_its_source(trust: Trust) -> None:
    assert trust.is_fresh()
    assert not Trust(ServiceTokens(b"k" * 32)).is_fresh()


def test_a_sealed_secret_opens_in_its_own_place_only(tmp_path) -> None:
    (key,) = kept_secrets("", tmp_path / "keys" / "vault")
    assert kept_secrets("", tmp_path / "keys" / "vault") == (key,)
    assert (tmp_path / "keys" / "vault").stat().st_mode & 0o777 == 0o600
    vault = Vault(key)
    sealed = vault.seal("päss".encode(), "allocations/a")
    assert vault.open(sealed, "allocations/a").decode() == "päss"
    for wrong in (lambda: vault.open(sealed, "allocations/b"), lambda: vault.open(b"x", "a")):
        with pytest.raises(VaultBroken):
            wrong()
