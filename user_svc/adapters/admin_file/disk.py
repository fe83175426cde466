"""`admin.json` in the data folder."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from pathlib import Path

from chassis.faults import Unavailable

_PASSWORD_BYTES = 15
"""20 characters of base64url: 120 bits."""


class DiskAdminFile:
    """An AdminFile: JSON with `email` and `password`, mode 0600.

    Args:
        path: of the file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    async def password(self, email: str) -> str:
        """The password in the file, which is made where there is none.

        Raises:
            Unavailable: the file cannot be made or read.
        """
        return await asyncio.to_thread(self._password, email)

    async def remove(self, email: str) -> None:
        """Removes the file if it is about that address; also does nothing where there is none."""
        await asyncio.to_thread(self._remove, email)

    def _password(self, email: str) -> str:
        try:
            if not self.path.exists():
                self._make({"email": email, "password": secrets.token_urlsafe(_PASSWORD_BYTES)})
            found = self._read()
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}.") from error
        if found.get("email") != email or not found.get("password"):
            raise Unavailable(f"{self.path} is not what was written there; remove it.")
        return found["password"]

    def _make(self, content: dict[str, str]) -> None:
        scratch = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            # A link appears whole, and not where another process was faster.
            os.link(scratch, self.path)
        except FileExistsError:
            pass
        finally:
            scratch.unlink()

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def _remove(self, email: str) -> None:
        try:
            if self._read().get("email") == email:
                self.path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be removed: {error.strerror}.") from error
