"""One binding with what its answers need: JSON, etags, headers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, cast

from google.protobuf.message import Message

from chassis.rest.binding import Binding
from chassis.rest.encoding import encoder_of, field_to_json, to_json
from chassis.rpc.call import Call

_MOST_REMEMBERED = 256
_LARGEST_REMEMBERED_BYTES = 8 << 10

_JSON_HEADERS = (
    (b"content-type", b"application/json"),
    (b"x-content-type-options", b"nosniff"),
)


class Operation:
    """A binding, with what its answers need.

    Attributes:
        binding: how HTTP reaches the method.
        method: the method.
    """

    def __init__(self, binding: Binding) -> None:
        self.binding = binding
        self.method = binding.method
        response = self.method.descriptor.output_type
        # Compiled now, not while the first caller waits.
        encoder_of(response)
        etag = response.fields_by_name.get("etag")
        self._has_etag = etag is not None and etag.type == etag.TYPE_STRING
        # A pure function of the bytes: what a service gives again is not written again.
        self._written_again = lru_cache(maxsize=_MOST_REMEMBERED)(self._written)

    def to_json(self, message: Message) -> bytes:
        """The JSON of a response, or of the field that the rule names."""
        if self.binding.response_field is not None:
            return field_to_json(message, self.binding.response_field)
        return to_json(message)

    def answer(
        self, answer: Message | bytes, call: Call, headers: dict[str, str], verb: str
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """The status, the headers and the body of an answer."""
        if self.binding.is_raw:
            raw = cast("Any", self._message(answer))
            etag = ""
            media_type = raw.content_type.encode("latin-1", "replace")
            payload: bytes = raw.data
            out = [
                (b"content-type", media_type or b"application/octet-stream"),
                (b"x-content-type-options", b"nosniff"),
            ]
            # Bytes have no fields: what they are and how long they last, the service says beside them.
            said = dict(call.response_headers)
            if "cache-control" in said:
                known = said.get("etag", "").strip('"') in _known(headers.get("if-none-match", ""))
                if known and "etag" in said and verb in ("GET", "HEAD"):
                    return 304, [*out[1:], *copied(call.response_headers)], b""
                out.append((b"content-length", b"%d" % len(payload)))
                return 200, [*out, *copied(call.response_headers)], payload
        else:
            if isinstance(answer, bytes) and len(answer) <= _LARGEST_REMEMBERED_BYTES:
                payload, etag = self._written_again(answer)
            else:
                payload, etag = self._written(answer)
            out = list(_JSON_HEADERS)
        if etag:
            out.append((b"etag", b'"%b"' % etag.encode()))
            out.append((b"cache-control", b"private, no-cache"))
            if verb in ("GET", "HEAD") and etag in _known(headers.get("if-none-match", "")):
                return 304, [*out[2:], *copied(call.response_headers)], b""
        else:
            out.append((b"cache-control", b"no-store"))
        out.append((b"content-length", b"%d" % len(payload)))
        if call.response_headers:
            out.extend(copied(call.response_headers))
        return 200, out, payload

    def _written(self, answer: Message | bytes) -> tuple[bytes, str]:
        """An answer as JSON, and its etag, where it has one that a header can have."""
        message = self._message(answer)
        etag = cast("Any", message).etag if self._has_etag else ""
        if not (etag.isascii() and etag.isprintable()) or '"' in etag or " " in etag:
            etag = ""
        return self.to_json(message), etag

    def _message(self, answer: Message | bytes) -> Message:
        return self.method.response.FromString(answer) if isinstance(answer, bytes) else answer


def copied(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers of a call as HTTP has them. A line feed in one would begin another one."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in headers
        if not any(char in name + value for char in "\r\n\0")
    ]


def _known(condition: str) -> set[str]:
    return {one.strip().removeprefix("W/").strip('"') for one in condition.split(",")}
