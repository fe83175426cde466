"""Putting messages into words and accepting them: what may not be a fact on the bus, such as codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from chassis.clock import Clock
from notifier.domain.delivery import Channel, Content, Delivery
from notifier.domain.spoken import Value
from notifier.domain.wording import Words
from notifier.ports import Templates
from notifier.usecases.accepting import Accepting


@dataclass(frozen=True, slots=True)
class Letter:
    """What a service asks to be told to an address.

    Attributes:
        id: a UUID that the service chose.
        channel, destination: where to.
        kind: of the template.
        values: the template's fields; a code among them is never logged.
        lifetime: for how long it is of use.
        user: whom it is for, `users/…`; empty where that is nobody yet.
        language: BCP 47; empty for English.
        path: where the matter is in the web console; empty for nowhere.
    """

    id: str
    channel: Channel
    destination: str
    kind: str
    values: Mapping[str, Value] = field(repr=False)
    lifetime: timedelta
    user: str = ""
    language: str = ""
    path: str = field(default="", repr=False)


class Posting:
    """Accepts letters, whatever the preferences of people are."""

    def __init__(self, accepting: Accepting, templates: Templates, clock: Clock) -> None:
        """Takes what it needs.

        Args:
            accepting: stores them.
            templates: their words.
            clock: from which lifetimes count.
        """
        self._accepting = accepting
        self._templates = templates
        self._clock = clock

    async def post(self, letter: Letter) -> None:
        """Stores a letter for delivery; the same identifier again changes nothing.

        Raises:
            DeliveryQueueFull: as many wait as may.
        """
        words = self._templates.render(letter.kind, letter.language, letter.values, letter.path)
        now = self._clock.now()
        await self._accepting.accept(
            Delivery(
                id=letter.id,
                channel=letter.channel,
                destination=letter.destination,
                content=content_for(letter.channel, words),
                fact_id=letter.id,
                accept_time=now,
                due_time=now,
                expire_time=now + letter.lifetime,
                kind=letter.kind,
                user=letter.user,
            )
        )


def content_for(channel: Channel, words: Words) -> Content:
    """What a message says over a channel; a webhook's payload is not made of words."""
    if channel is Channel.SMS:
        return Content(text=words.sms)
    return Content(subject=words.subject, text=words.text, html=words.html)
