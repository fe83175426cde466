"""Codes by pyotp, QR codes by segno."""

from __future__ import annotations

import hmac
import io
from datetime import datetime, timedelta

_ISSUER = "Allocator"
_STEP = timedelta(seconds=30)


class PyotpAuthenticator:
    """An Authenticator; both libraries are imported at their first use."""

    def new_secret(self) -> str:
        """A random secret in base 32, 160 bits as RFC 4226 asks for."""
        import pyotp

        return pyotp.random_base32()

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step whose code it is, within one step of the present one."""
        import pyotp

        totp = pyotp.TOTP(secret, interval=int(_STEP.total_seconds()))
        given = code.encode()
        present = totp.timecode(now)
        fitting = [
            step
            for step in (present - 1, present, present + 1)
            if hmac.compare_digest(totp.generate_otp(step).encode(), given)
        ]
        return max(fitting, default=None)

    def uri(self, secret: str, email: str) -> str:
        """The address that tells an app of the secret."""
        import pyotp

        return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)

    def qr_svg(self, uri: str) -> str:
        """A QR code of that address: black on white, with its quiet zone, four units a module."""
        import segno

        out = io.BytesIO()
        segno.make(uri, error="m").save(out, kind="svg", scale=4, light="#fff", xmldecl=False)
        return out.getvalue().decode().strip()
