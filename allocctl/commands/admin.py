"""The first admin."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocctl.commands.migrate import SettingsFile
from allocctl.failures import Failure

app = typer.Typer(help="The first admin of an installation.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """The first admin of an installation."""


@app.command("create")
def create(
    once: Annotated[
        bool, typer.Option("--once", help="Make one only where there is none; needed.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Where to write the credentials; admin.json in the data folder by default."
        ),
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Makes the first admin and writes the credentials to a file; does nothing where there is one."""
    from allocctl.keeping.first_admin import make_first_admin
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.telling import told_failures

    if not once:
        raise Failure("Only the first admin is made here: add --once. Others get the role by REST.")
    installation = load_installation(settings)
    with told_failures():
        make_first_admin(
            installation,
            file or installation.folder / "admin.json",
            say=lambda line: sys.stdout.write(f"{line}\n"),
        )
