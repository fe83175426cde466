"""Pictures by their content: what they are, and whether a machine may have them.

The type is what the bytes say, whoever sends them says what they like. SVG is a program and is refused.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from chassis.faults import FieldViolation
from machines_svc.domain.faults import PictureInvalid
from machines_svc.domain.machine import Picture, PictureKind

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# Start of frame, of every way to code one; C4, C8 and CC are other things.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True, slots=True)
class _Limits:
    most_bytes: int
    least_width: int
    most_width: int
    is_square: bool


_LIMITS = {
    PictureKind.ICON: _Limits(256 << 10, 16, 1024, is_square=True),
    PictureKind.BANNER: _Limits(900 << 10, 200, 4096, is_square=False),
}


def picture_of(kind: PictureKind, content: bytes) -> Picture:
    """The picture that some bytes are.

    Args:
        kind: what it is for.
        content: the bytes of a file.

    Raises:
        PictureInvalid: they are no PNG, JPEG or WebP, or not of a size that this kind may have.
    """
    limits = _LIMITS[kind]
    if len(content) > limits.most_bytes:
        raise _refused(
            f"it has {len(content)} bytes; {limits.most_bytes} are the most for the {kind.value}"
        )
    media_type, width, height = _read(content)
    if not limits.least_width <= width <= limits.most_width:
        raise _refused(
            f"it is {width} pixels wide; the {kind.value} has {limits.least_width} to "
            f"{limits.most_width}"
        )
    if limits.is_square and width != height:
        raise _refused(f"it has {width} × {height} pixels; the {kind.value} is square")
    if not 0 < height <= width:
        raise _refused(
            f"it has {width} × {height} pixels; the {kind.value} is not higher than it is wide"
        )
    digest = hashlib.sha256(content).hexdigest()
    return Picture(media_type, digest, width, height, len(content))


def _read(content: bytes) -> tuple[str, int, int]:
    """The media type, the width and the height."""
    try:
        if content.startswith(_PNG):
            if content[12:16] != b"IHDR" or not content.endswith(_PNG_END):
                raise _refused("the PNG is cut off")
            return ("image/png", *struct.unpack(">II", content[16:24]))
        if content.startswith(_JPEG):
            return ("image/jpeg", *_jpeg_size(content))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return ("image/webp", *_webp_size(content))
    except (struct.error, IndexError):
        raise _refused("the file is cut off") from None
    raise _refused("it is no PNG, JPEG or WebP")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    if not content.rstrip(b"\0").endswith(_JPEG_END):
        raise _refused("the JPEG is cut off")
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        else:
            (length,) = struct.unpack(">H", content[at + 2 : at + 4])
            if length < 2:
                break
            at += 2 + length
    raise _refused("the JPEG has no picture in it")


def _webp_size(content: bytes) -> tuple[int, int]:
    (length,) = struct.unpack("<I", content[4:8])
    if length + 8 > len(content):
        raise _refused("the WebP is cut off")
    kind = content[12:16]
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and content[20] == 0x2F:
        (bits,) = struct.unpack("<I", content[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return (
            int.from_bytes(content[24:27], "little") + 1,
            int.from_bytes(content[27:30], "little") + 1,
        )
    raise _refused("the WebP has no picture in it")


def _refused(problem: str) -> PictureInvalid:
    return PictureInvalid(
        f"The picture is not taken: {problem}.", fields=[FieldViolation("picture", problem)]
    )
