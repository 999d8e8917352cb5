"""Decides after each page of a search whether to request another page.

Also determines whether a search returned all items. `stac_api` requests the pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stac_asset.errors import SourceError
from stac_asset.hrefs import absolute_href
from stac_asset.mirror.source_item import Key, SourceDocument, links_of
from stac_asset.redact import redact_href

_MAX_PAGES_WITHOUT_NEW = 10
"""Maximum number of consecutive pages without a new item, after which a search ends."""


class Paging:
    """The pages of a search read so far.

    Args:
        href: Href of the search.
        method: HTTP method of the search.
        parameters: Parameters of the search.
    """

    def __init__(self, href: str, method: str, parameters: Any) -> None:
        self._href = href
        self._requested = {_request_identity(href, method, parameters)}
        self._keys: set[Key] = set()
        self._count = 0
        self._matched: int | None = None
        self._pages_without_new = 0

    @property
    def is_complete(self) -> bool:
        """Whether the pages have as many items as the API reports, if the API reports a number."""
        return self._matched is None or self._count >= self._matched

    def next_link(self, page: Mapping[str, Any]) -> dict[str, Any] | None:
        """Count the items of a page, and return the link to the next page, if the search continues.

        Args:
            page: The page, which has a list of features.

        Raises:
            SourceError: The API repeats pages.
        """
        self._count_items(page)
        link = _next_link_of(page, self._href)
        is_repeating = self._pages_without_new >= _MAX_PAGES_WITHOUT_NEW
        # Some APIs link each empty page to another empty page. Others return empty pages between
        # pages with items, if a filter excludes all items of a page. So the search continues after
        # an empty page only if the API reports more items.
        if link is None or (not page["features"] and (self.is_complete or is_repeating)):
            return None
        if is_repeating:
            raise SourceError(
                f"Search at '{redact_href(self._href)}' returned {_MAX_PAGES_WITHOUT_NEW} pages in "
                "a row without a new item. Report the repeated pages to the operator of the API."
            )
        identity = _request_identity(link["href"], "", link.get("body"))
        if identity in self._requested:
            raise SourceError(
                f"Search at '{redact_href(self._href)}' links to a next page that was already "
                "read. Report the repeated page to the operator of the API."
            )
        self._requested.add(identity)
        return link

    def _count_items(self, page: Mapping[str, Any]) -> None:
        if self._matched is None:
            self._matched = _number_matched(page)
        keys = [SourceDocument(feature, "").key for feature in page["features"]]
        new = {key for key in keys if key is not None} - self._keys
        self._pages_without_new = 0 if new else self._pages_without_new + 1
        self._keys |= new
        self._count += len(keys)


def _next_link_of(page: Mapping[str, Any], base: str) -> dict[str, Any] | None:
    for link in links_of(page):
        if link["rel"] == "next":
            return {**link, "href": absolute_href(link["href"], base)}
    return None


def _number_matched(page: Mapping[str, Any]) -> int | None:
    """Return the number of matching items that the API reports, if any."""
    context = page.get("context")
    number = page.get("numberMatched")
    if number is None and isinstance(context, dict):
        number = context.get("matched")
    return number if type(number) is int else None


def _request_identity(href: str, method: str, body: Any) -> str:
    return json.dumps([href, body if method != "GET" else None], sort_keys=True)
