"""Trace identifiers, as W3C Trace Context writes them.

One trace id leads from a click to the container: it comes in as `traceparent`, or is made, and goes
along with calls to peers, facts and log lines.
"""

from __future__ import annotations

import random
import re

_FORM = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")
_random = random.Random()  # noqa: S311 — identifiers, not secrets; much cheaper than the system's


def new_trace() -> str:
    """The trace parent of a call that begins here."""
    return f"00-{_random.getrandbits(128):032x}-{_random.getrandbits(64):016x}-01"


def child_of(parent: str | None) -> str:
    """The trace parent of a call within another one; a new one where the parent is malformed."""
    found = _FORM.match(parent or "")
    if found is None:
        return new_trace()
    return f"00-{found[1]}-{_random.getrandbits(64):016x}-{found[3]}"


def trace_id(parent: str) -> str:
    """The 32 hex digits that a whole trace shares."""
    return parent[3:35]
