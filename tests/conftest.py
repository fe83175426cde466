"""What all tests share."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# So that tests of every folder can import `allocator_process`.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# How long an example takes says nothing while other tests run beside it.
settings.register_profile("beside", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beside")

_KINDS = ("mesh-docker", "mesh-process", "docker", "process")
_KIND = re.compile(
    r"^tests/mesh/.*\[(?:.*?-)??(mesh-docker|mesh-process|docker|process)(?:-[^\]]*)?\]$"
)
# What takes long begins first, or one worker would be at it when all others have nothing to do.
_LONG = (
    "tests/conformance/test_swarm_runtime.py",
    "tests/unit/chassis_bus/test_kafka_log.py",
    "tests/conformance/test_container_runtime.py",
    "tests/mesh/test_openapi_conformance.py",
    "tests/faults/test_whatever_happens.py",
    "tests/mesh/",
    "tests/faults/",
    "tests/keeping/",
    "tests/web/",
)


class InOrder(LoadScopeScheduling):
    """Gives the tests of one file to one worker, in the order in which files were collected.

    Where whole installations are tested (`--dist loadgroup`), those of one kind of installation go to one
    worker instead, whichever files they are in. So each kind is started once: a mesh takes longer to start
    than most of what is done with it. (xdist's own groups are names at the end of a test's id, where this
    version of pytest lets nobody write any more.)
    """

    def _split_scope(self, nodeid: str) -> str:
        kind = _KIND.match(nodeid) if self.config.getvalue("dist") == "loadgroup" else None
        return kind[1] if kind else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> InOrder:
    """Shares tests among workers."""
    config.option.loadscopereorder = False
    return InOrder(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders files by how long they take, and scenarios by the kind of installation that they share."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int]:
    rank = next((n for n, start in enumerate(_LONG) if item.nodeid.startswith(start)), len(_LONG))
    kind = _KIND.match(item.nodeid)
    return rank, _KINDS.index(kind[1]) if kind else len(_KINDS)
