"""Sessions and their refresh tokens.

A refresh token is `<session>.<family>.<turn>`. The family part stays the same for the life of the
session, the turn part changes at each use. The store holds only the hashes of both, so that

* a token with a wrong family part was never ours, and changes nothing: knowing a session's name,
  which is no secret, is not enough to end it;
* a token with the right family part and a turn that is over was ours and has been used before:
  somebody copied it, and the session ends.

The next turn is computed from the present one with a key of the session that is sealed at rest.
So two tabs, or a page that was reloaded before it saw the answer, which refresh with the same token
within the grace get the *same* next token, in whatever order the answers arrive.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from user_svc.domain.device import device_of, network_of
from user_svc.domain.names import new_id, session_name

_SECRET_BYTES = 32
_FAMILY_BYTES = 16


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token as its holder has it."""

    session_id: str
    family: bytes = field(repr=False)
    turn: bytes = field(repr=False)

    def text(self) -> str:
        """As it travels."""
        return f"{self.session_id}.{_encoded(self.family)}.{_encoded(self.turn)}"


@dataclass(frozen=True, slots=True)
class Session:
    """One log-in from one device.

    Attributes:
        family_hash, turn_hash: SHA-256 of the parts of the present refresh token.
        last_turn_hash: of the turn before; empty before the first refresh.
        rotation_key: 32 bytes that make the next turn from the present one; sealed at rest.
        refresh_time: when it was last refreshed; at first when it was made.
        expire_time: when it ends if it is not refreshed before.
        user_agent, address: the program that last used it, by its own words, and from where.
        end_time: when it was logged out or ended; None while it is open.
    """

    id: str
    user_id: str
    family_hash: bytes = field(repr=False)
    turn_hash: bytes = field(repr=False)
    rotation_key: bytes = field(repr=False)
    create_time: datetime
    refresh_time: datetime
    expire_time: datetime
    user_agent: str = ""
    address: str = ""
    last_turn_hash: bytes = field(default=b"", repr=False)
    end_time: datetime | None = None

    @property
    def name(self) -> str:
        """The resource name, `sessions/{id}`."""
        return session_name(self.id)

    @property
    def device(self) -> str:
        """The device in plain words."""
        return device_of(self.user_agent)

    @property
    def places(self) -> list[tuple[str, str]]:
        """What a log-in is known again by: the device, and the network."""
        return [("device", self.device), ("network", network_of(self.address))]

    def is_open(self, now: datetime) -> bool:
        """Whether it has neither ended nor lapsed."""
        return self.end_time is None and now < self.expire_time

    def next_token(self, token: RefreshToken) -> RefreshToken:
        """The token that follows `token`: always the same one."""
        turn = hmac.digest(self.rotation_key, token.turn, "sha256")
        return RefreshToken(self.id, token.family, turn)

    def rotated(
        self,
        token: RefreshToken,
        now: datetime,
        lifetime: timedelta,
        *,
        user_agent: str = "",
        address: str = "",
    ) -> Session:
        """As it is once `token` has been used, by that program from there, where it is known."""
        return replace(
            self,
            user_agent=user_agent or self.user_agent,
            address=address or self.address,
            last_turn_hash=self.turn_hash,
            turn_hash=hashed(self.next_token(token).turn),
            refresh_time=now,
            expire_time=now + lifetime,
        )


class Standing(Enum):
    """What a refresh token is to a session."""

    PRESENT = "PRESENT"
    JUST_USED = "JUST_USED"
    USED = "USED"
    STRANGE = "STRANGE"


def standing(session: Session, token: RefreshToken, now: datetime, grace: timedelta) -> Standing:
    """What `token` is: the present one, one used a moment ago, one used before, or never ours."""
    if not hmac.compare_digest(session.family_hash, hashed(token.family)):
        return Standing.STRANGE
    digest = hashed(token.turn)
    if hmac.compare_digest(session.turn_hash, digest):
        return Standing.PRESENT
    just_before = hmac.compare_digest(session.last_turn_hash, digest)
    if just_before and now - session.refresh_time <= grace:
        return Standing.JUST_USED
    return Standing.USED


def open_session(
    user_id: str, now: datetime, lifetime: timedelta, user_agent: str, address: str
) -> tuple[Session, RefreshToken]:
    """A new session of a person and its first refresh token."""
    token = RefreshToken(
        new_id(), secrets.token_bytes(_FAMILY_BYTES), secrets.token_bytes(_SECRET_BYTES)
    )
    session = Session(
        id=token.session_id,
        user_id=user_id,
        family_hash=hashed(token.family),
        turn_hash=hashed(token.turn),
        rotation_key=secrets.token_bytes(_SECRET_BYTES),
        create_time=now,
        refresh_time=now,
        expire_time=now + lifetime,
        user_agent=user_agent,
        address=address,
    )
    return session, token


def read_token(text: str) -> RefreshToken | None:
    """A refresh token from its text; None where it cannot be one of ours."""
    session_id, _, rest = text.partition(".")
    family_text, _, turn_text = rest.partition(".")
    family, turn = _decoded(family_text), _decoded(turn_text)
    if not session_id.isalnum() or len(family) != _FAMILY_BYTES or len(turn) != _SECRET_BYTES:
        return None
    return RefreshToken(session_id, family, turn)


def hashed(secret: bytes) -> bytes:
    """How a part of a token is stored. A fast hash will do: the parts are random."""
    return hashlib.sha256(secret).digest()


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # of which binascii.Error is one
        return b""
