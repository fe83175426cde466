"""The runtime of an installation is chosen once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_svc.adapters.container_runtime.choice import RuntimeChanged, choose_runtime

if TYPE_CHECKING:
    from pathlib import Path


async def test_auto_without_an_engine_is_process_and_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id of the installation stays too."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    first = await choose_runtime("auto", tmp_path)
    assert first.runtime == "process"
    monkeypatch.delenv("DOCKER_HOST")
    assert await choose_runtime("auto", tmp_path) == first
    assert await choose_runtime("process", tmp_path) == first


async def test_another_runtime_than_the_chosen_one_is_an_error(tmp_path: Path) -> None:
    """Which says what to do."""
    await choose_runtime("docker", tmp_path)
    with pytest.raises(RuntimeChanged, match="ALLOCATOR_RUNTIME"):
        await choose_runtime("process", tmp_path)
    assert (await choose_runtime("auto", tmp_path)).runtime == "docker"
