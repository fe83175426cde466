"""What is kept of people: who the admins are, and nothing of those who have gone."""

from __future__ import annotations

from chassis.clock import Clock
from notifier.domain.notice import FOR_EVER
from notifier.ports import AdminList, DeliveryStore, NoticeStore, PreferenceStore, WebhookStore


class People:
    """Keeps up with who there is."""

    def __init__(
        self,
        *,
        notices: NoticeStore,
        preferences: PreferenceStore,
        admins: AdminList,
        deliveries: DeliveryStore,
        webhooks: WebhookStore,
        clock: Clock,
    ) -> None:
        """Takes every store that holds something of people, and the time."""
        self._notices = notices
        self._preferences = preferences
        self._admins = admins
        self._deliveries = deliveries
        self._webhooks = webhooks
        self._clock = clock

    async def learn(self, user: str, version: int, *, is_admin: bool) -> None:
        """Learns whether somebody is an admin.

        Raises:
            Unavailable: the store does not answer.
        """
        await self._admins.learn(user, version, is_admin=is_admin)

    async def forget(self, user: str) -> None:
        """Erases all that is kept of a person who has gone; again changes nothing.

        The inbox ends first, so that nothing comes into it any more, and nothing new is sent.

        Raises:
            Unavailable: a store does not answer; what was not erased is when it is called again.
        """
        await self._notices.erase(user, self._clock.now())
        await self._preferences.erase(user)
        await self._webhooks.erase(user)
        await self._deliveries.erase(user)
        await self._admins.learn(user, FOR_EVER, is_admin=False)
