"""Static catalogs as sources of a mirror: all documents are read, and items filtered locally."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import bounded
from stac_asset.config import Config
from stac_asset.errors import ConfigError, HrefError, SourceError, StacAssetError
from stac_asset.hrefs import absolute_href
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument, links_of
from stac_asset.mirror.sources.local_filter import check_static_criteria, matches
from stac_asset.redact import redact_href
from stac_asset.stac.read import read_object

_CONCURRENT_READS = 16
"""Maximum number of item documents read at a time."""


class StaticCatalog:
    """A static catalog: documents joined by links.

    Args:
        href: Href of the root, a catalog or a collection.
        document: Document of the root.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
    """

    def __init__(
        self, href: str, document: dict[str, Any], clients: Clients, config: Config
    ) -> None:
        self.href = href
        self.is_complete = False
        self.errors: list[StacAssetError] = []
        self.undecided: set[Key] = set()
        self.position: str | None = None
        self._clients = clients
        self._config = config
        self._root = document
        self._collections: dict[str, SourceDocument] = {}
        self._item_hrefs: list[str] | None = None
        self._href_by_key: dict[Key, str] = {}

    async def check(self, criteria: Criteria) -> None:
        """Check that the catalog supports a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: A criterion requires a STAC API, or a collection is unknown.
            SourceError: A catalog or collection cannot be read.
        """
        check_static_criteria(criteria, self.href)
        await self._read_structure()
        for name in criteria.collections:
            if name not in self._collections:
                raise ConfigError(
                    f"`search.collections` names '{name}', which does not exist in the catalog "
                    f"'{redact_href(self.href)}'. Correct the id."
                )

    async def collection(self, name: str) -> SourceDocument | None:
        """Return a collection, if known.

        Args:
            name: Id of the collection.
        """
        await self._read_structure()
        return self._collections.get(name)

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[SourceDocument]:
        """Yield the items of a search.

        Items that cannot be read are added to `errors`.

        Args:
            criteria: The search criteria.
            window: Time window of the search.
        """
        self.is_complete, self.errors = False, []
        hrefs = await self._read_structure()
        async with aclosing(bounded(self._read_item, hrefs, _CONCURRENT_READS)) as results:
            async for result in results:
                if isinstance(result, StacAssetError):
                    self.errors.append(result)
                    continue
                if result.key is not None:
                    self._href_by_key[result.key] = result.base
                if matches(result.document, criteria, window):
                    yield result
        self.is_complete = not self.errors

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys.

        Only items that the last search read are found.

        Args:
            keys: Keys of items.
        """
        hrefs = [self._href_by_key[key] for key in keys if key in self._href_by_key]
        async with aclosing(bounded(self._read_item, hrefs, _CONCURRENT_READS)) as results:
            async for result in results:
                if isinstance(result, SourceDocument):
                    yield result

    async def _read_structure(self) -> list[str]:
        """Read all catalogs and collections once, and return the hrefs of all items.

        Raises:
            SourceError: A catalog or collection cannot be read.
        """
        if self._item_hrefs is not None:
            return self._item_hrefs
        items: dict[str, None] = {}
        pending, seen = [self.href], {self.href}
        while pending:
            href = pending.pop(0)
            document = self._root if href == self.href else await self._read_catalog(href)
            if document.get("type") == "Collection" and isinstance(document.get("id"), str):
                self._collections.setdefault(document["id"], SourceDocument(document, href))
            for link in links_of(document):
                try:
                    target = absolute_href(link["href"], href)
                except HrefError:
                    continue
                if link["rel"] == "item":
                    items[target] = None
                elif link["rel"] == "child" and target not in seen:
                    seen.add(target)
                    pending.append(target)
        self._item_hrefs = list(items)
        return self._item_hrefs

    async def _read_catalog(self, href: str) -> dict[str, Any]:
        try:
            document, _ = await read_object(href, self._clients, self._config)
        except StacAssetError as error:
            raise SourceError(f"'{redact_href(href)}' cannot be read: {error}") from error
        return document

    async def _read_item(self, href: str) -> SourceDocument | StacAssetError:
        try:
            document, etag = await read_object(href, self._clients, self._config)
        except StacAssetError as error:
            return SourceError(f"Item document '{redact_href(href)}' cannot be read: {error}")
        return SourceDocument(document, href, etag)
