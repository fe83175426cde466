"""The broker's directory."""

from __future__ import annotations

import asyncio
import sys

import typer

from allocctl.commands.migrate import SettingsFile
from allocctl.failures import Failure

app = typer.Typer(help="The directory of who has what.", no_args_is_help=True)


@app.callback()
def options() -> None:
    """The directory of who has what."""


@app.command("rebuild")
def rebuild(settings: SettingsFile = None) -> None:
    """Makes the directory anew from the bus, while it is read."""
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.rebuilding import rebuild_directory
    from allocctl.keeping.telling import told_failures

    installation = load_installation(settings)
    with told_failures():
        learnt = asyncio.run(
            rebuild_directory(installation, lambda why: sys.stderr.write(f"Left out: {why}\n"))
        )
    if learnt is None:
        raise Failure("Another rebuild has begun since; its directory counts.")
    sys.stdout.write(f"The directory was made anew from {learnt} records.\n")
