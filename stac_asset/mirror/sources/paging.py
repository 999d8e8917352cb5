"""Decides after each page of a search whether to request another page.

Also determines whether a search returned all items. `stac_api` requests the pages.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from stac_asset.errors import SourceError
from stac_asset.hrefs import UrlOrigin
from stac_asset.mirror.source_item import SourceDocument, links_of
from stac_asset.mirror.sources.compact_keys import CompactKeys
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest, following
from stac_asset.stac.next_page import MAX_EMPTY_PAGES, next_link

_MAX_PAGES_WITHOUT_NEW = MAX_EMPTY_PAGES
"""Maximum number of consecutive pages without a new item, after which a search ends."""


class Paging:
    """The pages of a search read so far.

    Args:
        request: The request for the first page.
        origins: Origins of the API, to which links between pages may lead.
    """

    def __init__(self, request: ApiRequest, origins: Collection[UrlOrigin]) -> None:
        self._shown = redact_href(request.href)
        self._origins = origins
        self._requested = {request.identity}
        self._keys = CompactKeys()
        self._count = 0
        self._matched: int | None = None
        self._pages_without_new = 0
        self._max_pages_without_new = _MAX_PAGES_WITHOUT_NEW
        self._skips_repeated = False
        self.position = request
        """The request for the page that is read."""
        self.is_complete = False
        """Whether the search ended, and the API did not announce a page that was left out."""

    @property
    def is_empty_page_doubtful(self) -> bool:
        """Whether an empty last page can mean that the API refuses the page size."""
        return self._count < self._matched if self._matched is not None else not self._count

    @property
    def matched(self) -> int | None:
        """Number of matching items that the API reports, which can be estimated or outdated."""
        return self._matched

    @property
    def is_short(self) -> bool:
        """Whether the search ended, and the API reported more items."""
        return self.is_complete and self._matched is not None and self._count < self._matched

    @property
    def count(self) -> int:
        """Number of items on the pages."""
        return self._count

    def expect_repeated(self, before: ApiRequest, after: ApiRequest) -> None:
        """Skip items that a change of the page size repeats.

        Args:
            before: The request for a page that was refused.
            after: The request for a smaller page.
        """
        self._skips_repeated = True
        ratio = (before.limit or 1) // (after.limit or 1)
        self._max_pages_without_new = _MAX_PAGES_WITHOUT_NEW + ratio

    def add(self, page: Mapping[str, Any], items: list[SourceDocument]) -> list[SourceDocument]:
        """Count the items of a page, and return the items of the page to use.

        Args:
            page: The page.
            items: The items of the page.
        """
        if self._matched is None:
            self._matched = number_matched(page)
        new = {item.key for item in items if item.key is not None and self._keys.add(item.key)}
        if self._skips_repeated:
            items = [item for item in items if item.key is None or item.key in new]
        self._pages_without_new = 0 if new else self._pages_without_new + 1
        self._count += len(items)
        return items

    def next_request(
        self, page: Mapping[str, Any], request: ApiRequest, page_href: str
    ) -> ApiRequest | None:
        """Return the request for the next page, if the search continues.

        Args:
            page: The last page that was added.
            request: The request for this page.
            page_href: Final URL of this page.

        Raises:
            SourceError: The API repeats pages, or links to another origin.
        """
        link = next_link_of(page, request.method)
        if link is None:
            # `numberMatched` can be estimated or outdated, so only the link decides.
            self.is_complete = True
            return None
        is_repeating = self._pages_without_new >= self._max_pages_without_new
        # Some APIs link each empty page to another empty page. Others return empty pages between
        # pages with items, if a filter excludes all items of a page. So the search continues after
        # an empty page, unless the API reports no more items.
        is_empty = not page["features"]
        is_last = is_empty and self._matched is not None and self._count >= self._matched
        if is_last or (is_empty and is_repeating):
            self.is_complete = is_last or self._matched is None
            return None
        if is_repeating:
            raise SourceError(
                f"Search at '{self._shown}' returned {self._max_pages_without_new} pages in a "
                "row without a new item. Report the repeated pages to the operator of the API."
            )
        following_request = following(link, request, page_href, self._origins)
        if following_request.identity in self._requested:
            raise SourceError(
                f"Search at '{self._shown}' links to a next page that was already read. Report the "
                "repeated page to the operator of the API."
            )
        self._requested.add(following_request.identity)
        return following_request


def next_link_of(page: Mapping[str, Any], method: str) -> dict[str, Any] | None:
    """Return the link to the next page, preferably a link with the method of the search.

    Args:
        page: A page.
        method: HTTP method of the request for the page.
    """
    return next_link(links_of(page), method)


def number_matched(page: Mapping[str, Any]) -> int | None:
    """Return the number of matching items that the API reports, if any.

    Args:
        page: A page.
    """
    context = page.get("context")
    number = page.get("numberMatched")
    if number is None and isinstance(context, dict):
        number = context.get("matched")
    return number if type(number) is int else None
