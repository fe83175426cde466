"""Bodies of any length, handed on piece by piece as the messages of a client's stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from google.protobuf.message import Message
from starlette.types import Receive

from chassis.faults import Cancelled
from chassis.rest.incoming import ClientGone, body_parts
from chassis.rpc.contract import ContractBroken, Method

PIECE_BYTES = 256 << 10
"""How much of a body is in one message, at most."""
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 4 << 20


class Upload:
    """One body that comes in.

    The next piece is asked for once the one before is used, and the connection is not read meanwhile:
    whoever uses it slowly slows the client, and nothing grows.
    """

    def __init__(self, first: Message, field: str, media_type: str, path: str) -> None:
        """Prepares it.

        Args:
            first: the first message, with what path and query say.
            field: which of its fields the body is, a `google.api.HttpBody`.
            media_type: of the body.
            path: that was asked for.
        """
        self._first = first
        self._field = field
        self.path = path
        self._media_type = media_type
        self._ended = False

    async def messages(self, receive: Receive) -> AsyncGenerator[Message, None]:
        """The messages of the stream; the first one comes with the first bytes.

        Raises:
            Cancelled: the client went away before the end.
        """
        message = self._first
        getattr(cast("Any", message), self._field).content_type = self._media_type
        is_first = True
        try:
            async for part in body_parts(receive):
                for start in range(0, len(part), PIECE_BYTES):
                    getattr(cast("Any", message), self._field).data = part[
                        start : start + PIECE_BYTES
                    ]
                    yield message
                    is_first = False
                    message = type(self._first)()
        except ClientGone:
            raise Cancelled("The caller has gone.") from None
        self._ended = True
        if is_first:
            yield message

    async def linger(self, receive: Receive) -> None:
        """Reads on for a moment after a refusal, so that a client that still sends gets to read it."""
        read = 0
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._ended and read < _LINGER_BYTES:
                    event = await receive()
                    read += len(event.get("body", b""))
                    self._ended = not event.get("more_body", False)
        except TimeoutError:
            return

    @property
    def has_ended(self) -> bool:
        """Whether the whole body was read."""
        return self._ended


def upload_field(method: Method, field: str | None, *, is_raw: bool) -> str:
    """The field of a client's stream that a body is.

    Raises:
        ContractBroken: the rule names none that carries bytes.
    """
    if field is None or not is_raw:
        raise ContractBroken(f"{method.path} takes a stream, so its body must be an HttpBody")
    return field
