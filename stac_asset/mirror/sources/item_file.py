"""TODO."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from stac_asset.errors import ConfigError, StacAssetError
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.sources.local_filter import check_listed, is_found
from stac_asset.redact import redact_href
from stac_asset.stac.item_files import read_items


class ItemFile:
    """A local file of items: a JSON item collection, newline-delimited JSON, or stac-geoparquet.

    Args:
        href: Where it is from.
        path: Where it is.
    """

    def __init__(self, href: str, path: Path) -> None:
        self.href = href
        self.whole = False
        self.errors: list[StacAssetError] = []
        self._path = path

    async def check(self, criteria: Criteria) -> None:
        """Checks that a file of items can answer a search.

        Args:
            criteria: What will be searched for.

        Raises:
            ConfigError: It asks for what only an API can tell, or for a collection of which there
                is no item.
        """
        check_listed(criteria, self.href)
        missing = set(criteria.collections)
        for document in read_items(self._path, redact_href(self.href)) if missing else ():
            missing.discard(document.get("collection", "") if isinstance(document, dict) else "")
            if not missing:
                break
        if missing:
            raise ConfigError(
                f"search.collections names '{min(missing)}', of which "
                f"'{redact_href(self.href)}' has no item"
            )

    async def collection(self, name: str) -> Found | None:
        """Returns None: items are all that there is.

        Args:
            name: The id of a collection.
        """
        return None

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[Found]:
        """Yields the items that are searched for.

        Args:
            criteria: What to search for.
            window: Its span of time.

        Raises:
            SourceError: The file is no item collection.
        """
        self.whole = False
        for document in read_items(self._path, redact_href(self.href)):
            if is_found(document, criteria, window):
                yield Found(document, self.href)
        self.whole = True

    async def by_id(self, keys: Iterable[Key]) -> AsyncIterator[Found]:
        """Yields those of some items that the file has.

        Args:
            keys: Which ones.
        """
        wanted = set(keys)
        for document in read_items(self._path, redact_href(self.href)) if wanted else ():
            found = Found(document, self.href)
            if found.key in wanted:
                yield found
