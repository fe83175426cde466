"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass, field

ADMIN_SCOPE = "admin"
"""The scope with which a personal access token may use its person's role of an admin."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a person, a service, a service on a person's behalf, or nobody known.

    Attributes:
        user: the person's resource name, `users/…`; empty where no person calls.
        session: the session of the person's token, `sessions/…`; empty for an access token.
        access_token: the personal access token, `accessTokens/…`, with which the person calls; empty
            for a session's token.
        scopes: what that access token may do; None for a session's token, which may do everything.
        roles: the person's roles as in the contract, `ADMIN`.
        verified: whether the person's address is verified.
        service: the calling service, `allocation_svc`, where the method's rule names it as a peer.
        token: the person's access token as it came, to be passed along; never logged.
        token_expires: until when that token is good here, in seconds since 1970; 0 without one.
    """

    user: str = ""
    session: str = ""
    roles: frozenset[str] = field(default_factory=frozenset)
    verified: bool = False
    service: str = ""
    token: str = field(default="", repr=False)
    token_expires: float = 0.0
    access_token: str = ""
    scopes: frozenset[str] | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the person has the role of an admin."""
        return "ADMIN" in self.roles

    def has_scope(self, scope: str) -> bool:
        """Whether the person's token may be used for what needs that scope."""
        return self.scopes is None or scope in self.scopes

    @property
    def sees_all(self) -> bool:
        """Whether other people's resources are visible: to admins, and to named peers."""
        return self.is_admin or bool(self.service)


NOBODY = Caller()
