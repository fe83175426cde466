"""Notices and preferences between the wire and the domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from allocator.notifications.v1 import notification_pb2, notification_service_pb2

from chassis.listing import etag_of
from notifier.domain.kind import Kind
from notifier.domain.notice import Notice
from notifier.domain.preference import Preferences, Rule, Way
from notifier.usecases.inbox import Seen

_Field = Literal["in_page", "email", "sms", "webhook"]
_WAYS: Mapping[Way, _Field] = {
    Way.IN_PAGE: "in_page",
    Way.EMAIL: "email",
    Way.SMS: "sms",
    Way.WEBHOOK: "webhook",
}


def notification_of(notice: Notice) -> notification_pb2.Notification:
    """A notice as it is sent."""
    message = notification_pb2.Notification(
        name=notice.name,
        kind=notice.kind.value,
        title=notice.title,
        text=notice.text,
        resource=notice.resource,
        read=notice.read_time is not None,
    )
    message.event_time.FromDatetime(notice.event_time)
    message.create_time.FromDatetime(notice.create_time)
    if notice.read_time is not None:
        message.read_time.FromDatetime(notice.read_time)
    return message


def response_of(seen: Seen) -> notification_service_pb2.WatchNotificationsResponse:
    """What a watcher is told."""
    return notification_service_pb2.WatchNotificationsResponse(
        notification=None if seen.notice is None else notification_of(seen.notice),
        unread_count=seen.unread,
        cursor=str(seen.position),
    )


def preferences_of(
    preferences: Preferences, rules: Sequence[tuple[Kind, Rule]]
) -> notification_pb2.NotificationPreferences:
    """Preferences as they are sent: each kind, with what holds where nothing was chosen."""
    message = notification_pb2.NotificationPreferences(
        name=f"{preferences.user}/notificationPreferences", etag=etag_of(preferences.version)
    )
    if preferences.update_time is not None:
        message.update_time.FromDatetime(preferences.update_time)
    for kind, rule in rules:
        ways = preferences.ways(kind, rule)
        entry = message.preferences.add(kind=kind.value, description=rule.about)
        for way, field in _WAYS.items():
            setattr(entry, field, way in ways)
    return message


def choices_of(
    message: notification_pb2.NotificationPreferences,
) -> Mapping[str, Mapping[Way, bool]]:
    """What is chosen, by kind: the ways that are set."""
    return {
        entry.kind: {
            way: getattr(entry, field) for way, field in _WAYS.items() if entry.HasField(field)
        }
        for entry in message.preferences
    }
