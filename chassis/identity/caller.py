"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a person, a service, a service on a person's behalf, or nobody known.

    Attributes:
        user: the person's resource name, `users/…`; empty where no person calls.
        session: the session of the person's token, `sessions/…`.
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

    @property
    def is_admin(self) -> bool:
        """Whether the person has the role of an admin."""
        return "ADMIN" in self.roles

    @property
    def sees_all(self) -> bool:
        """Whether other people's resources are visible: to admins, and to named peers."""
        return self.is_admin or bool(self.service)


NOBODY = Caller()
