"""Requests for pages of a search, which have a body or headers, and their redirects.

A redirected POST request is repeated as POST or refused. It never becomes a GET request without a
body, as in browsers, because such a request would return everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import ClientResponse, hdrs
from yarl import URL

from stac_asset.clients.http.headers import reason_of
from stac_asset.errors import ResponseError
from stac_asset.hrefs import is_same_resource, origin_of
from stac_asset.redact import redact_href

_KEEP_METHOD = (307, 308)
"""Redirects that keep the method and the body.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.4"""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """The body and the headers of a request for a page of a search."""

    url: URL = field(repr=False)
    """The requested URL."""

    body: bytes | None = field(default=None, repr=False)
    """JSON text of a POST request. A GET request has no body."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers for the origin of the URL."""

    @property
    def method(self) -> str:
        """HTTP method."""
        return hdrs.METH_GET if self.body is None else hdrs.METH_POST

    def headers_for(self, url: URL) -> dict[str, str]:
        """Return the headers of a hop.

        Args:
            url: URL of the hop.
        """
        headers: dict[str, str] = {}
        if self.body is not None:
            headers[hdrs.CONTENT_TYPE] = "application/json"
        if origin_of(url) == origin_of(self.url) or is_same_resource(self.url, url):
            headers |= self.headers
        return headers

    def redirected(self, response: ClientResponse, url: URL, target: URL) -> URL:
        """Return the URL of the hop after a redirect.

        Args:
            response: The redirect.
            url: The URL that was redirected.
            target: The URL in the redirect.

        Raises:
            ResponseError: The redirected POST request would not be the same search.
        """
        if self.body is None:
            return target
        is_kept = origin_of(url) == origin_of(target) and response.status in _KEEP_METHOD
        if not is_kept and not is_same_resource(url, target):
            raise ResponseError.of(
                response.status,
                reason_of(response),
                str(url),
                None,
                f"the search was redirected to '{redact_href(target)}', which is another address",
            )
        lost = url.raw_query_string if not target.raw_query_string else ""
        return URL(f"{target}?{lost}", encoded=True) if lost else target
