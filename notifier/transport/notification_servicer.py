"""NotificationService, from the wire to the use cases."""

from __future__ import annotations

from collections.abc import AsyncIterator

from allocator.notifications.v1 import notification_pb2, notification_service_pb2
from google.protobuf import empty_pb2

from chassis.identity.caller import Caller
from chassis.listing import chosen_fields, version_of
from chassis.rpc import Call
from notifier.domain.preference import Preferences
from notifier.transport.notification_mapping import (
    choices_of,
    notification_of,
    preferences_of,
    response_of,
)
from notifier.usecases.inbox import Inbox
from notifier.usecases.preferring import Preferring

_UPDATABLE = ("preferences",)


class NotificationServicer:
    """Serves `allocator.notifications.v1.NotificationService`."""

    def __init__(self, inbox: Inbox, preferring: Preferring) -> None:
        """Passes calls on to the use cases."""
        self._inbox = inbox
        self._preferring = preferring

    async def GetNotification(
        self, request: notification_service_pb2.GetNotificationRequest, call: Call
    ) -> notification_pb2.Notification:
        """Reads one notification."""
        return notification_of(await self._inbox.one(call.caller.user, _id(request.name)))

    async def ListNotifications(
        self, request: notification_service_pb2.ListNotificationsRequest, call: Call
    ) -> notification_service_pb2.ListNotificationsResponse:
        """Lists the caller's notifications, newest first."""
        found, token, unread = await self._inbox.page(
            call.caller.user, request.filter, request.page_size, request.page_token
        )
        return notification_service_pb2.ListNotificationsResponse(
            notifications=map(notification_of, found), next_page_token=token, unread_count=unread
        )

    async def GetUnreadCount(
        self, request: notification_service_pb2.GetUnreadCountRequest, call: Call
    ) -> notification_service_pb2.GetUnreadCountResponse:
        """Tells how many notifications the caller has not read."""
        unread = await self._inbox.unread(call.caller.user)
        return notification_service_pb2.GetUnreadCountResponse(unread_count=unread)

    async def MarkRead(
        self, request: notification_service_pb2.MarkReadRequest, call: Call
    ) -> notification_service_pb2.MarkReadResponse:
        """Marks notifications as read."""
        ids = None if request.all else [_id(name) for name in request.names]
        unread = await self._inbox.mark_read(call.caller.user, ids)
        return notification_service_pb2.MarkReadResponse(unread_count=unread)

    async def DeleteNotification(
        self, request: notification_service_pb2.DeleteNotificationRequest, call: Call
    ) -> empty_pb2.Empty:
        """Removes a notification from the inbox."""
        await self._inbox.delete(call.caller.user, _id(request.name))
        return empty_pb2.Empty()

    async def WatchNotifications(
        self, request: notification_service_pb2.WatchNotificationsRequest, call: Call
    ) -> AsyncIterator[notification_service_pb2.WatchNotificationsResponse]:
        """Streams the caller's notifications as they come."""
        after = int(request.cursor) if request.cursor else None
        async for seen in self._inbox.watch(call.caller.user, after):
            yield response_of(seen)

    async def GetNotificationPreferences(
        self, request: notification_service_pb2.GetNotificationPreferencesRequest, call: Call
    ) -> notification_pb2.NotificationPreferences:
        """Reads what a person wants to be told."""
        preferences = await self._preferring.read(call.caller, _user(request.name))
        return self._shown(preferences, call.caller)

    async def UpdateNotificationPreferences(
        self, request: notification_service_pb2.UpdateNotificationPreferencesRequest, call: Call
    ) -> notification_pb2.NotificationPreferences:
        """Changes what a person wants to be told."""
        wanted = request.notification_preferences
        present = ["preferences"] if wanted.preferences else []
        fields = chosen_fields(request.update_mask.paths, present, _UPDATABLE)
        changes = choices_of(wanted) if "preferences" in fields else {}
        preferences = await self._preferring.change(
            call.caller, _user(wanted.name), changes, version_of(wanted.etag)
        )
        return self._shown(preferences, call.caller)

    def _shown(
        self, preferences: Preferences, caller: Caller
    ) -> notification_pb2.NotificationPreferences:
        return preferences_of(preferences, self._preferring.rules(for_admins=caller.is_admin))


def _id(name: str) -> str:
    return name.partition("/")[2]


def _user(name: str) -> str:
    return name.removesuffix("/notificationPreferences")
