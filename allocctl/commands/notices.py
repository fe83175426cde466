"""What you are told: the inbox, and how notices reach you."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.failures import EXIT_AWAY, Failure, failure_of
from allocctl.output import Format, Output, age, print_json, print_table

if TYPE_CHECKING:
    from allocator.notifications.v1 import notification_pb2

app = typer.Typer(help="What you are told of.", no_args_is_help=True)
preferences_app = typer.Typer(help="How notices reach you, by kind.", no_args_is_help=True)

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Which ones, as `allocctl notifications list` shows them; none with --all."
    ),
]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Way = Annotated[bool | None, typer.Option()]
_COLLECTION = "notifications"
_MINE = "users/me/notificationPreferences"
_WAYS = ("in_page", "email", "sms", "webhook")
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@app.command("list")
def list_notices(
    unread: Annotated[bool, typer.Option("--unread", help="Those alone that are unread.")] = False,
    newest: Annotated[
        int, typer.Option("--newest", "-n", min=0, help="So many of the newest; 0: all.")
    ] = 50,
    output: Output = Format.TABLE,
) -> None:
    """Lists what you were told, the newest first."""
    from allocator.notifications.v1 import notification_service_pb2 as service
    from allocator.notifications.v1 import notification_service_pb2_grpc

    from allocctl.calls import listed

    request = service.ListNotificationsRequest(filter="read = false" if unread else "")
    stub = notification_service_pb2_grpc.NotificationServiceStub
    found = listed(stub, "ListNotifications", request, "notifications", newest)
    if output is Format.JSON:
        print_json(list(found))
        return
    print_table(
        ("NAME", "", "AGE", "TITLE", "ABOUT"),
        (
            (
                one.name.partition("/")[2],
                "" if one.read else "new",
                age(one.create_time),
                one.title,
                one.resource,
            )
            for one in found
        ),
        "Nothing is unread." if unread else "You were told of nothing.",
    )


@app.command("read")
def read(names: Names = None, everything: All = False) -> None:
    """Marks notices as read."""
    from allocator.notifications.v1 import notification_service_pb2 as service

    if bool(names) == everything:
        raise Failure("Name notices, or give --all.")
    full = [_named(name) for name in names or ()]
    request = service.MarkReadRequest(names=full, all=everything)
    left = _call("MarkRead", request).unread_count
    sys.stdout.write(f"{left} are unread.\n")


@app.command("delete")
def delete(
    names: Annotated[list[str], typer.Argument(help="Which ones.")],
) -> None:
    """Removes notices."""
    from allocator.notifications.v1 import notification_service_pb2 as service

    for name in names:
        _call("DeleteNotification", service.DeleteNotificationRequest(name=_named(name)))
        sys.stdout.write(f"{_named(name)} is removed.\n")


@app.command("watch")
def watch(
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, help="End after so many notices; 0: go on.")
    ] = 0,
    output: Output = Format.TABLE,
) -> None:
    """Shows notices as they come, until it is interrupted; where the connection breaks, it goes on."""
    import time

    import grpc
    from allocator.notifications.v1 import notification_service_pb2 as service
    from allocator.notifications.v1 import notification_service_pb2_grpc

    from allocctl import session

    stub = session.stub(notification_service_pb2_grpc.NotificationServiceStub)
    cursor, shown, pause = "", 0, _FIRST_PAUSE
    try:
        while True:
            request = service.WatchNotificationsRequest(cursor=cursor)
            try:
                for answer in stub.WatchNotifications(request, metadata=session.signed_in()):
                    cursor, pause = answer.cursor or cursor, _FIRST_PAUSE
                    if not answer.HasField("notification"):
                        if not shown and output is Format.TABLE:
                            sys.stderr.write(f"{answer.unread_count} are unread.\n")
                        continue
                    _show(answer.notification, output)
                    shown += 1
                    if count and shown >= count:
                        return
            except grpc.RpcError as error:
                if failure_of(error).exit_code != EXIT_AWAY:
                    raise
                sys.stderr.write("[the connection is broken; it is tried again]\n")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    except KeyboardInterrupt:
        pass


@preferences_app.command("show")
def show_preferences(output: Output = Format.TABLE) -> None:
    """Shows which notices reach you, and how."""
    found = _preferences()
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("KIND", "IN PAGE", "EMAIL", "SMS", "WEBHOOK", "WHAT"),
        (
            (
                one.kind,
                *("yes" if getattr(one, way) else "-" for way in _WAYS),
                one.description,
            )
            for one in found.preferences
        ),
        "There are no kinds of notices.",
    )


@preferences_app.command("set")
def set_preferences(
    kinds: Annotated[
        list[str], typer.Argument(help="Which kinds, as `allocctl preferences show` has them.")
    ],
    in_page: Way = None,
    email: Way = None,
    sms: Way = None,
    webhook: Way = None,
) -> None:
    """Changes how notices of some kinds reach you; what is not named stays as it is."""
    from allocator.notifications.v1 import notification_pb2
    from allocator.notifications.v1 import notification_service_pb2 as service

    asked = dict(zip(_WAYS, (in_page, email, sms, webhook), strict=True))
    chosen = {way: value for way, value in asked.items() if value is not None}
    if not chosen:
        raise Failure("Say what to change: --email, --no-email, --sms, --webhook, --in-page …")
    present = {one.kind: one for one in _preferences().preferences}
    changed = []
    for kind in dict.fromkeys(kinds):
        one = notification_pb2.NotificationPreference(kind=kind.upper())
        if kind.upper() in present:
            one.CopyFrom(present[kind.upper()])
        for way, value in chosen.items():
            setattr(one, way, value)
        changed.append(one)
    preferences = notification_pb2.NotificationPreferences(name=_MINE, preferences=changed)
    request = service.UpdateNotificationPreferencesRequest(notification_preferences=preferences)
    _call("UpdateNotificationPreferences", request)
    sys.stdout.write(f"{', '.join(one.kind for one in changed)}: changed.\n")


def _preferences() -> notification_pb2.NotificationPreferences:
    from allocator.notifications.v1 import notification_service_pb2 as service

    request = service.GetNotificationPreferencesRequest(name=_MINE)
    found: notification_pb2.NotificationPreferences = _call("GetNotificationPreferences", request)
    return found


def _call(method: str, request: Any) -> Any:
    from allocator.notifications.v1 import notification_service_pb2_grpc

    from allocctl.calls import call

    return call(notification_service_pb2_grpc.NotificationServiceStub, method, request)


def _named(said: str) -> str:
    from allocctl.calls import named

    return named(_COLLECTION, said)


def _show(notice: notification_pb2.Notification, output: Format) -> None:
    if output is Format.JSON:
        import orjson
        from google.protobuf.json_format import MessageToDict

        said = MessageToDict(notice, always_print_fields_with_no_presence=True)
        sys.stdout.write(orjson.dumps(said).decode() + "\n")
    else:
        about = f"  ({notice.resource})" if notice.resource else ""
        time = f"{notice.event_time.ToDatetime():%Y-%m-%d %H:%M:%S}Z"
        sys.stdout.write(f"{time}  {notice.title}{about}\n")
    sys.stdout.flush()
