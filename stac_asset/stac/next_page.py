"""Internal: decide which page follows a page of an item collection.

APIs split item collections into pages, which are joined by links of the relation `next`.
Source: https://github.com/radiantearth/stac-api-spec/tree/main/item-search#pagination
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from stac_asset.errors import HrefError, SourceError
from stac_asset.hrefs import absolute_href, is_local, parse_href, with_scheme_of
from stac_asset.notices import notice
from stac_asset.stac.api_request import ApiRequest, following, method_of, needs_previous_body

PAGING_RELATIONS = frozenset({"next", "prev", "previous", "first", "last"})
"""Relations of links between pages, which a joined item collection does not have."""

PAGE_FIELDS = frozenset({"numberReturned", "numberMatched", "context"})
"""Fields about a single page, which a joined item collection does not have."""

MAX_EMPTY_PAGES = 10
"""Maximum number of consecutive pages without items, after which no further page is requested.

Some APIs link each empty page to another empty page."""


class PageFacts:
    """The facts about a page that decide whether another page follows.

    Args:
        features: The items of the page, of any shape. They are consumed.
    """

    def __init__(self, features: Iterable[Any]) -> None:
        digest = hashlib.sha256()
        self.count = 0
        for feature in features:
            self.count += 1
            fields = feature if isinstance(feature, dict) else {}
            identity = repr((fields.get("collection"), fields.get("id")))
            digest.update(identity.encode(errors="surrogatepass") + b"\n")
        self.digest = digest.digest()
        """Digest of the identities of all items."""


@dataclass(slots=True)
class PageChain:
    """The pages of an item collection that were read so far."""

    name: str
    """Name of the item collection in errors."""

    is_endless: bool = False
    """Whether the last pages are empty and link to further pages, which are not requested."""

    _current: ApiRequest | None = None
    """The request for the current page, unless the current page is the first."""

    _requested: set[str] = field(default_factory=set)
    _digests: set[bytes] = field(default_factory=set)
    _empty: int = 0

    def next_request(self, links: object, facts: PageFacts, base: str | None) -> ApiRequest | None:
        """Return the request for the next page, or None after the last page.

        Args:
            links: The links of the page, of any shape.
            facts: Facts about the page.
            base: The href that the page was read from, if known.

        Raises:
            SourceError: The next page cannot be requested, or the pages repeat.
        """
        current = self._current
        link = next_link(links, current.method if current is not None else "GET")
        if base is not None and (current is None or current.method == "GET"):
            self._requested.add(ApiRequest(_without_fragment(base)).identity)
        if link is None:
            return None
        self._empty = 0 if facts.count else self._empty + 1
        if self._empty >= MAX_EMPTY_PAGES:
            self.is_endless = True
            notice(
                f"After {MAX_EMPTY_PAGES} pages without items, no further pages are requested",
                f"'{self.name}'",
            )
            return None
        self._check_repetition(facts)
        request = self._request(link, base)
        if request.identity in self._requested:
            raise self._error("the link to the next page leads to a page that was already read")
        self._requested.add(request.identity)
        self._current = request
        return request

    def _check_repetition(self, facts: PageFacts) -> None:
        if facts.count:
            if facts.digest in self._digests:
                raise self._error("a page has the same items as an earlier page")
            self._digests.add(facts.digest)

    def _request(self, link: dict[str, Any], base: str | None) -> ApiRequest:
        href = self._target(link, base)
        if method_of(link) == "GET" and not link.get("headers"):
            return ApiRequest(href)
        if not href[:5].lower().startswith(("http:", "https")):
            raise self._error("the link to the next page requires an HTTP request")
        current = self._current
        if needs_previous_body(link) and (current is None or current.method != "POST"):
            raise self._error(
                "the next page requires the body of the search that returned this page, and the "
                "page does not contain this body. Use the root of the STAC API as `source` of the "
                "flow `sync`, or remove the link `next` from a local file to use only this page"
            )
        page = href if base is None or is_local(base) else base
        try:
            return following(link, current or ApiRequest(page), page, ())
        except SourceError as error:
            raise self._error(str(error).removesuffix(".")) from None

    def _target(self, link: dict[str, Any], base: str | None) -> str:
        try:
            href = _resolved(link.get("href"), base)
        except HrefError as error:
            raise self._error(f"the link to the next page is not valid: {error}") from None
        if is_local(href) and (base is None or not is_local(base)):
            raise self._error("the link to the next page references a local file")
        return href

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"Item collection '{self.name}' cannot be read to the end: {reason}.")


def without_paging(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an item collection without links and numbers of a single page.

    Args:
        fields: The fields. They are not modified.
    """
    kept = {name: value for name, value in fields.items() if name not in PAGE_FIELDS}
    if isinstance(links := fields.get("links"), list):
        kept["links"] = [
            link
            for link in links
            if not isinstance(link, dict) or link.get("rel") not in PAGING_RELATIONS
        ]
    return kept


def has_next(links: object) -> bool:
    """Return whether an item collection has a link to a next page.

    Args:
        links: The links, of any shape.
    """
    return next_link(links) is not None


def next_link(links: object, method: str = "GET") -> dict[str, Any] | None:
    """Return the link to the next page, preferably a link with the method of the current page.

    Args:
        links: The links of a page, of any shape.
        method: HTTP method of the request for the current page.
    """
    found = list(_next_links(links))
    same = [link for link in found if method_of(link) == method]
    return next(iter(same or found), None)


def _next_links(links: object) -> Iterator[dict[str, Any]]:
    for link in links if isinstance(links, list) else ():
        # OGC APIs also link to the next page of their web site.
        if (
            isinstance(link, dict)
            and str(link.get("rel")).lower() == "next"
            and "html" not in str(link.get("type"))
        ):
            yield link


def _resolved(href: object, base: str | None) -> str:
    """Return the absolute href of a page, without fragment.

    Raises:
        HrefError: The href is missing, or relative without a base.
    """
    if isinstance(href, str) and base is not None and not is_local(base):
        href = urljoin(base, href.strip()) or href  # `absolute_href` fails for a query alone.
        return _without_fragment(with_scheme_of(absolute_href(href, base), parse_href(base)))
    return _without_fragment(absolute_href(href, base))


def _without_fragment(href: str) -> str:
    return href if is_local(href) else href.partition("#")[0]
