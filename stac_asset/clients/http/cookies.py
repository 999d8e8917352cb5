"""Internal: cookies of redirect chains. A cookie is sent only to the origin that set the cookie.

aiohttp's own cookie jar ignores ports and refuses cookies of IP addresses. Concurrent chains would
overwrite each other's cookies in the jar, such as the state of a login.
"""

from __future__ import annotations

from aiohttp import ClientResponse, CookieJar, hdrs
from yarl import URL


class OriginCookies:
    """A cookie jar per origin."""

    __slots__ = ("_jars",)

    def __init__(self) -> None:
        self._jars: dict[URL, CookieJar] = {}

    def __bool__(self) -> bool:
        return bool(self._jars)

    def store(self, response: ClientResponse) -> None:
        """Store the cookies that a response sets.

        Args:
            response: The response.
        """
        origin = response.url.origin()
        if origin not in self._jars:
            self._jars[origin] = CookieJar(unsafe=True)  # Accepts cookies of IP addresses.
        self._jars[origin].update_cookies(response.cookies, response.url)

    def values(self, url: URL) -> dict[str, str]:
        """Return the cookies for a URL by name.

        Cookies of an http origin are also sent to https on the same host, if both have the default
        port.

        Args:
            url: The URL.
        """
        if not self._jars:
            return {}
        origin = url.origin()
        origins = [origin]
        if origin.scheme == "https" and origin.is_default_port():
            origins.insert(0, origin.with_scheme("http"))
        found = {}
        for each in origins:
            if each in self._jars:
                for cookie in self._jars[each].filter_cookies(url).values():
                    found[cookie.key] = cookie.coded_value
        return found


class ChainCookies:
    """The cookies of one chain of redirects.

    Args:
        kept: Cookies that the client keeps for later requests. Cookies of the chain replace these.
    """

    __slots__ = ("_chain", "_kept")

    def __init__(self, kept: OriginCookies) -> None:
        self._kept = kept
        self._chain: OriginCookies | None = None

    def add_to(self, headers: dict[str, str], url: URL, trusted: bool, default: str | None) -> None:
        """Add a header with the cookies for a hop.

        Args:
            headers: The headers of the hop, which are changed.
            url: The URL of the hop.
            trusted: Whether the hop may carry kept cookies.
            default: The session's own `Cookie` header, if any.
        """
        if self._chain is None and not (trusted and self._kept):
            return
        values = self._kept.values(url) if trusted else {}
        if self._chain is not None:
            values |= self._chain.values(url)
        if values:
            present = headers.get(hdrs.COOKIE) or (default if trusted else None)
            cookies = "; ".join(f"{name}={value}" for name, value in values.items())
            headers[hdrs.COOKIE] = f"{present}; {cookies}" if present else cookies

    def store(self, response: ClientResponse, trusted: bool) -> None:
        """Store the cookies that a hop sets, for the chain and, if trusted, for later requests.

        Args:
            response: The response of the hop.
            trusted: Whether the hop may carry kept cookies.
        """
        if hdrs.SET_COOKIE not in response.headers:
            return
        if self._chain is None:
            self._chain = OriginCookies()
        self._chain.store(response)
        if trusted:
            self._kept.store(response)
