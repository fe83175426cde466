"""What all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

# So that tests of every folder can import `allocator_process`.
sys.path.insert(0, str(Path(__file__).resolve().parent))
