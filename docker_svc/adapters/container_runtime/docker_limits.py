"""The limits of containers, and how those of one that is there are changed."""

from __future__ import annotations

import json
from typing import Any

from aiodocker import Docker

from docker_svc.domain import Limits


def limits_config(limits: Limits) -> dict[str, int]:
    """What is asked of the engine for a container to have these limits."""
    return {
        "PidsLimit": limits.pids,
        "Memory": limits.memory_bytes,
        # The same number: no swap beyond the memory.
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": limits.cpu_millis * 1_000_000,
    }


async def fit_limits(docker: Docker, container: str, limits: Limits) -> None:
    """Changes the limits of a container that does not run, if it has others.

    Raises:
        DockerError: the engine says no; for the caller to translate.
    """
    shown: dict[str, Any] = await docker.containers.container(container).show()
    wanted = limits_config(limits)
    if any(shown["HostConfig"].get(name) != value for name, value in wanted.items()):
        await docker._query_json(  # noqa: SLF001 - it has no way of its own
            f"containers/{container}/update",
            method="POST",
            data=json.dumps(wanted),
            headers={"Content-Type": "application/json"},
        )
