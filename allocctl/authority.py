"""A small certificate authority: its own certificate, and one for each service.

In its folder:

    authority/   the key that signs, the authorities that are trusted, and the next ones of a rotation
    <service>/   ca.pem, cert.pem and key.pem, which is all that a process of the service needs
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.identity.certificates import CA_FILE, CERT_FILE, EDGE, IDENTITY, KEY_FILE

PUBLIC = "public"
"""The folder of the certificate that the edge shows to the outside, which names no service."""

SERVICES = (
    "user_svc",
    "machines_svc",
    "allocation_svc",
    "docker_svc",
    "interact_svc",
    "feed_svc",
    "broker",
    "notifier",
    EDGE,
)
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=90)
_BACKDATED = timedelta(minutes=5)  # clocks differ
_RENEWED_PART = 3
_PEM = serialization.Encoding.PEM
_FOLDER = "authority"
_NEXT = "next-"


class AuthorityRefused(Exception):
    """What was asked of the authority cannot be done; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What can be said of one certificate.

    Attributes:
        name: of its folder.
        names: whom it stands for.
        ends: when it ends.
        signed_by: the serial number of the authority that signed it, in hexadecimal.
        is_due: whether less than a third of its life is left.
    """

    name: str
    names: tuple[str, ...]
    ends: datetime
    signed_by: str
    is_due: bool


class Authority:
    """The authority in a folder."""

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        """Looks at nothing yet.

        Args:
            folder: of the authority and of everything that it has signed.
            now: the time, for tests; the machine's by default.
        """
        self._root = folder
        self._own = folder / _FOLDER
        self._now = now or datetime.now(UTC)

    def init(self, names: Sequence[str]) -> list[str]:
        """Makes what is missing: the authority, and each service's certificate.

        Args:
            names: host names and addresses of the public certificate.

        Returns:
            The names of the folders that were made.
        """
        made = []
        if not (self._own / CERT_FILE).exists():
            self._make_authority("")
            made.append(_FOLDER)
        if not (self._own / CA_FILE).exists():
            _write(self._own / CA_FILE, (self._own / CERT_FILE).read_bytes())
        for service in (*SERVICES, PUBLIC):
            if not (self._root / service / CERT_FILE).exists():
                self._issue(service, names)
                made.append(service)
        return made

    def issue(
        self, service: str, names: Sequence[str] = (), lifetime: timedelta = LEAF_LIFETIME
    ) -> None:
        """Makes a new certificate and key of a service, in the place of those that there are.

        Args:
            service: whose; `public` for the one that the edge shows to the outside.
            names: of the public one; those that it had by default.
            lifetime: how long it lives.

        Raises:
            AuthorityRefused: there is no authority, or the name is none that a service can have.
        """
        self._require()
        if not service.isidentifier() or not service.islower() or service == _FOLDER:
            raise AuthorityRefused(f"{service!r} is no service: use a name such as feed_svc.")
        self._issue(service, names, lifetime)

    def renew(self, *, everything: bool = False) -> list[str]:
        """Issues those anew of which less than a third of their life is left.

        Args:
            everything: all of them, however long they live.

        Returns:
            The names of the folders that were renewed.

        Raises:
            AuthorityRefused: there is no authority.
        """
        self._require()
        renewed = [one.name for one in self.shown() if everything or one.is_due]
        for name in renewed:
            self._issue(name, ())
        return renewed

    def rotate_add(self) -> None:
        """Makes the next authority, and has everybody trust it beside the present one.

        Raises:
            AuthorityRefused: a rotation has begun already.
        """
        self._require()
        if (self._own / f"{_NEXT}{CERT_FILE}").exists() or len(self._trusted()) > 1:
            raise AuthorityRefused(
                "A rotation has begun; go on with `rotate-ca reissue` or `drop`."
            )
        self._make_authority(_NEXT)
        trusted = (self._own / CA_FILE).read_bytes()
        _write(self._own / CA_FILE, trusted + (self._own / f"{_NEXT}{CERT_FILE}").read_bytes())
        self._spread_trust()

    def rotate_reissue(self) -> list[str]:
        """Lets the next authority sign, and issues every certificate anew with it.

        Returns:
            The names of the folders.

        Raises:
            AuthorityRefused: no rotation has begun.
        """
        self._require()
        following = self._own / f"{_NEXT}{CERT_FILE}"
        if not following.exists():
            if len(self._trusted()) < 2:
                raise AuthorityRefused("No rotation has begun; begin with `rotate-ca add`.")
        else:
            # The key first: cut off between the two, this step can be taken again.
            key = self._own / f"{_NEXT}{KEY_FILE}"
            if key.exists():
                key.replace(self._own / KEY_FILE)
            following.replace(self._own / CERT_FILE)
        return self.renew(everything=True)

    def rotate_drop(self) -> None:
        """Has everybody trust the new authority alone.

        Raises:
            AuthorityRefused: a certificate of the former one is still there.
        """
        self._require()
        signer = _serial(self._signer())
        if (self._own / f"{_NEXT}{CERT_FILE}").exists():
            raise AuthorityRefused("Issue the certificates anew first: `rotate-ca reissue`.")
        if len(self._trusted()) < 2:
            raise AuthorityRefused("There is no former authority; see `allocctl certs show`.")
        left = [one.name for one in self.shown() if one.signed_by != signer]
        if left:
            raise AuthorityRefused(f"Issue {', '.join(left)} anew first: `rotate-ca reissue`.")
        _write(self._own / CA_FILE, (self._own / CERT_FILE).read_bytes())
        self._spread_trust()

    def shown(self) -> list[Shown]:
        """What there is, by name."""
        signers = {_key_id(one): _serial(one) for one in self._trusted()}
        found = []
        for file in sorted(self._root.glob(f"*/{CERT_FILE}")):
            if file.parent == self._own:
                continue
            certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
            begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            found.append(
                Shown(
                    file.parent.name,
                    tuple(str(name.value) for name in _names_of(certificate)),
                    ends,
                    signers.get(_signer_id(certificate) or b"", ""),
                    ends - self._now < (ends - begins) / _RENEWED_PART,
                )
            )
        return found

    def authorities(self) -> list[tuple[str, datetime]]:
        """Serial number and end of each authority that is trusted, the one that signs first.

        Raises:
            AuthorityRefused: there is none.
        """
        self._require()
        signer = _serial(self._signer())
        found = [(_serial(one), one.not_valid_after_utc) for one in self._trusted()]
        return sorted(found, key=lambda one: one[0] != signer)

    def _require(self) -> None:
        if not (self._own / CERT_FILE).exists():
            raise AuthorityRefused(
                f"There is no authority in {self._root}; make one with `allocctl certs init`."
            )

    def _signer(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate((self._own / CERT_FILE).read_bytes())

    def _trusted(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates((self._own / CA_FILE).read_bytes())

    def _make_authority(self, prefix: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        # Two of one name would be hard to tell apart while one replaces the other.
        name = _name(f"allocator authority {secrets.token_hex(4)}")
        certificate = (
            self._builder(name, name, key.public_key(), AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(self._own / f"{prefix}{KEY_FILE}", _key_pem(key), mode=0o600)
        _write(self._own / f"{prefix}{CERT_FILE}", certificate.public_bytes(_PEM))

    def _issue(
        self, service: str, names: Sequence[str], lifetime: timedelta = LEAF_LIFETIME
    ) -> None:
        folder = self._root / service
        key = ec.generate_private_key(ec.SECP256R1())
        authority = self._signer()
        signing = serialization.load_pem_private_key((self._own / KEY_FILE).read_bytes(), None)
        assert isinstance(signing, ec.EllipticCurvePrivateKey)
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            self._builder(_name(service), authority.subject, key.public_key(), lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            # Nobody is let in with the certificate that everybody may see.
            .add_extension(
                x509.ExtendedKeyUsage(both[:1] if service == PUBLIC else both), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName(self._names_for(service, names)), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()),
                critical=False,
            )
            .sign(signing, hashes.SHA256())
        )
        # Whoever reads between two of these finds that they do not fit, and waits.
        _write(folder / CA_FILE, (self._own / CA_FILE).read_bytes())
        _write(folder / KEY_FILE, _key_pem(key), mode=0o600)
        _write(folder / CERT_FILE, certificate.public_bytes(_PEM))

    def _names_for(self, service: str, names: Sequence[str]) -> list[x509.GeneralName]:
        if service != PUBLIC:
            return [x509.DNSName(service), x509.UniformResourceIdentifier(IDENTITY + service)]
        if names:
            return [_general_name(name) for name in names]
        former = x509.load_pem_x509_certificate((self._root / PUBLIC / CERT_FILE).read_bytes())
        return _names_of(former)

    def _builder(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePublicKey,
        lifetime: timedelta,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _BACKDATED)
            .not_valid_after(self._now + lifetime)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _spread_trust(self) -> None:
        trusted = (self._own / CA_FILE).read_bytes()
        for file in self._root.glob(f"*/{CA_FILE}"):
            if file.parent != self._own:
                _write(file, trusted)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _key_id(certificate: x509.Certificate) -> bytes:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def _signer_id(certificate: x509.Certificate) -> bytes | None:
    return certificate.extensions.get_extension_for_class(
        x509.AuthorityKeyIdentifier
    ).value.key_identifier


def _serial(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"[:12]


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(file: Path, text: bytes, *, mode: int = 0o644) -> None:
    """Replaces a file at once: whoever reads it finds the former text or the new one."""
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    opened = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(opened, "wb") as out:
        out.write(text)
    scratch.replace(file)
