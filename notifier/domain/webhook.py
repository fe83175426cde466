"""Webhooks: programs of people that are told what happens to them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import urlsplit

from chassis.clock import rfc3339
from notifier.domain.faults import WebhookUrlRefused

TEST_KIND = "WEBHOOK_TEST"
"""The kind of the notice that tests a webhook; it is sent whatever kinds a webhook wants."""

MOST_URL = 2000
"""The most characters of a URL."""

_GONE = 410
_SECRET_BYTES = 32
_PREFIX = "whsec_"
_BOTH_SECRETS = timedelta(days=1)
_ALPHABET = string.ascii_lowercase + string.digits
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class WebhookState(Enum):
    """The life of a webhook."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint that a person has registered.

    Attributes:
        id: 12 characters of `[a-z0-9]`; nobody guesses one.
        uid: never used twice.
        owner: whose, `users/…`.
        title: what its owner calls it.
        url: what is posted to.
        kinds: the kinds of notices that it wants; none means all.
        state: only an ENABLED one is told of anything.
        secret: signs what is sent, `whsec_` and 32 bytes in base64.
        former_secret: the one before; empty where there is none that still signs.
        former_until: until when the former one signs too.
        failing_since: since when each attempt has failed; None where the last one has not.
        version: counts the changes that its owner makes.
    """

    id: str
    uid: str
    owner: str
    title: str
    url: str
    kinds: tuple[str, ...]
    create_time: datetime
    update_time: datetime
    state: WebhookState = WebhookState.ENABLED
    secret: str = field(default="", repr=False)
    former_secret: str = field(default="", repr=False)
    former_until: datetime | None = None
    failing_since: datetime | None = None
    version: int = 1

    @property
    def name(self) -> str:
        """The resource name, `webhooks/{id}`."""
        return f"webhooks/{self.id}"

    @property
    def is_enabled(self) -> bool:
        """Whether it is told of anything."""
        return self.state is WebhookState.ENABLED

    def wants(self, kind: str) -> bool:
        """Whether it is told of notices of this kind."""
        return self.is_enabled and (not self.kinds or kind in self.kinds)

    def edited(self, now: datetime, *, title: str, url: str, kinds: Sequence[str]) -> Webhook:
        """With what its owner may change; another URL has not failed yet."""
        return replace(
            self,
            title=title,
            url=url,
            kinds=tuple(kinds),
            failing_since=self.failing_since if url == self.url else None,
            update_time=now,
            version=self.version + 1,
        )

    def switched(self, state: WebhookState, now: datetime) -> Webhook:
        """On or off; one that is switched on has not failed yet."""
        return replace(
            self, state=state, failing_since=None, update_time=now, version=self.version + 1
        )

    def rotated(self, secret: str, now: datetime) -> Webhook:
        """With a new secret; the former one signs for another day."""
        return replace(
            self,
            secret=secret,
            former_secret=self.secret,
            former_until=now + _BOTH_SECRETS,
            update_time=now,
            version=self.version + 1,
        )

    def signing_secrets(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at this moment, the present one first."""
        if self.former_secret and self.former_until is not None and now < self.former_until:
            return self.secret, self.former_secret
        return (self.secret,)


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """What is posted to a webhook.

    Attributes:
        url: where to.
        id: the header `webhook-id`, the same for each attempt.
        body: JSON.
        secrets: what signs it.
    """

    url: str
    id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)

    def headers(self, now: datetime) -> dict[str, str]:
        """The headers of the Standard Webhooks specification, for an attempt that is made now."""
        time = str(int(now.timestamp()))
        signed = f"{self.id}.{time}.".encode() + self.body
        return {
            "webhook-id": self.id,
            "webhook-timestamp": time,
            "webhook-signature": " ".join(_signature(secret, signed) for secret in self.secrets),
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """What the server of a webhook answered.

    Attributes:
        status: of HTTP.
        retry_after: how long it wants to be left alone, seconds; None where it does not say.
    """

    status: int
    retry_after: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether it took what was posted."""
        return 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether it does not want anything any more."""
        return self.status == _GONE


def new_webhook_id() -> str:
    """A new identifier: 12 characters of `[a-z0-9]`, 62 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(12))


def new_secret() -> str:
    """A new secret: `whsec_` and 32 random bytes in base64."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def message_id(delivery_id: str) -> str:
    """The header `webhook-id` of a delivery."""
    return f"msg_{delivery_id}"


def event(event_id: str, kind: str, time: datetime, said: Mapping[str, object]) -> str:
    """What is posted: a CloudEvent in JSON, with the fields that Standard Webhooks recommends.

    Args:
        event_id: of the fact that it tells of.
        kind: of the notice, `ALLOCATION_READY`; the type is then `allocation.ready`.
        time: when it happened.
        said: the event's own fields.
    """
    written = {
        "specversion": "1.0",
        "id": event_id,
        "source": "allocator",
        "type": kind.lower().replace("_", ".", 1),
        "time": rfc3339(time),
        "timestamp": rfc3339(time),
        "datacontenttype": "application/json",
        "data": said,
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":"))


def check_url(url: str, *, allow_http: bool) -> None:
    """Checks what can be checked of a URL without asking anybody.

    Args:
        url: as its owner gave it.
        allow_http: whether `http://` is allowed.

    Raises:
        WebhookUrlRefused: it is none that something is posted to.
    """
    if len(url) > MOST_URL or not url.isascii() or any(ord(char) <= 32 for char in url):
        raise WebhookUrlRefused("A URL has at most 2,000 characters, all of them ASCII, no spaces.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise WebhookUrlRefused("The URL cannot be read; write https://host/path.") from None
    if parts.scheme not in (("https", "http") if allow_http else ("https",)):
        raise WebhookUrlRefused(
            "The URL must begin with https://." if not allow_http else "The URL is no web address."
        )
    if not parts.hostname or port == 0 or "\\" in url:
        raise WebhookUrlRefused("The URL has no host; write https://host/path.")
    if "@" in parts.netloc or parts.fragment:
        raise WebhookUrlRefused("A URL of a webhook has no user, no password and no fragment.")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet, and not of a private network or of this host.

    What an IPv6 address carries of IPv4 inside is looked at too.
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(known, ipaddress.IPv6Address):
        inside = known.ipv4_mapped or known.sixtofour
        if inside is None and known in _NAT64:
            inside = ipaddress.IPv4Address(int(known) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
        if known.teredo is not None or known.is_site_local:
            return False
    return known.is_global and not (known.is_multicast or known.is_reserved)


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
