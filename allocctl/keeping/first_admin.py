"""Making the first admin of an installation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from allocctl.keeping.installation import Installation


def make_first_admin(installation: Installation, file: Path, say: Callable[[str], object]) -> None:
    """Makes the first admin where there is none, and says whether it did.

    Args:
        installation: whose; its accounts are at the newest schema.
        file: where the credentials go.
        say: takes lines for whoever watches.

    Raises:
        Unavailable: the store of accounts does not answer.
    """
    from user_svc import composition

    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if asyncio.run(composition.make_first_admin(installation.settings, file)):
        say(f"The first admin was made; e-mail and password are in {file}.")
    else:
        say("There is a first admin already.")
