"""The certificates with which services know each other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allocctl.failures import Failure

if TYPE_CHECKING:
    from allocctl.authority import Authority

app = typer.Typer(
    help="Makes and renews the certificates with which services know each other.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path,
    typer.Option("--dir", help="The folder of the authority and of each service's certificate."),
]
Names = Annotated[
    str,
    typer.Option(
        help="Host names and addresses, joined by commas, of the certificate that the edge shows to "
        "the outside."
    ),
]


@app.command()
def init(
    folder: Folder,
    names: Names = "localhost,127.0.0.1",
    renew_due: Annotated[
        bool, typer.Option("--renew", help="Then renew those that are due, as `certs renew` does.")
    ] = False,
) -> None:
    """Makes the authority and every certificate that is missing. What there is stays."""
    with _authority(folder) as authority:
        made = authority.init(_split(names))
        renewed = authority.renew(everything=False) if renew_due else []
    sys.stdout.write(f"made: {', '.join(made)}\n" if made else "nothing was missing\n")
    if renewed:
        sys.stdout.write(f"renewed: {', '.join(renewed)}\n")


@app.command()
def issue(
    folder: Folder,
    service: Annotated[
        str, typer.Argument(help="A service, edge, or public for the edge's outer side.")
    ],
    names: Names = "",
    days: Annotated[float, typer.Option(min=0.01, help="How long it lives.")] = 90,
) -> None:
    """Makes a new certificate and key of one service, in the place of those that there are."""
    from datetime import timedelta

    with _authority(folder) as authority:
        authority.issue(service, _split(names), timedelta(days=days))
    sys.stdout.write(f"made: {service}\n")


@app.command()
def renew(
    folder: Folder,
    everything: Annotated[
        bool, typer.Option("--all", help="All of them, however long they live.")
    ] = False,
) -> None:
    """Renews the certificates of which less than a third of their life is left."""
    with _authority(folder) as authority:
        renewed = authority.renew(everything=everything)
    sys.stdout.write(f"renewed: {', '.join(renewed)}\n" if renewed else "none is due\n")


@app.command()
def show(folder: Folder) -> None:
    """Shows what there is, and when it ends."""
    with _authority(folder) as authority:
        authorities, found = authority.authorities(), authority.shown()
    for serial, ends in authorities:
        sys.stdout.write(f"authority {serial}  ends {ends:%Y-%m-%d}\n")
    for one in found:
        due = "  due" if one.is_due else ""
        sys.stdout.write(
            f"{one.name:<16} ends {one.ends:%Y-%m-%d %H:%M}  by {one.signed_by:<12}"
            f"  {' '.join(one.names)}{due}\n"
        )


@app.command("rotate-ca")
def rotate_ca(
    folder: Folder,
    step: Annotated[
        Literal["add", "reissue", "drop"],
        typer.Argument(help="The three steps, in this order; let every host have each in between."),
    ],
) -> None:
    """Replaces the authority while everything runs, in three steps."""
    with _authority(folder) as authority:
        if step == "add":
            authority.rotate_add()
            said = "the next authority is trusted beside the present one; then: rotate-ca reissue"
        elif step == "reissue":
            said = f"issued anew: {', '.join(authority.rotate_reissue())}; then: rotate-ca drop"
        else:
            authority.rotate_drop()
            said = "the former authority is trusted no more"
    sys.stdout.write(f"{said}\n")


@contextmanager
def _authority(folder: Path) -> Iterator[Authority]:
    """The authority of the folder; what it refuses is the command's failure."""
    from allocctl.authority import Authority, AuthorityRefused

    try:
        yield Authority(folder)
    except AuthorityRefused as refused:
        raise Failure(str(refused)) from None
    except (OSError, ValueError) as error:
        raise Failure(f"The certificates in {folder} cannot be used: {error}") from None


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
