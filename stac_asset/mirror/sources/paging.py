"""Decides, page by page, whether a search goes on, and whether it gave all that there is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stac_asset.errors import SourceError
from stac_asset.hrefs import absolute_href
from stac_asset.mirror.source_item import Found, Key
from stac_asset.redact import redact_href

_BARREN = 10
"""Pages without any new item, one after the other, after which nobody waits for another one."""


class Paging:
    """The pages of a search, as far as they have come.

    Args:
        href: Where the search was asked for.
        method: By which HTTP method.
        parameters: With what.
    """

    def __init__(self, href: str, method: str, parameters: Any) -> None:
        self._href = href
        self._asked = {_identity(href, method, parameters)}
        self._keys: set[Key] = set()
        self._count = 0
        self._matched: int | None = None
        self._barren = 0

    @property
    def is_whole(self) -> bool:
        """Whether there are as many items as the API says, if it does."""
        return self._matched is None or self._count >= self._matched

    def following(self, page: Mapping[str, Any]) -> dict[str, Any] | None:
        """Takes note of a page, and returns the link to the one that is wanted after it, if any.

        Args:
            page: The page, which has a list of features.

        Raises:
            SourceError: The pages go round in circles.
        """
        self._add(page)
        link = _next(page, self._href)
        # A page without items is the last one for pystac-client, for there are APIs that name a
        # next one for ever. Others give such a page where a filter left nothing of it; so we end
        # there only if nothing is missing of what the API says it has.
        if link is None or (not page["features"] and (self.is_whole or self._barren >= _BARREN)):
            return None
        if self._barren >= _BARREN:
            raise SourceError(
                f"'{redact_href(self._href)}' gave {_BARREN} pages on end of items that were "
                "there already"
            )
        identity = _identity(link["href"], "", link.get("body"))
        if identity in self._asked:
            raise SourceError(
                f"'{redact_href(self._href)}' names a page as the next one that was there already"
            )
        self._asked.add(identity)
        return link

    def _add(self, page: Mapping[str, Any]) -> None:
        if self._matched is None:
            self._matched = _stated(page)
        keys = [Found(feature, "").key for feature in page["features"]]
        new = {key for key in keys if key is not None} - self._keys
        self._barren = 0 if new else self._barren + 1
        self._keys |= new
        self._count += len(keys)


def links_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the links of a document that are such.

    Args:
        document: The document, of any shape.
    """
    links = document.get("links")
    return [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict)
        and isinstance(link.get("rel"), str)
        and isinstance(link.get("href"), str)
    ]


def _next(page: Mapping[str, Any], base: str) -> dict[str, Any] | None:
    for link in links_of(page):
        if link["rel"] == "next":
            return {**link, "href": absolute_href(link["href"], base)}
    return None


def _stated(page: Mapping[str, Any]) -> int | None:
    """Returns how many items the API says that there are."""
    context = page.get("context")
    found = page.get("numberMatched")
    if found is None and isinstance(context, dict):
        found = context.get("matched")
    return found if type(found) is int else None


def _identity(href: str, method: str, body: Any) -> str:
    return json.dumps([href, body if method != "GET" else None], sort_keys=True)
