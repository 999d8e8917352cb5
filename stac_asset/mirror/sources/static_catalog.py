"""Static catalogs as sources of a mirror: all documents are read, and items filtered locally.

A document that cannot be read fails only itself. The catalog is then incomplete, so that no item
counts as removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
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
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.parse import kind_of
from stac_asset.stac.read import JsonDocument, read_json

_CONCURRENT_READS = 16
"""Maximum number of documents read at a time."""

_MAX_LEVELS = 100
"""Maximum number of levels. Some servers return the same catalog at every path."""

_MAX_SIZE = 64 * 1024 * 1024
"""Maximum size of a document, in bytes."""

_CATALOG_RELATIONS = ("child", "next")
"""Relations of links to further catalogs and collections."""

_ITEM_LIST = (
    "static catalogs have links to single items, and this link leads to a list of items. Use the "
    "root of the API, or the list, as `source`"
)


@dataclass(frozen=True, slots=True)
class _Link:
    """A link to a document of the catalog."""

    rel: str
    href: str
    parent: str
    """Href of the document with the link."""


class StaticCatalog:
    """A static catalog: documents joined by links.

    Args:
        href: Href of the root, a catalog or a collection.
        root: Document of the root.
        clients: The clients of the run.
        config: The configuration, for the number of attempts.
    """

    def __init__(self, href: str, root: JsonDocument, clients: Clients, config: Config) -> None:
        self.href = href
        self.is_complete = False
        self.errors: list[StacAssetError] = []
        self.undecided: set[Key] = set()
        self.position: str | None = None
        self._clients = clients
        self._config = config
        self._root = root
        self._collections: dict[str, SourceDocument] = {}
        self._items: dict[str, _Link] | None = None
        self._structure_errors: list[StacAssetError] = []
        self._has_unknown_links = False
        """Whether a document has entries in `links` that may be links to items."""
        self._href_by_key: dict[Key, _Link] = {}

    async def check(self, criteria: Criteria) -> None:
        """Check that the catalog supports a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: A criterion requires a STAC API, or a collection is unknown.
        """
        check_static_criteria(criteria, self.href)
        await self._read_structure()
        for name in criteria.collections:
            # An unread document may contain the collection.
            if name not in self._collections and not self._structure_errors:
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

        Documents that cannot be read are added to `errors`.

        Args:
            criteria: The search criteria.
            window: Time window of the search.
        """
        self.is_complete = False
        links = await self._read_structure()
        self.errors = list(self._structure_errors)
        async with aclosing(bounded(self._read_item, links, _CONCURRENT_READS)) as results:
            async for link, result in results:
                if isinstance(result, StacAssetError):
                    self.errors.append(result)
                    continue
                if result.key is not None:
                    self._href_by_key[result.key] = link
                if matches(result.document, criteria, window):
                    yield result
        self.is_complete = not (self.errors or self._has_unknown_links)

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys.

        Only items that the last search read are found.

        Args:
            keys: Keys of items.
        """
        keys = list(keys)
        links = [self._href_by_key[key] for key in keys if key in self._href_by_key]
        found = set()
        async with aclosing(bounded(self._read_item, links, _CONCURRENT_READS)) as results:
            async for _, result in results:
                if isinstance(result, SourceDocument):
                    found.add(result.key)
                    yield result
        # The source has an item that the search read, even if the item now fails.
        is_there = keys if not self.is_complete else self._href_by_key.keys()
        self.undecided = {key for key in keys if key in is_there and key not in found}

    async def _read_structure(self) -> list[_Link]:
        """Read all catalogs and collections once, and return the links to all items."""
        if self._items is not None:
            return list(self._items.values())
        items: dict[str, _Link] = {}
        seen = {self.href, self._root.href}
        level = self._links_of(self._root.content, self._root.href, items, seen)
        for _ in range(_MAX_LEVELS):
            found: dict[str, JsonDocument] = {}
            async with aclosing(bounded(self._read_catalog, level, _CONCURRENT_READS)) as results:
                async for link, result in results:
                    if isinstance(result, StacAssetError):
                        self._structure_errors.append(result)
                    else:
                        found[link.href] = result
            below: list[_Link] = []
            for link in level:  # In the order of the links, so that runs are alike.
                if link.href not in found:
                    continue
                document = found[link.href]
                seen.add(document.href)
                if kind_of(document.content) == "Feature":
                    items.setdefault(link.href, link)
                else:
                    below += self._links_of(document.content, document.href, items, seen)
            level = below
        self._structure_errors += [
            _error(link, SourceError(f"the catalog has more than {_MAX_LEVELS} levels"))
            for link in level
        ]
        self._items = items
        return list(items.values())

    def _links_of(
        self, document: dict[str, Any], base: str, items: dict[str, _Link], seen: set[str]
    ) -> list[_Link]:
        """Add the items and the collection of a document, and return the links to new catalogs."""
        name = document.get("id")
        if kind_of(document) == "Collection" and isinstance(name, str):
            self._collections.setdefault(name, SourceDocument(document, base))
        catalogs = []
        if _has_unknown_links(document):
            self._has_unknown_links = True
            notice(
                "Catalogs have no valid list of `links`, so this run does not detect removed items",
                f"'{redact_href(base)}'",
            )
        relations = list(_relations(document))
        if not relations:
            self._structure_errors += [
                _error(_Link("items", base, base), SourceError(_ITEM_LIST))
                for link in links_of(document)
                if link["rel"] == "items"
            ]
        for rel, href in relations:
            try:
                target = absolute_href(href, base).partition("#")[0]
            except HrefError as error:
                self._structure_errors.append(_error(_Link(rel, "", base), error))
                continue
            link = _Link(rel, target, base)
            if rel == "item":
                items.setdefault(target, link)
            elif target not in seen:
                seen.add(target)
                catalogs.append(link)
        return catalogs

    async def _read_catalog(self, link: _Link) -> tuple[_Link, JsonDocument | StacAssetError]:
        return link, await self._read(link, ("Catalog", "Collection", "Feature"))

    async def _read_item(self, link: _Link) -> tuple[_Link, SourceDocument | StacAssetError]:
        found = await self._read(link, ("Feature",))
        if isinstance(found, StacAssetError):
            return link, found
        item = SourceDocument(found.content, found.href, found.validator)
        if item.key is None:
            reason = f"'{redact_href(link.href)}' has no valid `id`"
            return link, _error(link, SourceError(reason))
        return link, item

    async def _read(self, link: _Link, kinds: tuple[str, ...]) -> JsonDocument | StacAssetError:
        try:
            found = await read_json(link.href, self._clients, self._config, max_size=_MAX_SIZE)
            kind = kind_of(found.content)
            if kind not in kinds:
                shown = f"of the type '{kind}'" if kind else "not STAC"
                raise SourceError(f"'{redact_href(link.href)}' is {shown}")
        except StacAssetError as error:
            return _error(link, error)
        return found


def _relations(document: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield relation and href of each link to an item or a catalog. The href may be malformed."""
    links = document.get("links")
    for link in links if isinstance(links, list) else ():
        rel = link.get("rel") if isinstance(link, dict) else None
        rel = rel.lower() if isinstance(rel, str) else None
        if rel == "item" or rel in _CATALOG_RELATIONS:
            yield rel, link.get("href")


def _has_unknown_links(document: dict[str, Any]) -> bool:
    """Return whether links of a catalog are missing, or are no objects with a relation."""
    links = document.get("links")
    return not isinstance(links, list) or any(
        not isinstance(link, dict) or not isinstance(link.get("rel"), str) for link in links
    )


def _error(link: _Link, error: StacAssetError) -> SourceError:
    parent = redact_href(link.parent)
    return SourceError(f"Link '{link.rel}' of '{parent}' cannot be followed: {error}")
