"""Internal: requests for pages of a STAC API, and the request that follows from a link `next`.

Searches and item collections in pages use these requests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import UrlOrigin, absolute_href, origin_of, parse_href, with_scheme_of
from stac_asset.redact import redact_href, unsigned_href
from stac_asset.transfer.interface import Request, Source

_CONNECTION_HEADERS = frozenset(
    {"host", "content-length", "content-encoding", "transfer-encoding", "connection", "expect"}
)
"""Headers that a link to a next page cannot define, because they belong to the connection."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""Valid name of a header. Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""

_LIMIT = re.compile(r"(?<![^&?])limit=(\d+)(?=&|$)")
_PAGE = re.compile(r"(?<![^&?])page=(\d+)(?=&|$)")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to a STAC API."""

    href: str = field(repr=False)
    """URL, including the query."""

    method: str = "GET"
    """`GET` or `POST`."""

    body: Mapping[str, Any] | None = field(default=None, repr=False)
    """JSON object that a POST request sends."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers that a link between pages requires."""

    @property
    def identity(self) -> str:
        """A text that is equal for equal requests."""
        parts = [self.href, self.method, self.body, dict(self.headers)]
        return json.dumps(parts, sort_keys=True, default=str)

    def for_client(self, client: Source) -> Request:
        """Return the request that a client sends.

        Args:
            client: The client.

        Raises:
            HrefError: The URL is not valid.
            SourceError: The client cannot send the request.
        """
        body = json.dumps(self.body or {}).encode() if self.method == "POST" else None
        if (body is not None or self.headers) and not client.sends_bodies:
            raise SourceError(
                f"'{redact_href(self.href)}' requires a {self.method} request with a body or "
                f"headers, which the client '{client.name}' does not send"
            )
        return Request(parse_href(self.href), body=body, headers=self.headers or None)

    def to_text(self) -> str | None:
        """Return the request as JSON, to be stored, unless the request may contain a secret."""
        if self.headers or unsigned_href(self.href) != self.href:
            return None
        return json.dumps([self.href, self.method, self.body])

    @classmethod
    def from_text(cls, text: str) -> ApiRequest | None:
        """Return the request in a stored text, if valid.

        Args:
            text: Result of `to_text`.
        """
        try:
            href, method, body = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            return None
        is_valid = isinstance(href, str) and href.startswith("http") and method in ("GET", "POST")
        return cls(href, method, body) if is_valid and isinstance(body, dict | None) else None

    @property
    def limit(self) -> int | None:
        """Requested number of items per page, if known."""
        if self.method == "POST":
            limit = (self.body or {}).get("limit")
            return limit if type(limit) is int else None
        found = _LIMIT.search(self.href.partition("?")[2])
        return int(found[1]) if found else None

    def with_limit(self, limit: int) -> ApiRequest:
        """Return a request for the same position of the search with another page size.

        If pages are numbered, the new page begins at the same item or earlier, so that no item is
        left out.

        Args:
            limit: Number of items per page.
        """
        before = self.limit
        if self.method == "POST":
            body = {**(self.body or {}), "limit": limit}
            page = body.get("page")
            if type(page) is int and before:
                body["page"] = _page_at(page, before, limit)
            return replace(self, body=body)
        path, _, query = self.href.partition("?")
        if before is None:
            query = f"{query}&limit={limit}" if query else f"limit={limit}"
        else:
            query = _LIMIT.sub(f"limit={limit}", query)
            query = _PAGE.sub(lambda match: f"page={_page_at(int(match[1]), before, limit)}", query)
        return replace(self, href=f"{path}?{query}")


def method_of(link: Mapping[str, Any]) -> str:
    """Return the HTTP method of a link. Some APIs leave out the method of links with a body.

    Args:
        link: A link to a next page.
    """
    body = link.get("body")
    has_body = (isinstance(body, Mapping) and len(body) > 0) or link.get("merge") is True
    return str(link.get("method") or ("POST" if has_body else "GET")).upper()


def following(
    link: Mapping[str, Any], request: ApiRequest, page_href: str, origins: Collection[UrlOrigin]
) -> ApiRequest:
    """Return the request for the next page of a search or an item collection.

    Source: https://github.com/radiantearth/stac-api-spec/tree/main/item-search#pagination

    Args:
        link: The link `next` of a page.
        request: The request for the page.
        page_href: Final URL of the page, which resolves relative hrefs.
        origins: Other origins of the API. Links to the origin of the page are also valid.

    Raises:
        SourceError: The link is invalid, or leads to another origin.
    """
    shown = redact_href(page_href)
    try:
        page, target = parse_href(page_href), absolute_href(link.get("href"), page_href)
        target = with_scheme_of(target, page)
        origin = origin_of(parse_href(target))
    except (HrefError, ValueError) as error:
        raise SourceError(
            f"Page '{shown}' has an invalid link to the next page: {error}. Report the link to the "
            "operator of the API."
        ) from None
    if origin != origin_of(page) and origin not in origins:
        raise SourceError(
            f"Page '{shown}' links to a next page at another origin, '{redact_href(target)}'. "
            "Report the link to the operator of the API, or set `source` to the API's public "
            "address."
        )
    method = method_of(link)
    body = link.get("body")
    headers: Mapping[str, str] = _headers_of(link, shown)
    is_merged = link.get("merge") is True
    if is_merged:
        headers = {**request.headers, **headers}
    if method == "GET":
        following_request = ApiRequest(target, headers=headers)
        if not headers and _has_lost_criteria(request, following_request):
            raise SourceError(
                f"Page '{shown}' links to a next page without the criteria of the search. Report "
                "the link to the operator of the API."
            )
        return following_request
    if method != "POST":
        raise SourceError(
            f"Page '{shown}' links to a next page with the unknown method {method[:20]!r}. Report "
            "the link to the operator of the API."
        )
    if is_merged or not isinstance(body, Mapping):
        # Without the body of the search, the next page would be a search without criteria.
        body = {**(request.body or {}), **(body if isinstance(body, Mapping) else {})}
    return ApiRequest(target, method, body, headers)


def needs_previous_body(link: Mapping[str, Any]) -> bool:
    """Return whether the request for the next page repeats the body of the current request.

    Args:
        link: A link to a next page.
    """
    is_merged = link.get("merge") is True or not isinstance(link.get("body"), Mapping)
    return method_of(link) == "POST" and is_merged


def _headers_of(link: Mapping[str, Any], shown: str) -> dict[str, str]:
    """Return the headers that a link requires, without headers of the connection.

    Raises:
        SourceError: A header cannot be sent. The message does not quote the value.
    """
    given = link.get("headers")
    headers: dict[str, str] = {}
    for name, value in given.items() if isinstance(given, Mapping) else ():
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        if value is None or str(name).lower() in _CONNECTION_HEADERS:
            continue
        if not (_HEADER_NAME.fullmatch(str(name)) and text.isascii() and text.isprintable()):
            raise SourceError(
                f"Page '{shown}' has a link to the next page with the header {str(name)[:50]!r}, "
                "which cannot be sent. Report the link to the operator of the API."
            )
        headers[str(name)] = text.strip()
    return headers


def _has_lost_criteria(before: ApiRequest, after: ApiRequest) -> bool:
    """Return whether a GET request would be the same search without any criteria."""
    first, second = parse_href(before.href), parse_href(after.href)
    is_same_path = first.raw_path.rstrip("/") == second.raw_path.rstrip("/")
    is_search = before.method == "POST" or bool(first.raw_query_string)
    return is_same_path and is_search and not second.raw_query_string


def _page_at(page: int, before: int, limit: int) -> int:
    """Return the number of the page that has the first item of a page of another size.

    If the API counts pages from 0, the returned page is earlier.
    """
    return max(page - 1, 0) * before // limit + min(page, 1)
