"""Item files as sources of a mirror: all items are read, and filtered locally."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from stac_asset.errors import ConfigError, StacAssetError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument
from stac_asset.mirror.sources.local_filter import check_static_criteria, matches
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import read_items


class ItemFile:
    """A file of items: a JSON item collection, newline-delimited JSON, or stac-geoparquet.

    Args:
        href: Href of the file, which resolves relative hrefs.
        path: Path of the local file, or of a local copy of a remote file.
    """

    def __init__(self, href: str, path: Path) -> None:
        self.href = href
        self.is_complete = False
        self.errors: list[StacAssetError] = []
        self.undecided: set[Key] = set()
        self.position: str | None = None
        self._path = path

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
        for document in read_items(self._path, redact_href(self.href)) if missing else ():
            missing.discard(document.get("collection", "") if isinstance(document, dict) else "")
            if not missing:
                break
        if missing:
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

        Args:
            criteria: The search criteria.
            window: Time window of the search.

        Raises:
            SourceError: The file is not an item collection.
        """
        self.is_complete = False
        for document in read_items(self._path, redact_href(self.href)):
            if matches(document, criteria, window):
                yield SourceDocument(document, self.href)
        self.is_complete = True

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys that the file has.

        Args:
            keys: Keys of items.

        Raises:
            SourceError: The file is not an item collection.
        """
        wanted = set(keys)
        for document in read_items(self._path, redact_href(self.href)) if wanted else ():
            item = SourceDocument(document, self.href)
            if item.key in wanted:
                yield item
