"""Text messages to phones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message.

    Attributes:
        id: the same for each attempt at one delivery, so that a gateway can tell that two are one.
        to: a phone number in E.164 form, `+4930123456`.
        text: what it says; gateways part what is longer than one message holds.
        date: when it was written.
    """

    id: str
    to: str
    text: str = field(repr=False)
    date: datetime
