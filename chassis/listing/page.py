"""Pages of a list (AIP-158), by key: a page begins after the last key of the page before.

A token is opaque to callers. It holds that key and a digest of the other arguments and of the key, so
that a token that was cut, mistyped, or sent with other arguments is refused. It is not a secret and
grants nothing: what a caller may see is decided by the query, never by the token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.clock.instants import instant_of, millis_of
from chassis.faults import FieldViolation, Invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_MAX_TOKEN = 4096


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for, as it came with the request.

    Attributes:
        size: how many at most; 0 for the default.
        token: of the page before; empty for the first page.
    """

    size: int = 0
    token: str = ""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for, understood.

    Attributes:
        size: how many at most, from 1 to 1000.
        after: the key of the last row of the page before: text, numbers, bools, None and instants;
            None for the first page.
    """

    size: int
    after: tuple[Any, ...] | None = None


def page_of(
    page_size: int, page_token: str, *bound_arguments: object, key: Sequence[type] | None = None
) -> PageRequest:
    """Reads the page fields of a request.

    Args:
        page_size: how many at most; 0 means 50, more than 1000 means 1000.
        page_token: from `next_token`; empty for the first page.
        bound_arguments: the other arguments of the list (parent, filter, order, caller), which must
            be the same on every page.
        key: the types of the parts of the key, where a store could not bear others.

    Raises:
        Invalid: REQUEST_INVALID, the size is negative; PAGE_TOKEN_INVALID, the token is not one of
            ours or belongs to other arguments.
    """
    if page_size < 0:
        message = "A page cannot have fewer than 0 entries; leave page_size out for the default."
        raise Invalid(message, fields=[FieldViolation("page_size", message)])
    size = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
    if not page_token:
        return PageRequest(size)
    after = _key_in(page_token, bound_arguments)
    if key is not None and (
        len(after) != len(key)
        or not all(isinstance(part, kind) for part, kind in zip(after, key, strict=True))
    ):
        raise _refused()
    return PageRequest(size, after)


def next_token(last_key_tuple: Sequence[Any], *bound_arguments: object) -> str:
    """The token of the page after the one that ends with this key.

    Args:
        last_key_tuple: the key of the last row of this page: text, numbers, bools, None, instants.
            It must be unique among the rows, so its last part is usually the resource name.
        bound_arguments: the other arguments of the list, as `page_of` will get them.

    Returns:
        Text of letters, digits, `-` and `_`.
    """
    key = _written([_plain(part) for part in last_key_tuple])
    return base64.urlsafe_b64encode(_digest(key, bound_arguments) + key).decode().rstrip("=")


def _key_in(token: str, bound_arguments: Sequence[object]) -> tuple[Any, ...]:
    if len(token) > _MAX_TOKEN:
        raise _refused()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        digest, key = raw[:8], raw[8:]
        if digest != _digest(key, bound_arguments):
            raise _refused()
        return tuple(_rich(part) for part in json.loads(key))
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError):
        raise _refused() from None


def _digest(key: bytes, bound_arguments: Sequence[object]) -> bytes:
    bound = _written([_plain(argument) for argument in bound_arguments])
    return hashlib.blake2b(len(bound).to_bytes(8, "big") + bound + key, digest_size=8).digest()


def _plain(part: object) -> object:
    if part is None or isinstance(part, str | int | float | bool):
        return part
    if isinstance(part, datetime):
        return {"t": millis_of(part)}
    return str(part)


def _rich(part: Any) -> Any:
    if isinstance(part, dict):
        return instant_of(int(part["t"]))
    if isinstance(part, list):
        raise TypeError(part)
    return part


def _written(parts: list[object]) -> bytes:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def _refused() -> Invalid:
    message = (
        "The page token is not one of ours or belongs to other arguments; start again without it, "
        "or send the same arguments as for the page before."
    )
    return Invalid(
        message, reason="PAGE_TOKEN_INVALID", fields=[FieldViolation("page_token", message)]
    )
