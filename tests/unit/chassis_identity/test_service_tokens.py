"""Tokens of services, by clocks that differ, and secrets that are being replaced."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from chassis.faults import Unauthenticated
from chassis.identity import ServiceTokens, Vault, kept_secrets
from chassis.identity.vault import VaultBroken

OLD, NEW = b"o" * 32, b"n" * 32


class Hands:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("skew", [-120.0, -119.0, 0.0, 119.0, 120.0])
def test_clocks_may_differ_by_two_minutes_either_way(skew: float) -> None:
    here, there = Hands(), Hands(1_000_000.0 + skew)
    maker, checker = ServiceTokens(OLD, clock=there), ServiceTokens(OLD, clock=here)
    # At each moment of half an hour the token that the maker would send is good.
    for _ in range(1800):
        assert checker.verify(maker.mint("broker")) == "broker"
        here.now += 1
        there.now += 1


def test_a_token_ends_wherever_it_was_made() -> None:
    here = Hands()
    tokens = ServiceTokens(OLD, clock=here)
    token = tokens.mint("broker")
    here.now += 419
    assert tokens.verify(token) == "broker"
    here.now += 2
    with pytest.raises(Unauthenticated) as caught:
        tokens.verify(token)
    assert caught.value.reason == "TOKEN_EXPIRED"


def test_a_token_that_would_live_too_long_says_that_a_clock_is_wrong() -> None:
    ahead = ServiceTokens(OLD, clock=Hands(1_000_000.0 + 125)).mint("broker")
    with pytest.raises(Unauthenticated, match="set the clocks"):
        ServiceTokens(OLD, clock=Hands()).verify(ahead)


def test_a_clock_that_is_set_back_makes_new_tokens() -> None:
    here = Hands()
    tokens = ServiceTokens(OLD, clock=here)
    before = tokens.mint("broker")
    here.now -= 3600
    assert tokens.mint("broker") != before
    assert tokens.verify(tokens.mint("broker")) == "broker"


@pytest.mark.parametrize(
    ("maker", "checker"),
    [
        # Each step of a rotation beside the next: all know the new one, all use it, the old one goes.
        ((OLD,), (OLD, NEW)),
        ((OLD, NEW), (OLD,)),
        ((OLD, NEW), (NEW, OLD)),
        ((NEW, OLD), (OLD, NEW)),
        ((NEW, OLD), (NEW,)),
        ((NEW,), (NEW, OLD)),
    ],
)
def test_no_call_fails_while_a_secret_is_replaced(
    maker: tuple[bytes, ...], checker: tuple[bytes, ...]
) -> None:
    assert ServiceTokens(*checker).verify(ServiceTokens(*maker).mint("broker")) == "broker"
    assert Vault(OLD, NEW).open(Vault(*maker).seal(b"x", "here"), "here") == b"x"


def test_what_only_the_former_secret_made_is_refused_without_it() -> None:
    with pytest.raises(Unauthenticated):
        ServiceTokens(NEW).verify(ServiceTokens(OLD, NEW).mint("broker"))
    sealed = Vault(OLD).seal(b"x", "here")
    assert Vault(NEW, OLD).open(sealed, "here") == b"x"
    for vault, place in ((Vault(NEW), "here"), (Vault(NEW, OLD), "there")):
        with pytest.raises(VaultBroken):
            vault.open(sealed, place)


def test_two_secrets_are_given_by_a_comma_in_a_setting_or_in_the_file(tmp_path: Path) -> None:
    both = ", ".join(urlsafe_b64encode(one).decode().rstrip("=") for one in (NEW, OLD))
    assert kept_secrets(both, tmp_path / "unused") == (NEW, OLD)
    assert not (tmp_path / "unused").exists()
    file = tmp_path / "keys" / "vault.key"
    (made,) = kept_secrets("", file)
    text = file.read_text()
    file.write_text(f"{urlsafe_b64encode(NEW).decode()},{text}\n")
    assert kept_secrets("", file) == (NEW, made)
    for wrong in ("short", f"{both},", f"{both},short"):
        with pytest.raises(ValueError, match="32 bytes in base64url"):
            kept_secrets(wrong, file)


@pytest.mark.parametrize("token", ["", ".", "broker.1", "broker.é.00", "broker.²." + "0" * 64])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        ServiceTokens(OLD).verify(token)
