"""The disk where instances are kept, as it is seen from here."""

from __future__ import annotations

import shutil
from pathlib import Path


def disk_of(folder: Path | str) -> int:
    """How much the disk of a folder holds, in bytes, whoever uses it; 0 where it is not seen from here.

    An engine may keep its files on another host, or in a place that only it can read.
    """
    if not str(folder):
        return 0
    try:
        return shutil.disk_usage(folder).total
    except OSError:
        return 0
