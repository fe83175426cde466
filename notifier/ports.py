"""What the use cases need from outside.

The docstrings are the contract that the conformance tests check on every adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chassis.listing import Condition, Once
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.mail import Mail
from notifier.domain.sms import Sms
from notifier.domain.webhook import Answered, Webhook, WebhookCall
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
            most_waiting: how many of its channel may wait; for a webhook, how many for it alone. What
                is too much for a webhook is stored as FAILED: its owner can replay it.

        Returns:
            Whether it is new. With an identifier that is known, or where the destination has been told
            of the fact over this channel, nothing changes.

        Raises:
            DeliveryQueueFull: as many wait already, of another channel than webhooks.
        """

    async def destinations_due(
        self, channel: Channel, now: datetime, but: Collection[str], limit: int
    ) -> list[str]:
        """The destinations for which something is due, the one that waits longest first.

        Args:
            channel: of which.
            now: the present.
            but: destinations that are left out.
            limit: how many at most.
        """

    async def lease(
        self,
        channel: Channel,
        now: datetime,
        lease_end: datetime,
        limit: int,
        destination: str = "",
    ) -> list[Delivery]:
        """Takes deliveries of a channel that are due, the oldest first; counts an attempt for each.

        A lease that has ended counts as due. Of two callers at once, each gets others. With a
        destination, only those that are for it.
        """

    async def reclaim(self, channel: Channel, now: datetime) -> int:
        """Makes everything of a channel that is leased due; returns how much it was.

        Only for a start where no other process sends over the channel: then the leases are of the
        dead.
        """

    async def sent(self, delivery: Delivery, response_code: int = 0) -> bool:
        """Ends a leased delivery; False if the lease was lost meanwhile.

        What it says is erased; that of a webhook, which holds no secret, is kept to be replayed.
        """

    async def failed(self, delivery: Delivery, error: str, response_code: int = 0) -> bool:
        """Gives a leased delivery up, and erases as `sent` does; False if the lease was lost.

        Args:
            delivery: as it was leased.
            error: why, in words that hold no secret; 300 characters of it are kept.
            response_code: the HTTP status that it was answered with; 0 without one.
        """

    async def postpone(
        self, delivery: Delivery, until: datetime, error: str, response_code: int = 0
    ) -> bool:
        """Gives a leased delivery back, to be tried then; False if the lease was lost."""

    async def give_up(self, channel: Channel, destination: str, error: str) -> int:
        """Gives up everything that waits for a destination, leased or not; returns how much it was.

        Whoever has leased one has lost it.
        """

    async def replay(
        self, delivery: Delivery, now: datetime, until: datetime, most_waiting: int
    ) -> bool:
        """Has a delivery that has ended tried again, from its first attempt.

        Args:
            delivery: which.
            now: the present: it is due at once.
            until: from then on it need not be sent.
            most_waiting: how many may wait, as in `accept`.

        Returns:
            False where it has not ended, is no more, or says nothing any more.

        Raises:
            DeliveryQueueFull: as many wait already.
        """

    async def get(self, delivery_id: str) -> Delivery | None:
        """The delivery, also one that has ended, until it is swept."""

    async def page(
        self,
        destination: str,
        conditions: Sequence[Condition],
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Delivery]:
        """Deliveries to a webhook, newest first.

        Args:
            destination: the name of the webhook.
            conditions: `=` and `!=` of `state` and `kind`, all of which hold.
            after: `accept_time` and `id` of the last one of the page before; None for the first page.
            limit: how many at most.
        """

    async def next_due(self, channel: Channel, but: Collection[str] = ()) -> datetime | None:
        """When the first delivery of a channel is due, destinations in `but` aside; None for none."""

    async def erase(self, user: str) -> int:
        """Removes everything that was for a person, `users/…`, ended or not; returns how much."""

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


class SmsChannel(Protocol):
    """Sends text messages."""

    async def send(self, sms: Sms) -> None:
        """Sends a message; once it returns, the message is the gateway's to keep.

        Raises:
            ChannelUnavailable: it could not be sent now, or nobody knows whether it was; its
                `retry_after` is what the gateway asks for.
            MessageRefused: it was refused for good.
        """

    async def close(self) -> None:
        """Closes what is open."""


class WebhookChannel(Protocol):
    """Posts to people's programs, wherever they say that these are."""

    async def check(self, url: str) -> None:
        """Checks a URL before it is registered.

        Raises:
            WebhookUrlRefused: nothing would be posted to it.
        """

    async def post(self, call: WebhookCall) -> Answered:
        """Posts once, and follows nobody elsewhere. The headers are those of Standard Webhooks.

        Raises:
            ChannelUnavailable: there is no answer.
            WebhookUrlRefused: nothing is posted to this URL, or not to where its name leads now.
        """

    async def close(self) -> None:
        """Closes what is open."""


class WebhookStore(Protocol):
    """Keeps webhooks; their secrets are sealed at rest.

    Every method raises Unavailable where the store does not answer.
    """

    async def add(self, webhook: Webhook, most: int, once: Once | None = None) -> Webhook:
        """Stores a new webhook.

        Args:
            webhook: with a new identifier.
            most: how many its owner may have.
            once: the request; that it came before means that nothing is stored.

        Returns:
            The webhook; for a request that came before, the one that it made, as it is now.

        Raises:
            TooManyWebhooks: its owner has as many.
            Conflict: REQUEST_ID_REUSED, the id was used for another request.
        """

    async def get(self, webhook_id: str) -> Webhook | None:
        """The webhook; None where there is none."""

    async def of_owner(self, owner: str) -> list[Webhook]:
        """All webhooks of a person, the oldest first."""

    async def page(
        self, owner: str, after: tuple[datetime, str] | None, limit: int
    ) -> list[Webhook]:
        """Webhooks of a person, or of everybody where `owner` is empty, newest first.

        Args:
            owner: `users/…`.
            after: `create_time` and `id` of the last one of the page before; None for the first page.
            limit: how many at most.
        """

    async def change(self, webhook_id: str, edit: Callable[[Webhook], Webhook]) -> Webhook | None:
        """Reads, edits and stores a webhook as one step; None where there is none.

        Args:
            webhook_id: which.
            edit: gives what it becomes; called again where another change came between. What it
                raises comes through.

        Raises:
            WebhookChanged: others change it all the time.
        """

    async def failing(self, webhook_id: str, now: datetime) -> None:
        """Notes that an attempt has failed, unless the one before had too."""

    async def well(self, webhook_id: str) -> None:
        """Notes that an attempt has not failed."""

    async def suspend(self, webhook_id: str, now: datetime) -> bool:
        """Switches an ENABLED webhook off for its failures; False where it is not ENABLED."""

    async def remove(self, webhook: Webhook, version: int | None) -> bool:
        """Removes a webhook with its deliveries; False where there is none.

        Args:
            webhook: which.
            version: that it must have; None for any.

        Raises:
            WebhookChanged: it has another version.
        """

    async def erase(self, owner: str) -> int:
        """Removes all webhooks of a person with their deliveries; returns how many webhooks."""


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
