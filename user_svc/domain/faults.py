"""How accounts and sessions fail."""

from __future__ import annotations

from chassis.faults import (
    Conflict,
    Exhausted,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
    WrongState,
)


class UserNotFound(NotFound):
    """There is no such person, or the caller may not see them."""

    reason = "USER_NOT_FOUND"


class SignUpClosed(Forbidden):
    """Nobody can sign up here."""

    reason = "SIGN_UP_CLOSED"


class PasswordTooWeak(Invalid):
    """The password is too easy to guess."""

    reason = "PASSWORD_TOO_WEAK"


class PasswordWrong(Forbidden):
    """The present password is wrong."""

    reason = "PASSWORD_WRONG"


class CredentialsWrong(Unauthenticated):
    """The address or the password is wrong; which of them is not said."""

    reason = "CREDENTIALS_WRONG"


class UserNotVerified(Forbidden):
    """The password is right, but the address has not been shown to be the person's."""

    reason = "USER_NOT_VERIFIED"


class UserDisabled(Forbidden):
    """An admin has disabled the account."""

    reason = "USER_DISABLED"


class CodeWrong(Invalid):
    """The one-time code is wrong, has ended, was used, or was tried too often."""

    reason = "CODE_WRONG"


class CodeSentRecently(Exhausted):
    """A code was sent a moment ago."""

    reason = "CODE_SENT_RECENTLY"


class RefreshTokenInvalid(Unauthenticated):
    """The refresh token is not known, has ended, or was used before."""

    reason = "REFRESH_TOKEN_INVALID"


class SessionNotFound(NotFound):
    """The caller has no such session."""

    reason = "SESSION_NOT_FOUND"


class LastAdmin(WrongState):
    """Somebody must remain who is an admin."""

    reason = "LAST_ADMIN"


class TooManyRequests(Exhausted):
    """Too many attempts of one kind from one address or at one account."""

    reason = "TOO_MANY_REQUESTS"


class OriginForeign(Forbidden):
    """The request came from a page of another site."""

    reason = "ORIGIN_FOREIGN"


class Overloaded(Unavailable):
    """As many passwords wait to be checked as may."""

    reason = "OVERLOADED"


class AccountChanged(Conflict):
    """The account has changed since it was read."""

    reason = "ETAG_STALE"
