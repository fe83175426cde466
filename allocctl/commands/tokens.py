"""Personal access tokens: make, list, delete."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocctl.output import Format, Output, age, print_json, print_table

app = typer.Typer(help="Access tokens, with which programs act for you.", no_args_is_help=True)

_DAY_SECONDS = 86_400


@app.command("create")
def create(
    title: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            "-s",
            help="What it may do: allocations:read, allocations:write, machines:read, …, admin. May be "
            "given several times.",
        ),
    ],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it is good, days.")] = 30,
) -> None:
    """Makes an access token and prints it: this once."""
    import time

    from allocator.users.v1 import (
        access_token_pb2,
        access_token_service_pb2,
        access_token_service_pb2_grpc,
    )

    from allocctl import session

    token = access_token_pb2.AccessToken(title=title, scopes=scope)
    # A minute less than the most that may be, for clocks that differ.
    token.expire_time.FromSeconds(int(time.time()) + days * _DAY_SECONDS - 60)
    made = session.stub(access_token_service_pb2_grpc.AccessTokenServiceStub).CreateAccessToken(
        access_token_service_pb2.CreateAccessTokenRequest(access_token=token),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    sys.stderr.write(f"{made.name}; the token is not shown again:\n")
    sys.stdout.write(f"{made.token}\n")


@app.command("list")
def list_tokens(output: Output = Format.TABLE) -> None:
    """Lists your access tokens."""
    from allocator.users.v1 import access_token_service_pb2, access_token_service_pb2_grpc

    from allocctl import session

    answer = session.stub(access_token_service_pb2_grpc.AccessTokenServiceStub).ListAccessTokens(
        access_token_service_pb2.ListAccessTokensRequest(page_size=1000),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    if output is Format.JSON:
        print_json(answer.access_tokens)
        return
    print_table(
        ("NAME", "TITLE", "SCOPES", "ENDS", "USED"),
        (
            (
                one.name.partition("/")[2],
                one.title,
                ", ".join(one.scopes),
                f"{one.expire_time.ToDatetime():%Y-%m-%d}",
                age(one.last_use_time) if one.HasField("last_use_time") else "never",
            )
            for one in answer.access_tokens
        ),
        "You have no access tokens.",
    )


@app.command("delete")
def delete(
    name: Annotated[str, typer.Argument(help="The name, as `allocctl tokens list` shows it.")],
) -> None:
    """Ends an access token; it is refused everywhere within seconds."""
    from allocator.users.v1 import access_token_service_pb2, access_token_service_pb2_grpc

    from allocctl import session

    full = name if name.startswith("accessTokens/") else f"accessTokens/{name}"
    session.stub(access_token_service_pb2_grpc.AccessTokenServiceStub).DeleteAccessToken(
        access_token_service_pb2.DeleteAccessTokenRequest(name=full),
        timeout=session.CALL_SECONDS,
        metadata=session.signed_in(),
    )
    sys.stdout.write(f"{full} is deleted.\n")
