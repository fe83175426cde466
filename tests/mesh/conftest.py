"""One allocator for each module, on the runtime that its marker names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from allocator_process import AllocatorProcess


@pytest.fixture(
    scope="module",
    params=[
        "process",
        pytest.param("docker", marks=pytest.mark.real_docker),
    ],
)
def running(request, tmp_path_factory) -> Iterator[AllocatorProcess]:
    made = AllocatorProcess(tmp_path_factory.mktemp("allocator") / "data", runtime=request.param)
    made.start()
    yield made
    made.close()
