"""How accounts and sessions fail."""

from __future__ import annotations

from chassis.faults import (
    AlreadyExists,
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


class InvitationRequired(Forbidden):
    """People sign up by invitation, and none was given."""

    reason = "INVITATION_REQUIRED"


class InvitationInvalid(Forbidden):
    """The code is that of no invitation with which this contact can sign up."""

    reason = "INVITATION_INVALID"


class InvitationNotFound(NotFound):
    """There is no such invitation."""

    reason = "INVITATION_NOT_FOUND"


class InvitationEndInvalid(Invalid):
    """The end of the invitation is in the past or too far away."""

    reason = "INVITATION_END_INVALID"


class TooManyInvitations(Exhausted):
    """As many invitations are open as may be."""

    reason = "TOO_MANY_INVITATIONS"


class PasswordTooWeak(Invalid):
    """The password is too easy to guess."""

    reason = "PASSWORD_TOO_WEAK"


class PasswordWrong(Forbidden):
    """The present password is wrong."""

    reason = "PASSWORD_WRONG"


class LogInNotFresh(Forbidden):
    """The caller gave no password, and the log-in was some time ago."""

    reason = "LOG_IN_NOT_FRESH"


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


class ContactTaken(AlreadyExists):
    """Another account has the e-mail address or phone number that the caller has shown to be theirs."""

    reason = "CONTACT_TAKEN"


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


class TotpRequired(Unauthenticated):
    """The password is right, and a code of the second factor is needed besides."""

    reason = "TOTP_REQUIRED"


class TotpWrong(Forbidden):
    """The code of the second factor is wrong, too old, or was used."""

    reason = "TOTP_WRONG"


class TotpEnrolled(WrongState):
    """The account has a second factor."""

    reason = "TOTP_ENROLLED"


class TotpNotEnrolled(WrongState):
    """The account has no second factor, or none that waits."""

    reason = "TOTP_NOT_ENROLLED"


class ScopeUnknown(Invalid):
    """There is no such scope."""

    reason = "SCOPE_UNKNOWN"


class RoleMissing(Forbidden):
    """A scope is asked for that needs a role."""

    reason = "CALLER_NOT_ALLOWED"


class AccessTokenEndInvalid(Invalid):
    """The end is in the past, or too far away."""

    reason = "ACCESS_TOKEN_END_INVALID"


class AccessTokenNotFound(NotFound):
    """The caller has no such access token."""

    reason = "ACCESS_TOKEN_NOT_FOUND"


class TooManyAccessTokens(Exhausted):
    """The caller has as many access tokens as they may."""

    reason = "TOO_MANY_ACCESS_TOKENS"


class SessionOver(Unauthenticated):
    """The session that asks has ended meanwhile."""

    reason = "TOKEN_REVOKED"
