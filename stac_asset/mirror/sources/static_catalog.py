"""Sources that are read as a whole: a static catalog, or a file of items."""

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
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.sources.local_filter import check_listed, is_found
from stac_asset.redact import redact_href
from stac_asset.stac.read import read_object

_AT_ONCE = 16
"""How many item documents are read at once."""


class StaticCatalog:
    """A static catalog: documents that link to one another.

    Args:
        href: Its root, a catalog or a collection.
        document: The root's document.
        clients: The clients of the run.
        config: How often to try.
    """

    def __init__(
        self, href: str, document: dict[str, Any], clients: Clients, config: Config
    ) -> None:
        self.href = href
        self.whole = False
        self.errors: list[StacAssetError] = []
        self._clients = clients
        self._config = config
        self._read_already = {href: document}
        self._collections: dict[str, Found] = {}
        self._items: list[str] | None = None
        self._where: dict[Key, str] = {}

    async def check(self, criteria: Criteria) -> None:
        """Checks that the catalog can answer a search.

        Args:
            criteria: What will be searched for.

        Raises:
            ConfigError: It asks for what only an API can tell, or for an unknown collection.
            SourceError: A catalog or collection cannot be read.
        """
        check_listed(criteria, self.href)
        await self._walk()
        for name in criteria.collections:
            if name not in self._collections:
                raise ConfigError(
                    f"search.collections names '{name}', which the catalog "
                    f"'{redact_href(self.href)}' does not have"
                )

    async def collection(self, name: str) -> Found | None:
        """Returns a collection, or None where there is none.

        Args:
            name: Its id.
        """
        await self._walk()
        return self._collections.get(name)

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[Found]:
        """Yields the items that are searched for; one that cannot be read is among the errors.

        Args:
            criteria: What to search for.
            window: Its span of time.
        """
        self.whole, self.errors = False, []
        hrefs = await self._walk()
        async with aclosing(bounded(self._item, hrefs, _AT_ONCE)) as found:
            async for one in found:
                if isinstance(one, StacAssetError):
                    self.errors.append(one)
                    continue
                if one.key is not None:
                    self._where[one.key] = one.base
                if is_found(one.document, criteria, window):
                    yield one
        self.whole = not self.errors

    async def by_id(self, keys: Iterable[Key]) -> AsyncIterator[Found]:
        """Yields those of some items that the catalog had when its items were read.

        Args:
            keys: Which ones.
        """
        hrefs = [self._where[key] for key in keys if key in self._where]
        async with aclosing(bounded(self._item, hrefs, _AT_ONCE)) as found:
            async for one in found:
                if isinstance(one, Found):
                    yield one

    async def _walk(self) -> list[str]:
        """Returns the hrefs of all items, and takes note of the collections.

        Raises:
            SourceError: A catalog or collection cannot be read.
        """
        if self._items is not None:
            return self._items
        items: dict[str, None] = {}
        waiting, seen = [self.href], {self.href}
        while waiting:
            href = waiting.pop(0)
            try:
                document = (
                    self._read_already.get(href)
                    or (await read_object(href, self._clients, self._config))[0]
                )
            except StacAssetError as error:
                raise SourceError(f"'{redact_href(href)}' cannot be read: {error}") from error
            if document.get("type") == "Collection" and isinstance(document.get("id"), str):
                self._collections.setdefault(document["id"], Found(document, href))
            links = document.get("links")
            for link in links if isinstance(links, list) else ():
                rel = link.get("rel") if isinstance(link, dict) else None
                try:
                    target = absolute_href(link.get("href"), href) if rel else href
                except HrefError:
                    continue
                if rel == "item":
                    items[target] = None
                elif rel == "child" and target not in seen:
                    seen.add(target)
                    waiting.append(target)
        self._items = list(items)
        return self._items

    async def _item(self, href: str) -> Found | StacAssetError:
        try:
            document, etag = await read_object(href, self._clients, self._config)
        except StacAssetError as error:
            return SourceError(f"the item '{redact_href(href)}' cannot be read: {error}")
        return Found(document, href, etag)
