"""Which runtime an installation has: chosen once, and remembered."""

from __future__ import annotations

import os
import secrets
import string
from dataclasses import dataclass
from pathlib import Path

import orjson

_NAME = "runtime.json"
_LETTERS = string.ascii_lowercase + string.digits


class RuntimeChanged(Exception):
    """The settings ask for another runtime than this folder has; the process does not start."""


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """What was chosen.

    Attributes:
        runtime: `docker`, `swarm` or `process`.
        installation: the id of this folder, on labels and in names of networks.
    """

    runtime: str
    installation: str


def kept_choice(asked: str, folder: Path) -> RuntimeChoice | None:
    """The choice that is kept in a folder; None before the first.

    Raises:
        RuntimeChanged: another runtime than the kept one is asked for.
    """
    try:
        kept = orjson.loads((folder / _NAME).read_bytes())
    except FileNotFoundError:
        return None
    choice = RuntimeChoice(kept["runtime"], kept["installation"])
    if asked not in ("auto", choice.runtime):
        raise RuntimeChanged(
            f"The instances of {folder} run as `{choice.runtime}`, and ALLOCATOR_RUNTIME asks for "
            f"`{asked}`. Set it to `{choice.runtime}` or `auto`, or use another data folder "
            "(ALLOCATOR_DATA_DIR); these instances would be left behind."
        )
    return choice


async def choose_runtime(asked: str, folder: Path) -> RuntimeChoice:
    """The runtime of an installation; chosen at its first start, the same ever after.

    Args:
        asked: `auto`, `docker`, `swarm` or `process`. `auto` chooses docker if an engine answers now.
        folder: where the choice is kept, in `runtime.json`; no other process chooses there now.

    Raises:
        RuntimeChanged: another runtime than the kept one is asked for.
    """
    path = folder / _NAME
    if (choice := kept_choice(asked, folder)) is not None:
        return choice
    runtime = asked
    if asked == "auto":
        runtime = "docker" if await _engine_answers() else "process"
    choice = RuntimeChoice(runtime, "".join(secrets.choice(_LETTERS) for _ in range(8)))
    folder.mkdir(parents=True, exist_ok=True)
    coming = path.with_suffix(".new")
    coming.write_bytes(
        orjson.dumps({"runtime": choice.runtime, "installation": choice.installation})
    )
    with coming.open("rb") as file:
        os.fsync(file.fileno())
    coming.replace(path)
    return choice


async def _engine_answers() -> bool:
    try:
        from docker_svc.adapters.container_runtime.docker_engine import (
            engine_answers,
            engine_url,
        )
    except ImportError:
        return False  # installed without the extra `docker`
    url = engine_url()
    if url.startswith("unix://") and not Path(url.removeprefix("unix://")).is_socket():
        return False
    return await engine_answers(url)
