"""Pictures by their content."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines_svc.domain.faults import PictureInvalid
from machines_svc.domain.machine import PictureKind
from machines_svc.domain.pictures import picture_of

ICON, BANNER = PictureKind.ICON, PictureKind.BANNER
END = b"\0\0\0\0IEND\xaeB`\x82"


def png(width: int, height: int) -> bytes:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    return head + b"\x08\0\0\0\0" + b"crc!" + END


def jpeg(width: int, height: int, frame: int = 0xC0) -> bytes:
    other = b"\xff\xe0" + struct.pack(">H", 6) + b"JFIF"
    size = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    start = bytes((0xFF, frame)) + struct.pack(">H", 17) + size
    return b"\xff\xd8" + other + b"\xff" + start + b"data" + b"\xff\xd9"


def webp(kind: bytes, data: bytes) -> bytes:
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height))


def lossless(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", bits))


def extended(width: int, height: int) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", bytes(4) + size)


@pytest.mark.parametrize(
    ("made", "media_type"),
    [
        (png, "image/png"),
        (jpeg, "image/jpeg"),
        (lambda w, h: jpeg(w, h, 0xC2), "image/jpeg"),
        (lossy, "image/webp"),
        (lossless, "image/webp"),
        (extended, "image/webp"),
    ],
)
def test_a_picture_is_what_its_bytes_say(made, media_type: str) -> None:
    icon = picture_of(ICON, made(64, 64))
    assert (icon.media_type, icon.width, icon.height) == (media_type, 64, 64)
    banner = picture_of(BANNER, made(1200, 400))
    assert (banner.width, banner.height) == (1200, 400)
    assert len(banner.digest) == 64


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        (ICON, b"", "no PNG"),
        (ICON, b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "no PNG"),
        (ICON, b"<?xml version='1.0'?><svg/>", "no PNG"),
        (ICON, b"GIF89a" + bytes(100), "no PNG"),
        (ICON, b"\x89PNG\r\n\x1a\n", "cut off"),
        (ICON, png(64, 64)[:-1], "cut off"),
        (ICON, jpeg(64, 64)[:-1], "cut off"),
        (ICON, b"\xff\xd8\xff\xd9", "cut off"),
        (ICON, b"\xff\xd8\xff\xe0\0\0\xff\xd9", "no picture"),
        (ICON, lossy(64, 64)[:-1], "cut off"),
        (ICON, webp(b"ALPH", bytes(40)), "no picture"),
        (ICON, png(64, 63), "square"),
        (ICON, png(8, 8), "wide"),
        (ICON, png(2048, 2048), "wide"),
        (ICON, png(2**31, 2**31), "wide"),
        (ICON, png(64, 64)[:-12] + bytes(256 << 10) + END, "bytes"),
        (BANNER, png(300, 301), "higher"),
        (BANNER, png(300, 0), "higher"),
        (BANNER, png(100, 50), "wide"),
    ],
)
def test_what_is_not_taken_is_refused_with_why(
    kind: PictureKind, content: bytes, says: str
) -> None:
    with pytest.raises(PictureInvalid, match=says):
        picture_of(kind, content)


@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 "]),
    st.binary(max_size=80),
)
def test_no_bytes_break_the_reader(begins: bytes, rest: bytes) -> None:
    # Another exception, or one that hangs, is what this looks for.
    with suppress(PictureInvalid):
        assert picture_of(ICON, begins + rest).width in range(16, 1025)
