"""Who may ask over HTTP: this machine by name, or whoever knows the token; never a page of another origin.

A web page that somebody opens in a browser can reach a port of this machine. So without a token a request
has to name this machine as its host, which a rebound name does not; a change has to come from our own page
or from a program, which says that it sends JSON and names no origin.
"""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Protocol, overload
from urllib.parse import urlsplit

COOKIE = "retouchd"
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_OF_NO_PAGE = frozenset({"none", ""})


class Headers(Protocol):
    """Headers by name, in any case: what ``http.server`` gives."""

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, failobj: str, /) -> str: ...


class Gate:
    """Decides by the headers of a request alone."""

    def __init__(self, token: str = "") -> None:
        self._token = token
        # Cookies know no ports: a machine with an instance for each studio let only the last login stand.
        self._name = f"{COOKIE}_{hashlib.sha256(token.encode()).hexdigest()[:8]}"

    @property
    def asks_for_a_token(self) -> bool:
        """Whether a token is needed at all."""
        return bool(self._token)

    def knows(self, headers: Headers) -> bool:
        """Whether the caller may look: from this machine by name, or with the token."""
        if not self._token:
            return urlsplit(f"//{headers.get('Host', '')}").hostname in LOCAL_HOSTS
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        return (scheme == "Bearer" and self.fits(given)) or self.fits(self._cookie(headers))

    def fits(self, given: str) -> bool:
        """Whether this is the token."""
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token.encode())

    def own_page(self, headers: Headers) -> bool:
        """Whether a change comes from a page of ours, or from no page at all."""
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "")
        if site == "same-origin":  # the browser's own word; a proxy may have put its name for us into Host
            return True
        if site not in _OF_NO_PAGE:
            return False
        return origin is None or (origin != "null" and urlsplit(origin).netloc == headers.get("Host"))

    def cookie(self) -> str:
        """The header by which a browser stays known."""
        return f"{self._name}={self._token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"

    def _cookie(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("Cookie", "")).get(self._name)
        except CookieError:
            return ""
        return found.value if found else ""
