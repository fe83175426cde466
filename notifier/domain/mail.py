"""What the mails say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.domain.delivery import ContentKind, Delivery


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail of plain text.

    Attributes:
        id: the same for each attempt at one delivery, so that mail programs can tell that two are
            one; it becomes the Message-ID.
        date: when it was written.
    """

    id: str
    to: str
    subject: str
    text: str = field(repr=False)
    date: datetime


def written(delivery: Delivery, now: datetime) -> Mail | None:
    """The mail of a delivery; None where it need not be sent any more.

    The code comes first, in the subject too, so that a person reads it in the list of mails.
    """
    content = delivery.content
    if content is None or now >= content.useful_until:
        return None
    if content.kind is ContentKind.VERIFICATION_CODE:
        subject = f"{content.code} is your code"
        text = _CODE.format(code=content.code, left=_in_words(content.useful_until - now))
    else:
        subject, text = "You have an account already", _ADDRESS_TAKEN
    return Mail(delivery.id, delivery.email, subject, text, now)


def _in_words(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


_CODE = """\
Your code is

    {code}

Type it on the page where you signed up.
It can be used once, within {left}.

If you did not sign up, ignore this mail.
Without the code nobody can use your address.
"""

_ADDRESS_TAKEN = """\
Somebody tried to sign up with this address, which has an account already.

If that was you, log in with the password that you chose then.

If it was not, you need not do anything. Your account is as it was,
and nobody was told that it exists.
"""
