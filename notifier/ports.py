"""What the use cases need from outside.

The docstrings are the contract that the conformance tests check on every adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chassis.listing import Condition, Once
from notifier.domain.delivery import Channel, Delivery
from notifier.domain.kind import Kind
from notifier.domain.mail import Mail
from notifier.domain.notice import Entry, Event, Gathered, Gathering, Notice, Person, Telling
from notifier.domain.preference import Preferences, Rule, Way
from notifier.domain.sms import Sms
from notifier.domain.spoken import Value
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

    def rule(self, kind: str) -> Rule:
        """What holds of a kind for everybody who has chosen nothing.

        Raises:
            KeyError: there is no such kind.
        """

    def render(
        self, kind: str, language: str, values: Mapping[str, Value], path: str = ""
    ) -> Words:
        """The words of one occurrence.

        Args:
            kind: what it is called.
            language: BCP 47; English where there are no words in it.
            values: the fields that the kind's template needs; empty text for what there is not.
            path: where the matter is in the web console, `/allocations/7f3k2m9q`; empty for nowhere.

        Raises:
            KeyError: there is no such kind, or a field is missing.
        """


class NoticeStore(Protocol):
    """Keeps inboxes, and which facts people were told of.

    Instants are kept in whole milliseconds. Every method raises Unavailable where the store does not
    answer.
    """

    async def tell(
        self,
        event: Event,
        entries: Sequence[Entry],
        gathering: Gathering,
        most_waiting: int,
        now: datetime,
    ) -> Telling:
        """Stores what people are told of a fact, and what is sent to them, in one transaction.

        Nothing is stored where the fact was told before, or where a newer one of its thread was, and
        nothing for a person whose inbox has ended. Each inbox counts its notices: whoever sees one
        sees all before it. A mail that is one too many is gathered, and so is one for which the queue
        is full; SMS are left out then. Also takes back the notices that the event withdraws.

        Args:
            event: the fact.
            entries: one for each person at most.
            gathering: when mails are put together.
            most_waiting: how many deliveries of a channel may wait.
            now: the present.
        """

    async def get(self, user: str, notice_id: str) -> Notice | None:
        """An entry of a person's inbox."""

    async def page(
        self, user: str, conditions: Sequence[Condition], limit: int, before: int | None
    ) -> list[Notice]:
        """Entries of an inbox, the newest first.

        Args:
            user: whose.
            conditions: on `read`, `kind` and `resource`.
            limit: how many at most.
            before: the position before which they are; None for the newest.
        """

    async def since(self, user: str, after: int, limit: int) -> list[Notice]:
        """Entries of an inbox after a position, the oldest first."""

    async def count(self, user: str) -> tuple[int, int]:
        """How many entries of an inbox are unread, and the position of the last one that ever came."""

    async def mark_read(self, user: str, ids: Sequence[str] | None, now: datetime) -> int:
        """Marks entries as read, all of them for None; returns how many were unread."""

    async def delete(self, user: str, notice_id: str) -> bool:
        """Removes an entry; False where there is none."""

    async def erase(self, user: str, now: datetime) -> None:
        """Ends an inbox: removes all in it, and what others were told of that person's doings.

        Nothing comes into it any more.
        """

    async def gathered(self, before: datetime, limit: int) -> list[Gathered]:
        """What waits for a digest, where the oldest of a person and kind came before then."""

    async def settle(self, gathered: Gathered, digest: Delivery | None, most_waiting: int) -> bool:
        """Stores a digest, and that what was gathered is in it; False where it was settled before.

        Args:
            gathered: what is in it.
            digest: the mail; None where none can be sent.
            most_waiting: how many mails may wait.

        Raises:
            DeliveryQueueFull: as many mails wait as may; nothing was changed.
        """

    async def sweep(self, most: int, before: datetime, told_before: datetime) -> int:
        """Forgets what need not be kept; returns how many rows.

        Args:
            most: how many of the newest entries of each inbox are kept.
            before: entries that came before then go as well.
            told_before: which facts were told is forgotten, where that was before then.
        """


class PreferenceStore(Protocol):
    """Keeps what people want to be told. Every method raises Unavailable where it does not answer."""

    async def get(self, user: str) -> Preferences:
        """What a person has chosen; of version 0 where that is nothing."""

    async def change(
        self,
        user: str,
        changes: Mapping[Kind, Mapping[Way, bool]],
        version: int | None,
        now: datetime,
    ) -> Preferences:
        """Changes what is chosen of some kinds; the others stay as they are.

        Raises:
            Conflict: ETAG_STALE, they are not of that version; nothing was changed.
        """

    async def erase(self, user: str) -> None:
        """Forgets what a person has chosen."""


class AdminList(Protocol):
    """Knows who the admins are. Every method raises Unavailable where it does not answer."""

    async def learn(self, user: str, version: int, *, is_admin: bool) -> None:
        """Learns whether somebody is an admin; nothing where a newer version is known."""

    async def all(self) -> list[str]:
        """The admins, by name."""


class Directory(Protocol):
    """Knows people and machines.

    Every method raises Unavailable where it cannot be asked: nobody guesses an address.
    """

    async def person(self, user: str, min_version: int = 0) -> Person | None:
        """A person, as of that version at least; None where there is none any more."""

    async def machine(self, name: str) -> tuple[str, str] | None:
        """The title of a machine and its publisher; None where there is none any more."""


class Announcer(Protocol):
    """Tells the other replicas whose inbox has changed, so that their watchers are told too."""

    async def announce(self, users: Sequence[str]) -> None:
        """Tells them, if it can: what is lost is found later. Never raises a fault."""
