"""Secrets of an installation that nobody chose: made once, kept in a file."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

SECRET_BYTES = 32


class SecretUnusable(ValueError):
    """What is given as a secret is none; the message says what is."""


def kept_secrets(given: str, file: Path) -> tuple[bytes, ...]:
    """Secrets of 32 bytes: the given ones, or those in the file, which is made where there is none.

    Args:
        given: base64url text, two joined by a comma while one replaces the other, the one that is to be
            used first; empty to use the file, which may hold two as well.
        file: where it is kept, readable by its owner alone.

    Raises:
        SecretUnusable: what is given, or what the file holds, is not 32 bytes in base64url.
    """
    where = "the setting" if given else str(file)
    return tuple(_read(part.strip(), where) for part in (given or _from_file(file)).split(","))


def _read(text: str, where: str) -> bytes:
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raw = b""
    if len(raw) != SECRET_BYTES:
        raise SecretUnusable(
            f"A secret must be {SECRET_BYTES} bytes in base64url, or two of them joined by a comma; "
            f"what stands in {where} is not."
        )
    return raw


def _from_file(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        scratch = file.with_name(f".{file.name}.{os.getpid()}")
        scratch.touch(mode=0o600)
        scratch.write_text(made, encoding="ascii")
        try:
            # A link fails where another process was faster: then its secret is the one.
            os.link(scratch, file)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    return file.read_text(encoding="ascii").strip()
