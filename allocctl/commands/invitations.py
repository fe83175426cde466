"""Invitations to sign up: for admins."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocctl.output import Format, Output, print_json, print_table

app = typer.Typer(help="Invitations to sign up: for admins.", no_args_is_help=True)

_COLLECTION = "invitations"
_DAY_SECONDS = 86_400


@app.command("create")
def create(
    email: Annotated[
        str,
        typer.Argument(help="The only address that can sign up with it; it gets the code by mail."),
    ] = "",
    title: Annotated[str, typer.Option(help="Whom it is for, in your words.")] = "",
    uses: Annotated[int, typer.Option(min=1, max=1000, help="How many can sign up with it.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good, days.")] = 7,
    language: Annotated[str, typer.Option(help="The language of the mail: en, de.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Makes an invitation and prints its code: this once."""
    import time

    from allocator.users.v1 import (
        invitation_pb2,
        invitation_service_pb2,
        invitation_service_pb2_grpc,
    )

    from allocctl.calls import call

    invitation = invitation_pb2.Invitation(
        email=email, title=title, max_uses=uses, language_code=language
    )
    # A minute less than the most that may be, for clocks that differ.
    invitation.expire_time.FromSeconds(int(time.time()) + days * _DAY_SECONDS - 60)
    made = call(
        invitation_service_pb2_grpc.InvitationServiceStub,
        "CreateInvitation",
        invitation_service_pb2.CreateInvitationRequest(invitation=invitation),
    )
    if output is Format.JSON:
        print_json(made)
        return
    sent = f" It is sent to {made.email}." if made.email else ""
    sys.stderr.write(f"{made.name}; the code is not shown again.{sent}\n")
    sys.stdout.write(f"{made.code}\n")


@app.command("list")
def list_invitations(output: Output = Format.TABLE) -> None:
    """Lists the invitations of all admins."""
    from allocator.users.v1 import (
        invitation_pb2,
        invitation_service_pb2,
        invitation_service_pb2_grpc,
    )

    from allocctl.calls import listed

    found = listed(
        invitation_service_pb2_grpc.InvitationServiceStub,
        "ListInvitations",
        invitation_service_pb2.ListInvitationsRequest(),
        "invitations",
    )
    if output is Format.JSON:
        print_json(list(found))
        return
    print_table(
        ("NAME", "FOR", "STATE", "USED", "ENDS", "BY"),
        (
            (
                one.name.partition("/")[2],
                one.email or one.title,
                invitation_pb2.Invitation.State.Name(one.state).lower().replace("_", " "),
                f"{one.use_count} of {one.max_uses}",
                f"{one.expire_time.ToDatetime():%Y-%m-%d}",
                one.creator,
            )
            for one in found
        ),
        "There are no invitations.",
    )


@app.command("delete")
def delete(
    names: Annotated[
        list[str], typer.Argument(help="Which ones, as `allocctl invitations list` shows them.")
    ],
) -> None:
    """Withdraws invitations: nobody can sign up with them any more."""
    from allocator.users.v1 import invitation_service_pb2, invitation_service_pb2_grpc

    from allocctl.calls import call, named

    for name in names:
        full = named(_COLLECTION, name)
        call(
            invitation_service_pb2_grpc.InvitationServiceStub,
            "DeleteInvitation",
            invitation_service_pb2.DeleteInvitationRequest(name=full),
        )
        sys.stdout.write(f"{full} is withdrawn.\n")
