"""The certificate with which a process shows which service it is."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from chassis.telemetry import CERTIFICATE_ENDS, log

EDGE = "edge"
"""The name in the certificate of the edge, which passes calls on from outside."""

IDENTITY = "spiffe://allocator/"
"""What a certificate names its service with, before the name: a URI in its subjectAltName."""

CA_FILE, CERT_FILE, KEY_FILE = "ca.pem", "cert.pem", "key.pem"
_LOOK_SECONDS = 1.0
_SOON_SECONDS = 14 * 86400.0
_PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class CertificatesUnusable(Exception):
    """The folder of certificates cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the folder held when it was read.

    Attributes:
        service: whose it is, `docker_svc`, or `edge`.
        ends: when it ends.
        authorities: the PEM certificates of the authorities that are trusted: one, or two while one
            replaces the other.
        chain: the PEM certificate.
        key: its PEM private key.
    """

    service: str
    ends: datetime
    authorities: bytes
    chain: bytes
    key: bytes = field(repr=False)


class Certificates:
    """A folder of ca.pem, cert.pem and key.pem, read again when they change.

    What has been written in part, or does not fit together, is not taken over: what was there before
    goes on being used, and the log says so.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads the folder.

        Args:
            folder: where the three files are.
            clock: seconds since 1970.
            monotonic: seconds; the files are looked at once a second at most.

        Raises:
            CertificatesUnusable: they cannot be read, do not fit together, or have ended.
        """
        self._folder = folder
        self._clock = clock
        self._monotonic = monotonic
        self._seen = self._state()
        self._looked = monotonic()
        self._current = _read(folder)
        CERTIFICATE_ENDS.set(self._current.ends.timestamp())
        self._context: tuple[Certificate, ssl.SSLContext] | None = None
        self._log = log("chassis.identity")
        if self._current.ends.timestamp() <= clock():
            raise CertificatesUnusable(
                f"The certificate in {folder} has ended on {self._current.ends:%Y-%m-%d %H:%M}; run "
                "`allocctl certs renew`."
            )

    @property
    def service(self) -> str:
        """Whose certificate it is."""
        return self._current.service

    def current(self) -> Certificate:
        """What the folder holds now; the same object as before where nothing has changed."""
        now = self._monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            state = self._state()
            if state != self._seen:
                self._seen = state
                self._take_over()
        return self._current

    def problem(self) -> str | None:
        """That the certificate should have been renewed by now; None while it need not be."""
        ends = self.current().ends
        left = ends.timestamp() - self._clock()
        if left > _SOON_SECONDS:
            return None
        return f"the certificate ends on {ends:%Y-%m-%d %H:%M} UTC; run `allocctl certs renew`"

    def http_context(self) -> ssl.SSLContext:
        """For an HTTP server whose clients must show a certificate too; follows the folder."""
        context = _FollowingContext(ssl.PROTOCOL_TLS_SERVER)
        context.follow(self._server_context)
        return context

    def _take_over(self) -> None:
        try:
            found = _read(self._folder)
            if found.service != self._current.service:
                raise CertificatesUnusable(f"it is {found.service}'s")
        except CertificatesUnusable as error:
            self._log.warning("certificate not taken over", reason=str(error))
            return
        self._current = found
        CERTIFICATE_ENDS.set(found.ends.timestamp())
        self._log.info("certificate taken over", ends=found.ends.isoformat())

    def _server_context(self) -> ssl.SSLContext:
        current = self.current()
        if self._context is None or self._context[0] is not current:
            try:
                made = self._new_context(current)
            except (OSError, ValueError):
                # The files are being replaced at this moment.
                if self._context is None:
                    raise
                return self._context[1]
            self._context = (current, made)
        return self._context[1]

    def _new_context(self, current: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=current.authorities.decode("ascii"))
        context.load_cert_chain(self._folder / CERT_FILE, self._folder / KEY_FILE)
        return context

    def _state(self) -> tuple[tuple[int, int, int], ...]:
        state = []
        for name in (CA_FILE, CERT_FILE, KEY_FILE):
            try:
                found = (self._folder / name).stat()
            except OSError:
                state.append((0, 0, 0))
            else:
                state.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return tuple(state)


class _FollowingContext(ssl.SSLContext):
    """Makes each connection with the context that is right at that moment."""

    _present: Callable[[], ssl.SSLContext]

    def follow(self, present: Callable[[], ssl.SSLContext]) -> None:
        """Asks `present` at each connection."""
        self._present = present
        present()

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """As ssl.SSLContext's."""
        return self._present().wrap_bio(*arguments, **named)


def service_in(uri: str) -> str:
    """The service that a URI of a certificate names; empty where it names none."""
    return uri.removeprefix(IDENTITY) if uri.startswith(IDENTITY) else ""


def service_of_peer(certificate: Mapping[str, Any] | None) -> str:
    """The service in a certificate as `ssl.SSLObject.getpeercert` gives it; empty for none."""
    for kind, name in (certificate or {}).get("subjectAltName", ()):
        if kind == "URI" and service_in(name):
            return service_in(name)
    return ""


def _read(folder: Path) -> Certificate:
    """Reads the three files, and checks that they fit together."""
    try:
        authorities, chain, key = (
            (folder / name).read_bytes() for name in (CA_FILE, CERT_FILE, KEY_FILE)
        )
        x509.load_pem_x509_certificates(authorities)
        certificate = x509.load_pem_x509_certificates(chain)[0]
        private = serialization.load_pem_private_key(key, None)
    except OSError as error:
        raise CertificatesUnusable(
            f"The certificates in {folder} cannot be read ({error.strerror}: {error.filename}); make "
            "them with `allocctl certs init`."
        ) from None
    except (ValueError, TypeError) as error:
        raise CertificatesUnusable(f"The files in {folder} are no certificates: {error}") from None
    if private.public_key().public_bytes(*_PUBLIC) != certificate.public_key().public_bytes(
        *_PUBLIC
    ):
        raise CertificatesUnusable(f"{KEY_FILE} and {CERT_FILE} in {folder} do not fit together.")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    services = [
        service_in(uri) for uri in names.get_values_for_type(x509.UniformResourceIdentifier)
    ]
    if len(services) != 1 or not services[0]:
        raise CertificatesUnusable(
            f"The certificate in {folder} names no service: it needs {IDENTITY}<service> among its "
            "subject alternative names."
        )
    return Certificate(
        services[0], certificate.not_valid_after_utc.astimezone(UTC), authorities, chain, key
    )
