"""Webhooks of people: registering them, looking after them, and seeing what was sent to them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chassis.clock import Clock
from chassis.faults import FieldViolation, Forbidden, Invalid
from chassis.identity.caller import Caller
from chassis.limits import RateLimiter
from chassis.listing import FilterField, Once, next_token, page_of, parse_filter
from notifier.domain.delivery import Channel, Content, Delivery, State
from notifier.domain.faults import (
    DeliveryNotEnded,
    DeliveryNotFound,
    TooManyRequests,
    WebhookChanged,
    WebhookNotFound,
    WebhookOff,
)
from notifier.domain.webhook import (
    TEST_KIND,
    Webhook,
    WebhookState,
    event,
    new_secret,
    new_webhook_id,
)
from notifier.ports import DeliveryStore, WebhookChannel, WebhookStore
from notifier.usecases.accepting import CLOCKS_APART

TRIED_FOR = timedelta(days=1)
"""For how long a notice is tried."""

_TEST_TRIED_FOR = timedelta(minutes=2)
_FILTERS = {
    "state": FilterField.choice([state.value for state in State]),
    "kind": FilterField.text("=", "!="),
}
_TIME_AND_ID = (datetime, str)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a person may have something posted on demand: so many at once, then one each time."""

    burst: int
    refill: timedelta


@dataclass(frozen=True, slots=True)
class Wished:
    """What a person says of a webhook.

    Attributes:
        title: what they call it.
        url: where to.
        kinds: the kinds of notices that it wants; none means all.
    """

    title: str
    url: str
    kinds: tuple[str, ...]


class Webhooks:
    """Registers webhooks and looks after them; each person reaches their own, admins everybody's."""

    def __init__(
        self,
        store: WebhookStore,
        deliveries: DeliveryStore,
        channel: WebhookChannel,
        *,
        kinds: Collection[str],
        most_each: int,
        most_waiting: int,
        limiter: RateLimiter,
        pace: Pace,
        clock: Clock,
        waits: Callable[[], None],
    ) -> None:
        """Takes what it needs.

        Args:
            store: keeps the webhooks.
            deliveries: keeps what is sent to them.
            channel: knows which URLs are posted to.
            kinds: the kinds of notices that there are.
            most_each: how many webhooks a person may have.
            most_waiting: how many messages may wait for one webhook.
            limiter: counts what people ask to be posted.
            pace: how often they may.
            clock: the time.
            waits: is called when a message was stored: whoever sends shall be woken.
        """
        self._store = store
        self._deliveries = deliveries
        self._channel = channel
        self._kinds = frozenset(kinds)
        self._most_each = most_each
        self._most_waiting = most_waiting
        self._limiter = limiter
        self._pace = pace
        self._clock = clock
        self._waits = waits

    async def create(self, caller: Caller, wished: Wished, once: Once | None) -> Webhook:
        """Registers a webhook of the caller.

        Raises:
            WebhookUrlRefused: nothing would be posted to its URL.
            Invalid: NOTIFICATION_KIND_UNKNOWN, there is no such kind of notices.
            TooManyWebhooks: the caller has as many as may be.
            Conflict: REQUEST_ID_REUSED.
        """
        self._check_kinds(wished.kinds)
        await self._channel.check(wished.url)
        now = self._clock.now()
        webhook = Webhook(
            id=new_webhook_id(),
            uid=str(uuid.uuid4()),
            owner=caller.user,
            title=wished.title,
            url=wished.url,
            kinds=wished.kinds,
            create_time=now,
            update_time=now,
            secret=new_secret(),
        )
        return await self._store.add(webhook, self._most_each, once)

    async def get(self, caller: Caller, name: str) -> Webhook:
        """A webhook.

        Raises:
            WebhookNotFound: there is none, or it is somebody else's.
        """
        webhook = await self._store.get(_id_of(name))
        if webhook is None or not _reaches(caller, webhook):
            raise _no_webhook(name)
        return webhook

    async def page(
        self, caller: Caller, parent: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Webhook], str]:
        """A page of webhooks, newest first, and the token of the next one.

        Raises:
            Forbidden: PARENT_FOREIGN, somebody else's, asked by one who is no admin.
            Invalid: PAGE_TOKEN_INVALID.
        """
        owner = caller.user if parent in ("", "users/me") else parent
        if owner != caller.user and not caller.is_admin:
            raise Forbidden(
                f"{parent!r} is not you; use users/me. Only admins list other people's.",
                reason="PARENT_FOREIGN",
                parent=parent,
            )
        page = page_of(page_size, page_token, "webhooks", owner, key=_TIME_AND_ID)
        of = "" if owner == "users/-" else owner
        after = None if page.after is None else (page.after[0], page.after[1])
        found = await self._store.page(of, after, page.size + 1)
        shown = found[: page.size]
        if len(found) <= page.size:
            return shown, ""
        return shown, next_token((shown[-1].create_time, shown[-1].id), "webhooks", owner)

    async def update(
        self, caller: Caller, name: str, changes: Mapping[str, object], version: int | None
    ) -> Webhook:
        """Changes a webhook.

        Args:
            caller: who asks.
            name: which.
            changes: new values of `title`, `url` and `kinds`, or of some of them.
            version: that the caller knows; None where a lost race does not matter.

        Raises:
            WebhookNotFound, WebhookChanged, WebhookUrlRefused; Invalid: NOTIFICATION_KIND_UNKNOWN.
        """
        was = await self.get(caller, name)
        wished = replace(Wished(was.title, was.url, was.kinds), **changes)  # type: ignore[arg-type]
        self._check_kinds(wished.kinds)
        if wished.url != was.url:
            await self._channel.check(wished.url)

        def edit(webhook: Webhook) -> Webhook:
            if version is not None and webhook.version != version:
                raise WebhookChanged("The webhook was changed since it was read; read it again.")
            now_wished = replace(
                Wished(webhook.title, webhook.url, webhook.kinds),
                **changes,  # type: ignore[arg-type]
            )
            return webhook.edited(
                self._clock.now(),
                title=now_wished.title,
                url=now_wished.url,
                kinds=now_wished.kinds,
            )

        return await self._changed(name, edit)

    async def remove(self, caller: Caller, name: str, version: int | None) -> None:
        """Removes a webhook and its deliveries.

        Raises:
            WebhookNotFound, WebhookChanged.
        """
        webhook = await self.get(caller, name)
        if not await self._store.remove(webhook, version):
            raise _no_webhook(name)

    async def enable(self, caller: Caller, name: str) -> Webhook:
        """Switches a webhook on.

        Raises:
            WebhookNotFound: there is none, or it is somebody else's.
        """
        return await self._switch(caller, name, WebhookState.ENABLED)

    async def disable(self, caller: Caller, name: str) -> Webhook:
        """Switches a webhook off, and gives up what waits for it.

        Raises:
            WebhookNotFound: there is none, or it is somebody else's.
        """
        webhook = await self._switch(caller, name, WebhookState.DISABLED)
        await self._deliveries.give_up(
            Channel.WEBHOOK, webhook.name, "The webhook was switched off."
        )
        return webhook

    async def rotate(self, caller: Caller, name: str) -> Webhook:
        """Makes a new secret; the former one signs for another day.

        Raises:
            WebhookNotFound: there is none, or it is somebody else's.
        """
        await self.get(caller, name)
        secret = new_secret()
        return await self._changed(name, lambda was: was.rotated(secret, self._clock.now()))

    async def test(self, caller: Caller, name: str) -> Delivery:
        """Sends a notice that tests a webhook.

        Raises:
            WebhookNotFound, WebhookOff, TooManyRequests.
        """
        webhook = await self._on(caller, name)
        await self._limit(caller)
        made, now = str(uuid.uuid4()), self._clock.now()
        payload = event(made, TEST_KIND, now, {"webhook": webhook.name, "title": webhook.title})
        delivery = Delivery(
            id=made,
            channel=Channel.WEBHOOK,
            destination=webhook.name,
            content=Content(payload=payload),
            fact_id=made,
            accept_time=now,
            due_time=now - CLOCKS_APART,
            expire_time=now + _TEST_TRIED_FOR,
            kind=TEST_KIND,
            user=webhook.owner,
        )
        await self._deliveries.accept(delivery, self._most_waiting)
        self._waits()
        return await self._kept(webhook, made)

    async def delivery(self, caller: Caller, name: str) -> Delivery:
        """One delivery, by its name.

        Raises:
            WebhookNotFound, DeliveryNotFound.
        """
        webhook_name, _, delivery_id = name.partition("/deliveries/")
        return await self._kept(await self.get(caller, webhook_name), delivery_id)

    async def deliveries(
        self, caller: Caller, parent: str, filter_text: str, page_size: int, page_token: str
    ) -> tuple[Sequence[Delivery], str]:
        """A page of what was sent to a webhook, newest first, and the token of the next page.

        Raises:
            WebhookNotFound; Invalid: FILTER_INVALID, PAGE_TOKEN_INVALID.
        """
        conditions = parse_filter(filter_text, _FILTERS)
        bound = ("deliveries", parent, filter_text)
        page = page_of(page_size, page_token, *bound, key=_TIME_AND_ID)
        webhook = await self.get(caller, parent)
        after = None if page.after is None else (page.after[0], page.after[1])
        found = await self._deliveries.page(webhook.name, conditions, after, page.size + 1)
        shown = found[: page.size]
        if len(found) <= page.size:
            return shown, ""
        return shown, next_token((shown[-1].accept_time, shown[-1].id), *bound)

    async def replay(self, caller: Caller, name: str) -> Delivery:
        """Sends a delivery that has ended once more.

        Raises:
            WebhookNotFound, WebhookOff, DeliveryNotFound, DeliveryNotEnded, DeliveryQueueFull,
            TooManyRequests.
        """
        webhook_name, _, delivery_id = name.partition("/deliveries/")
        webhook = await self._on(caller, webhook_name)
        delivery = await self._kept(webhook, delivery_id)
        await self._limit(caller)
        now = self._clock.now()
        if not await self._deliveries.replay(
            delivery, now - CLOCKS_APART, now + TRIED_FOR, self._most_waiting
        ):
            raise DeliveryNotEnded("The delivery is being tried; wait until it has ended.")
        self._waits()
        return await self._kept(webhook, delivery_id)

    async def _limit(self, caller: Caller) -> None:
        wait = await self._limiter.take(
            f"webhook calls of {caller.user}",
            self._pace.burst,
            self._pace.refill.total_seconds(),
        )
        if wait > 0:
            raise TooManyRequests(
                "You have had webhooks called often a moment ago; wait, then try again.",
                retry_after=wait,
            )

    async def _on(self, caller: Caller, name: str) -> Webhook:
        webhook = await self.get(caller, name)
        if not webhook.is_enabled:
            raise WebhookOff("The webhook is switched off; switch it on first.")
        return webhook

    async def _kept(self, webhook: Webhook, delivery_id: str) -> Delivery:
        found = await self._deliveries.get(delivery_id)
        if found is None or found.destination != webhook.name:
            raise DeliveryNotFound("The webhook has no such delivery, or it was too long ago.")
        return found

    async def _switch(self, caller: Caller, name: str, state: WebhookState) -> Webhook:
        await self.get(caller, name)

        def switched(webhook: Webhook) -> Webhook:
            return webhook if webhook.state is state else webhook.switched(state, self._clock.now())

        return await self._changed(name, switched)

    async def _changed(self, name: str, edit: Callable[[Webhook], Webhook]) -> Webhook:
        changed = await self._store.change(_id_of(name), edit)
        if changed is None:
            raise _no_webhook(name)
        return changed

    def _check_kinds(self, kinds: Sequence[str]) -> None:
        unknown = [kind for kind in kinds if kind not in self._kinds]
        if unknown:
            message = f"There are no notices of kind {', '.join(unknown)}."
            raise Invalid(
                message,
                reason="NOTIFICATION_KIND_UNKNOWN",
                fields=[FieldViolation("webhook.kinds", message)],
            )


def _reaches(caller: Caller, webhook: Webhook) -> bool:
    return caller.is_admin or webhook.owner == caller.user


def _id_of(name: str) -> str:
    return name.removeprefix("webhooks/")


def _no_webhook(name: str) -> WebhookNotFound:
    return WebhookNotFound(f"There is no webhook {name!r}.", webhook=name)
