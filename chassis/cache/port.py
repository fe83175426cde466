"""The cache as a port, and what every adapter of it promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

LARGEST_BYTES = 256 * 1024
"""A larger value is not kept: a few of them would push out all others."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a cache says.

    Attributes:
        version: of what is asked about, at this moment; `put` wants it.
        value: what is kept; None where nothing is.
        age_seconds: how long ago it was kept.
    """

    version: int
    value: bytes | None = None
    age_seconds: float = 0.0


class Cache(Protocol):
    """Keeps values that can be made again, each with the version of what it is about.

    What a value is about, `machines`, has a version, which grows each time that somebody says that it
    has changed. A value is kept with the version from before it was made, and is given only while
    that is still the version. So a value that was read before a change, and arrives after it, is
    never given, and never takes the place of a newer one.

    A cache may forget anything at any time, and holds a bounded number of bytes. Nothing that decides
    permission or money may be read from it.
    """

    async def get(self, about: str, key: str) -> Found:
        """What is kept under a key.

        Args:
            about: what it is about; any text.
            key: which value about it; any text.

        Raises:
            Unavailable: what keeps the values does not answer, known within half a second.
        """
        ...

    async def put(self, about: str, key: str, value: bytes, version: int, seconds: float) -> None:
        """Keeps a value, unless what it is about has another version by now.

        Args:
            about: what it is about.
            key: which value about it.
            value: at most LARGEST_BYTES; a larger one is not kept.
            version: as `get` said, before the value was made.
            seconds: how long it may be given; above 0.

        Raises:
            Unavailable: what keeps the values does not answer, known within half a second.
        """
        ...

    async def invalidate(self, about: str) -> None:
        """Says that it has changed: no value that was made before is given after this returns.

        Raises:
            Unavailable: what keeps the values does not answer, known within half a second.
        """
        ...
