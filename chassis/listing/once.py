"""Request ids: the same request sent twice has one effect and one answer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Once:
    """A request that must have one effect.

    Attributes:
        caller: who sends it, `users/…`, or the calling service.
        method: `CreateAllocation`; the same id may be used with another method.
        request_id: a UUID of the caller's choice, in lower case.
        fingerprint: of the request's contents, 64 hex digits: another request may not use the id.
    """

    caller: str
    method: str
    request_id: str
    fingerprint: str

    @classmethod
    def of(cls, caller: str, method: str, request_id: str, *parts: object) -> Self | None:
        """The request, or None if it has no request id.

        Args:
            caller: who sends it.
            method: which method.
            request_id: as it came; may be empty.
            parts: the contents of the request: text, bytes, numbers, lists and dicts of them. Leave
                out what may differ between two sendings of one request.
        """
        if not request_id:
            return None
        digest = hashlib.sha256()
        for part in parts:
            written = (
                part
                if isinstance(part, bytes)
                else json.dumps(part, sort_keys=True, default=_plain).encode()
            )
            digest.update(len(written).to_bytes(8, "big") + written)
        return cls(caller, method, request_id.lower(), digest.hexdigest())


def _plain(part: object) -> object:
    if isinstance(part, set | frozenset):
        return sorted(part)
    if isinstance(part, bytes):
        return part.hex()
    return str(part)
