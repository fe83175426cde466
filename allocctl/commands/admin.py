"""The first admin."""

from __future__ import annotations

import asyncio
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
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.telling import told_failures
    from user_svc.composition import make_first_admin

    if not once:
        raise Failure("Only the first admin is made here: add --once. Others get the role by REST.")
    installation = load_installation(settings)
    where = file or installation.folder / "admin.json"
    with told_failures():
        where.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = asyncio.run(make_first_admin(installation.settings, where))
    if made:
        sys.stdout.write(f"The first admin was made; e-mail and password are in {where}.\n")
    else:
        sys.stdout.write("There is a first admin already.\n")
