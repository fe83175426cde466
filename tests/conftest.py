"""What all tests share."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

# So that tests of every folder can import `allocator_process`.
sys.path.insert(0, str(Path(__file__).resolve().parent))

_KIND = re.compile(r"^tests/mesh/.*\[(?:.*-)?(process|docker|mesh|mesh-docker)\]$")


class ByInstallation(LoadScopeScheduling):
    """Gives the tests of one kind of installation to one worker, else those of one file.

    So each kind is started once, whichever tests want it: a mesh takes longer to start than most of
    what is done with it. (xdist's own groups are names at the end of a test's id, where this version of
    pytest lets nobody write any more.)
    """

    def _split_scope(self, nodeid: str) -> str:
        kind = _KIND.match(nodeid)
        return kind[1] if kind else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByInstallation | None:
    """Is what `--dist loadgroup` means here."""
    return ByInstallation(config, log) if config.getvalue("dist") == "loadgroup" else None
