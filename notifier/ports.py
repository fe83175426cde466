"""What the use cases need from outside.

The docstrings are the contract that the conformance tests check on every adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from notifier.domain.delivery import Channel, Delivery
from notifier.domain.mail import Mail
from notifier.domain.wording import Words


class DeliveryStore(Protocol):
    """Keeps deliveries. What they say is sealed at rest, and erased when they end.

    Instants are kept in whole milliseconds. Every method raises Unavailable where the store does not
    answer.
    """

    async def accept(self, delivery: Delivery, most_waiting: int) -> bool:
        """Stores a new delivery; once it returns, a crash does not lose it.

        Other stores in the same database add deliveries in their own transactions; what is promised
        here holds of those too.

        Args:
            delivery: in state PENDING, due at once.
            most_waiting: how many of its channel may wait.

        Returns:
            Whether it is new. With an identifier that is known, or where the destination has been told
            of the fact over this channel, nothing changes.

        Raises:
            DeliveryQueueFull: as many wait already.
        """

    async def lease(
        self, channel: Channel, now: datetime, lease_end: datetime, limit: int
    ) -> list[Delivery]:
        """Takes deliveries of a channel that are due, the oldest first; counts an attempt for each.

        A lease that has ended counts as due. Of two callers at once, each gets others.
        """

    async def reclaim(self, now: datetime) -> int:
        """Makes everything that is leased due; returns how much it was.

        Only for a start where no other process uses the store: then the leases are of the dead.
        """

    async def sent(self, delivery: Delivery) -> bool:
        """Ends a leased delivery, and erases what it says; False if the lease was lost meanwhile."""

    async def failed(self, delivery: Delivery) -> bool:
        """Gives a leased delivery up, and erases what it says; False if the lease was lost."""

    async def postpone(self, delivery: Delivery, until: datetime) -> bool:
        """Gives a leased delivery back, to be tried then; False if the lease was lost."""

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery, also one that has ended, until it is swept."""

    async def next_due(self, channel: Channel) -> datetime | None:
        """When the first delivery of a channel is due; None where none waits."""

    async def sweep(self, before: datetime) -> int:
        """Forgets deliveries that were accepted before then and have ended; returns how many."""


class MailChannel(Protocol):
    """Sends mails."""

    async def send(self, mail: Mail) -> None:
        """Sends a mail; once it returns, the mail is the next one's to keep.

        Whatever stands in the mail, it stays one mail to one address: no line of the subject or of
        the address becomes a header.

        Raises:
            ChannelUnavailable: it could not be sent now; nothing was.
            MailRefused: it was refused for good.
        """


class Templates(Protocol):
    """The words of every kind of message, in every language."""

    def render(self, kind: str, language: str, values: Mapping[str, str], path: str = "") -> Words:
        """The words of one occurrence.

        Args:
            kind: what it is called.
            language: BCP 47; English where there are no words in it.
            values: the fields that the kind's template needs; empty text for what there is not.
            path: where the matter is in the web console, `/allocations/7f3k2m9q`; empty for nowhere.

        Raises:
            KeyError: there is no such kind, or a field is missing.
        """
