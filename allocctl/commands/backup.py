"""Backups, restores, and moving to other stores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocctl.commands.migrate import SettingsFile
from allocctl.failures import Failure

To = Annotated[Path, typer.Argument(help="The archive, FILE.tar.gz; - for standard output.")]
From = Annotated[Path, typer.Argument(help="The archive, FILE.tar.gz; - for standard input.")]
Certificates = Annotated[
    Path | None,
    typer.Option("--certs", help="The folder of the certificates with which services meet."),
]
Logs = Annotated[bool, typer.Option(help="Keep the logs of allocations too.")]


def backup(
    file: To,
    settings: SettingsFile = None,
    certs: Certificates = None,
    logs: Logs = True,
) -> None:
    """Writes a whole installation into one archive, while it runs.

    The archive holds the keys of the installation: whoever reads it, reads every secret.
    """
    from allocctl.keeping.archive_file import new_archive
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.telling import told_failures

    with told_failures():
        new_archive(load_installation(settings), file, logs=logs, certificates=certs, say=_say)
    _say(f"{'archive':<14} {file}")
    _warn_of_keys()


def restore(file: From, settings: SettingsFile = None, certs: Certificates = None) -> None:
    """Fills an empty installation from an archive; refuses one that is not empty."""
    from allocctl.keeping.archive_file import archive_at
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.restore import restore as restore_installation
    from allocctl.keeping.telling import told_failures

    installation = load_installation(settings)
    with told_failures(), archive_at(file) as source:
        restore_installation(installation, source, certificates=certs, say=_say)
    _say("Restored. Start the services.")


def export(
    file: To,
    settings: SettingsFile = None,
    certs: Certificates = None,
    logs: Logs = True,
) -> None:
    """Writes the last state of a stopped installation into an archive, to go on with other stores."""
    from allocctl.keeping.archive_file import new_archive
    from allocctl.keeping.installation import load_installation
    from allocctl.keeping.once import held_folder
    from allocctl.keeping.telling import told_failures

    installation = load_installation(settings)
    if not installation.folder.is_dir():
        raise Failure(f"There is no data folder {installation.folder}.")
    with told_failures(), held_folder(installation):
        new_archive(installation, file, logs=logs, certificates=certs, say=_say)
    _say(f"{'archive':<14} {file}")
    _say("Leave this installation stopped: what changes in it from now on is not in the archive.")
    _warn_of_keys()


def import_(file: From, settings: SettingsFile = None, certs: Certificates = None) -> None:
    """Fills the empty stores that the settings name from an archive, of whatever kind they are."""
    from allocctl.keeping.archive_file import archive_at
    from allocctl.keeping.installation import KEYS, load_installation
    from allocctl.keeping.restore import restore as restore_installation
    from allocctl.keeping.telling import told_failures

    installation = load_installation(settings)
    with told_failures(), archive_at(file) as source:
        restore_installation(installation, source, certificates=certs, say=_say)
    _say("Imported. For every service, set")
    for name, setting in KEYS.items():
        if not installation.key_setting(name):
            _say(f"  {setting}_FILE={(installation.folder / 'keys' / name).resolve()}")
    _say("or give it the content of that file as a secret, and for docker_svc")
    _say(f"  ALLOCATOR_DATA_DIR={installation.folder.resolve()}")
    _say("Then start the services.")


def _say(line: str) -> None:
    # Standard output may be the archive itself.
    sys.stderr.write(f"{line}\n")


def _warn_of_keys() -> None:
    _say(
        "It holds the keys of the installation: keep it as you would keep a password, or encrypt it "
        "(docs/howto/keeping.md)."
    )
