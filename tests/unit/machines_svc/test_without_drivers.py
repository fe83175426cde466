"""Which drivers a service imports: none that its settings do not name."""

from __future__ import annotations

import subprocess
import sys


def test_composing_needs_no_driver_of_documents() -> None:
    code = (
        "import sys, machines_svc.composition, broker.composition, chassis.serving;"
        "print([name for name in ('pymongo', 'bson', 'chassis.documents') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
