"""Mails."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from notifier.domain.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail.

    Attributes:
        id: the same for each attempt at one delivery, so that mail programs can tell that two are
            one; it becomes the Message-ID.
        text: in plain text.
        date: when it was written.
        html: the same for mail programs that show it; empty where there is none.
    """

    id: str
    to: str
    subject: str
    text: str = field(repr=False)
    date: datetime
    html: str = field(default="", repr=False)


def mail_of(delivery: Delivery, now: datetime) -> Mail | None:
    """The mail of a delivery; None where it need not be sent any more."""
    content = delivery.content
    if content is None or now >= delivery.expire_time:
        return None
    return Mail(delivery.id, delivery.destination, content.subject, content.text, now, content.html)
