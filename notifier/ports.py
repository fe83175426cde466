"""What the use cases need from outside.

The docstrings are the contract that the conformance tests check on every adapter.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from notifier.domain.delivery import Delivery
from notifier.domain.mail import Mail


class DeliveryStore(Protocol):
    """Keeps deliveries. What they say is sealed at rest, and erased when they end.

    Instants are kept in whole milliseconds. Every method raises Unavailable where the store does not
    answer.
    """

    async def accept(self, delivery: Delivery, most_waiting: int) -> bool:
        """Stores a new delivery; once it returns, a crash does not lose it.

        Args:
            delivery: in state PENDING, due at once.
            most_waiting: how many may wait.

        Returns:
            Whether it is new. With an identifier that is known nothing changes.

        Raises:
            DeliveryQueueFull: as many wait already.
        """

    async def lease(self, now: datetime, lease_end: datetime, limit: int) -> list[Delivery]:
        """Takes deliveries that are due, the oldest first, and counts an attempt for each.

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

    async def next_due(self) -> datetime | None:
        """When the first delivery is due; None where none waits."""

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
