"""What other services must know to trust an access token: keys and revocations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair.

    Attributes:
        id: as in a token's `kid`.
        public_key, private_key: the raw keys, 32 bytes each; the private one is sealed at rest.
        create_time: when it was made.
        needed_until: when the last access token that it has signed ends; None where it has signed
            none.
    """

    id: str
    public_key: bytes
    private_key: bytes = field(repr=False)
    create_time: datetime
    needed_until: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Tokens that are refused although they are rightly signed and have not ended.

    Attributes:
        id: for telling two of them apart; a UUID.
        user: the person's resource name.
        session: one session's resource name; empty for all of the person's.
        issued_before: tokens that tell of a person as of before then.
        expire_time: when the last of them has ended by itself.
        create_time: when it was made.
        access_token: one personal access token's resource name; empty for tokens of sessions.
    """

    id: str
    user: str
    session: str
    issued_before: datetime
    expire_time: datetime
    create_time: datetime
    access_token: str = ""


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """How long keys are used.

    Attributes:
        rotation: a new key is made when the newest is so old.
        notice: a new key signs only after it has been published for so long, so that whoever
            checks its tokens knows it by then, even where a clock is ahead. The very first one signs at
            once. A former key stays published for as long besides.
        token_lifetime: how long a token lives; a key that is no longer signing is published on
            for so long, and the notice besides; longer where a personal access token needs it.
    """

    rotation: timedelta
    notice: timedelta
    token_lifetime: timedelta

    def is_due(self, keys: Sequence[SigningKey], now: datetime) -> bool:
        """Whether it is time for a new key."""
        return not keys or now - max(key.create_time for key in keys) >= self.rotation

    def signing(self, keys: Sequence[SigningKey], now: datetime) -> SigningKey:
        """The key that signs now: the newest that has been published for long enough.

        Raises:
            ValueError: there is no key.
        """
        ordered = sorted(keys, key=_age)
        if not ordered:
            raise ValueError("there is no signing key")
        ready = [key for key in ordered if now - key.create_time >= self.notice]
        return ready[-1] if ready else ordered[0]

    def published(self, keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
        """The keys whose tokens may still live, oldest first."""
        ordered = sorted(keys, key=_age)
        kept = []
        for key, successor in zip(ordered, [*ordered[1:], None], strict=True):
            last_signature = successor.create_time + self.notice if successor else now
            needed_until = last_signature + self.token_lifetime
            if key.needed_until is not None:
                needed_until = max(needed_until, key.needed_until)
            if now < needed_until + self.notice:
                kept.append(key)
        return kept


def _age(key: SigningKey) -> tuple[datetime, str]:
    return key.create_time, key.id
