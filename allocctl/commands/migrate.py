"""Migrations of an installation's stores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="A file of NAME=value lines, as the services take it."),
]


def migrate(
    settings: SettingsFile = None,
    backup_to: Annotated[
        Path | None,
        typer.Option(help="The folder of the backup; `backups` in the data folder by default."),
    ] = None,
    backup: Annotated[
        bool, typer.Option(help="Make a backup before a store with data is changed.")
    ] = True,
    wait: Annotated[
        float, typer.Option(help="How long to wait for servers that are starting up, seconds.")
    ] = 60.0,
    first_admin: Annotated[
        Path | None,
        typer.Option(
            "--first-admin",
            help="Then make the first admin where there is none, as `admin create --once` does, "
            "and write the credentials to this file.",
        ),
    ] = None,
) -> None:
    """Brings every store to the schema of this version, and makes the topics of the bus.

    For operators; run it before the services of a new version start. It may run several times.
    """
    from allocctl.keeping.first_admin import make_first_admin
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.migrating import migrate as migrate_installation
    from allocctl.keeping.telling import told_failures

    installation = load_installation(settings)
    folder = backup_to or installation.folder / "backups"

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    with told_failures():
        migrate_installation(installation, backups=folder if backup else None, wait=wait, say=say)
        if first_admin is not None:
            make_first_admin(installation, first_admin, say)
