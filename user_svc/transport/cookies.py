"""The refresh token in a cookie, for browsers, and the pages that may use it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from user_svc.domain.faults import OriginForeign

COOKIE = "allocator_refresh"
_PATH = "/v1/sessions:refresh"
"""The one path that reads it. (`/v1/sessions` would not do: a cookie's path ends at a slash.)"""


class RefreshCookies:
    """Writes, reads and clears the cookie that no script can read.

    Args:
        origins: of pages that may use it beside those of the host that a request is for.
        always_secure: whether it is for https only, also where a request came by http.
    """

    def __init__(self, origins: frozenset[str], *, always_secure: bool) -> None:
        self._origins = origins
        self._always_secure = always_secure

    def set_header(
        self, metadata: Mapping[str, str], token: str, lifetime: timedelta
    ) -> tuple[str, str]:
        """The header that gives a browser the token."""
        return self._header(metadata, token, int(lifetime.total_seconds()))

    def clear_header(self, metadata: Mapping[str, str]) -> tuple[str, str]:
        """The header that takes it back."""
        return self._header(metadata, "", 0)

    def token_in(self, metadata: Mapping[str, str]) -> str:
        """The token that a request's cookies carry; empty where there is none."""
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(metadata.get("cookie", ""))
        except CookieError:
            return ""
        found = cookies.get(COOKIE)
        return found.value if found else ""

    def check_origin(self, metadata: Mapping[str, str], *, needed: bool) -> None:
        """Refuses requests from pages of other sites.

        Args:
            metadata: of the request.
            needed: whether a request must say where it is from: browsers do with every POST, so one
                that sends the cookie and does not say so comes from none.

        Raises:
            OriginForeign: the page is of another site.
        """
        origin = metadata.get("origin", "")
        host = metadata.get("host", metadata.get(":authority", ""))
        if not origin and not needed:
            return
        if origin in self._origins:
            return
        if not origin or not host or urlsplit(origin).netloc.casefold() != host.casefold():
            raise OriginForeign("This request is not from the web console of this allocator.")

    def _header(self, metadata: Mapping[str, str], value: str, seconds: int) -> tuple[str, str]:
        # What the browser itself says of the page: the proxy may have taken https off.
        by_https = metadata.get("origin", "").casefold().startswith("https://")
        secure = "; Secure" if by_https or self._always_secure else ""
        return (
            "set-cookie",
            f"{COOKIE}={value}; Path={_PATH}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}",
        )
