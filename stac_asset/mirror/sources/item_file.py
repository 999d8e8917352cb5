"""Item files as sources of a mirror: all items are read, and filtered locally."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from stac_asset.errors import ConfigError, SourceError, StacAssetError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.local_filter import check_static_criteria, matches
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import UnreadableItem
from stac_asset.stac.item_pages import ItemPages


class ItemFile:
    """A file of items: a JSON item collection, newline-delimited JSON, or stac-geoparquet.

    Args:
        href: Href of the file.
        pages: The local files with the items, which are one file or the pages of an API.
    """

    def __init__(self, href: str, pages: ItemPages) -> None:
        self.href = href
        self.is_complete = False
        self.errors: list[StacAssetError] = []
        self.undecided: set[Key] = set()
        self.position: str | None = None
        self._pages = pages

    async def check(self, criteria: Criteria) -> None:
        """Check that the file supports a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: A criterion requires a STAC API, or the file has no item of a collection.
            SourceError: The file is not an item collection.
        """
        check_static_criteria(criteria, self.href)
        missing = set(criteria.collections)
        for document, _ in self._pages.documents() if missing else ():
            missing.discard(_collection_of(document))
            if not missing:
                break
        if missing and self._pages.error is None:
            raise ConfigError(
                f"`search.collections` names '{min(missing)}', and the file "
                f"'{redact_href(self.href)}' has no item of this collection. Correct the id."
            )

    async def collection(self, name: str) -> SourceDocument | None:
        """Return no collection: item files have only items.

        Args:
            name: Id of a collection.
        """
        return None

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[SourceDocument]:
        """Yield the items of a search.

        Items that cannot be read are added to `errors`, and an error of the last page.

        Args:
            criteria: The search criteria.
            window: Time window of the search.

        Raises:
            SourceError: The file is not an item collection.
        """
        self.is_complete = False
        errors: list[StacAssetError] = []
        has_unknown = False
        for document, base in self._pages.documents():
            if isinstance(document, UnreadableItem):
                name = redact_href(self.href)
                errors.append(SourceError(f"An item of '{name}' cannot be read: {document.reason}"))
                continue
            item = SourceDocument(document, base or self.href)
            # An item without a valid id can be any item of the mirror, which must not be removed.
            has_unknown |= item.key is None
            if matches(document, criteria, window):
                yield item
        reading = self._pages.reading
        self.errors = errors
        if self._pages.error is not None:
            self.errors.append(self._pages.error)
        is_short = reading.matched is not None and reading.count < reading.matched
        if is_short and not self.errors:
            notice(
                "The source declares more items than it contains, and has no link to a next page",
                f"{reading.count:,} of {reading.matched:,} items of '{redact_href(self.href)}'",
            )
        is_doubtful = is_short or (self._pages.is_endless and reading.matched is None)
        self.is_complete = not (self.errors or is_doubtful or has_unknown)

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys that the file has.

        Args:
            keys: Keys of items.

        Raises:
            SourceError: The file is not an item collection.
        """
        wanted = set(keys)
        for document, base in self._pages.documents() if wanted else ():
            item = SourceDocument(document, base or self.href)
            if item.key in wanted:
                yield item


def _collection_of(document: Any) -> str:
    name = document.get("collection") if isinstance(document, dict) else None
    return name if isinstance(name, str) else ""
