"""Who calls, and what is kept from everybody.

Access tokens are JSON Web Tokens signed with Ed25519 by user_svc and verified here with its
published keys; `Trust` follows those keys and the revocations, so that no call asks another service.
Services know each other by short-lived tokens under a shared secret. The vault encrypts secrets at
rest.
"""

from chassis.identity.caller import ADMIN_SCOPE, NOBODY, Caller
from chassis.identity.certificates import EDGE, Certificates, CertificatesUnusable
from chassis.identity.secrets import SecretUnusable, kept_secrets
from chassis.identity.service_tokens import CLOCK_SKEW_SECONDS, ServiceTokens
from chassis.identity.trust import FRESH_SECONDS, Revocation, Trust, TrustUpdate
from chassis.identity.vault import Vault

__all__ = [
    "ADMIN_SCOPE",
    "CLOCK_SKEW_SECONDS",
    "EDGE",
    "FRESH_SECONDS",
    "NOBODY",
    "Caller",
    "Certificates",
    "CertificatesUnusable",
    "Revocation",
    "SecretUnusable",
    "ServiceTokens",
    "Trust",
    "TrustUpdate",
    "Vault",
    "kept_secrets",
]
