"""Webhooks: programs of yours that are told what you are told."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.output import Format, Output, age, print_json, print_table

if TYPE_CHECKING:
    from allocator.notifications.v1 import webhook_pb2

app = typer.Typer(help="Programs of yours that are told what you are told.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Which webhook, as `allocctl webhooks list` shows it.")]
_COLLECTION = "webhooks"


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="Where notices are posted to: https://…")],
    title: Annotated[str, typer.Option(help="What it is for.")] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", "-k", help="Only notices of this kind; again for each."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Makes a webhook and prints the secret that its calls are signed with: this once."""
    from allocator.notifications.v1 import webhook_pb2
    from allocator.notifications.v1 import webhook_service_pb2 as service

    webhook = webhook_pb2.Webhook(url=url, title=title, kinds=[one.upper() for one in kind or ()])
    made = _call(
        "CreateWebhook",
        service.CreateWebhookRequest(webhook=webhook, request_id=str(uuid.uuid4())),
    )
    _tell_secret(made, output)


@app.command("list")
def list_webhooks(output: Output = Format.TABLE) -> None:
    """Lists your webhooks."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    found = list(_listed("ListWebhooks", service.ListWebhooksRequest(), "webhooks"))
    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "TITLE", "URL", "KINDS", "STATE"),
        (
            (
                one.name.partition("/")[2],
                one.title,
                one.url,
                ", ".join(one.kinds) or "all",
                _state(one),
            )
            for one in found
        ),
        "You have no webhooks.",
    )


@app.command("enable")
def enable(name: Name) -> None:
    """Switches a webhook on, also one that was suspended."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    one = _call("EnableWebhook", service.EnableWebhookRequest(name=_named(name)))
    sys.stdout.write(f"{one.name} is {_state(one)}.\n")


@app.command("disable")
def disable(name: Name) -> None:
    """Switches a webhook off."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    one = _call("DisableWebhook", service.DisableWebhookRequest(name=_named(name)))
    sys.stdout.write(f"{one.name} is {_state(one)}.\n")


@app.command("delete")
def delete(name: Name) -> None:
    """Deletes a webhook with its deliveries."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    _call("DeleteWebhook", service.DeleteWebhookRequest(name=_named(name)))
    sys.stdout.write(f"{_named(name)} is deleted.\n")


@app.command("rotate-secret")
def rotate_secret(name: Name, output: Output = Format.TABLE) -> None:
    """Makes another secret and prints it: this once. The former one signs too for a day."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    request = service.RotateWebhookSecretRequest(name=_named(name))
    _tell_secret(_call("RotateWebhookSecret", request), output)


@app.command("test")
def send_test(name: Name, output: Output = Format.TABLE) -> None:
    """Has something posted to a webhook, so that you see whether it arrives."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    _show([_call("TestWebhook", service.TestWebhookRequest(name=_named(name)))], output)


@app.command("deliveries")
def deliveries(
    name: Name,
    filter_: Annotated[str, typer.Option("--filter", help="Which ones: state = FAILED.")] = "",
    newest: Annotated[
        int, typer.Option("--newest", "-n", min=0, help="So many of the newest; 0: all.")
    ] = 50,
    output: Output = Format.TABLE,
) -> None:
    """Lists what was posted to a webhook, the newest first."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    request = service.ListWebhookDeliveriesRequest(parent=_named(name), filter=filter_)
    _show(list(_listed("ListWebhookDeliveries", request, "deliveries", newest)), output)


@app.command("replay")
def replay(
    name: Annotated[
        str, typer.Argument(help="Which delivery: webhooks/…/deliveries/…, as it is listed.")
    ],
    output: Output = Format.TABLE,
) -> None:
    """Posts a delivery once more."""
    from allocator.notifications.v1 import webhook_service_pb2 as service

    request = service.ReplayWebhookDeliveryRequest(name=_named(name))
    _show([_call("ReplayWebhookDelivery", request)], output)


def _call(method: str, request: Any) -> Any:
    from allocator.notifications.v1 import webhook_service_pb2_grpc

    from allocctl.calls import call

    return call(webhook_service_pb2_grpc.WebhookServiceStub, method, request)


def _listed(method: str, request: Any, field: str, most: int = 0) -> Any:
    from allocator.notifications.v1 import webhook_service_pb2_grpc

    from allocctl.calls import listed

    return listed(webhook_service_pb2_grpc.WebhookServiceStub, method, request, field, most)


def _named(said: str) -> str:
    from allocctl.calls import named

    return named(_COLLECTION, said)


def _state(one: webhook_pb2.Webhook) -> str:
    from allocator.notifications.v1 import webhook_pb2

    return webhook_pb2.Webhook.State.Name(one.state).lower()


def _tell_secret(one: webhook_pb2.Webhook, output: Format) -> None:
    if output is Format.JSON:
        print_json(one)
        return
    sys.stderr.write(f"{one.name}; the secret is not shown again:\n")
    sys.stdout.write(f"{one.secret}\n")


def _show(found: list[webhook_pb2.WebhookDelivery], output: Format) -> None:
    from allocator.notifications.v1 import webhook_pb2

    if output is Format.JSON:
        print_json(found)
        return
    print_table(
        ("NAME", "KIND", "STATE", "ATTEMPTS", "ANSWER", "AGE"),
        (
            (
                one.name,
                one.kind,
                webhook_pb2.WebhookDelivery.State.Name(one.state).lower(),
                str(one.attempts),
                " ".join(part for part in (str(one.response_code or ""), one.error) if part),
                age(one.create_time),
            )
            for one in found
        ),
        "Nothing was posted to it.",
    )
