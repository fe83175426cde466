"""Etags: the version of a resource as opaque text, so that nobody counts on what it looks like."""

from __future__ import annotations

import base64
import binascii
import zlib

from chassis.faults import Conflict

_MAX_ETAG = 64


def etag_of(version: int) -> str:
    """The etag of a version: a few lower-case letters and digits.

    Args:
        version: counts the changes of a resource, from 0 or 1.
    """
    raw = version.to_bytes((version.bit_length() + 7) // 8, "big")
    check = (zlib.crc32(raw) & 0xFFFF).to_bytes(2, "big")
    return base64.b32hexencode(check + raw).decode().rstrip("=").lower()


def version_of(etag: str) -> int | None:
    """The version that an etag stands for; None for an empty one, and for `*`, which fit any version.

    Quotes around it, as in the HTTP header If-Match, are taken off.

    Raises:
        Conflict: ETAG_STALE, it is not one of ours.
    """
    bare = etag[1:-1] if len(etag) > 1 and etag[0] == etag[-1] == '"' else etag
    if bare in ("", "*"):
        return None
    try:
        if len(bare) > _MAX_ETAG:
            raise ValueError(bare)
        raw = base64.b32hexdecode(bare.upper() + "=" * (-len(bare) % 8))
        version = int.from_bytes(raw[2:], "big")
        if etag_of(version) != bare:
            raise ValueError(bare)
    except (binascii.Error, ValueError):
        raise Conflict(
            "The etag is not one of this resource; read the resource again and send its etag.",
            reason="ETAG_STALE",
        ) from None
    return version
