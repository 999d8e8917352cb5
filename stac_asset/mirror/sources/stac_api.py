"""A STAC API as the source of a mirror: its collections, and the pages of a search."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pystac
from pystac_client.item_search import ItemSearch
from yarl import URL

from stac_asset.clients.registry import Clients
from stac_asset.concurrency import in_thread
from stac_asset.config import Config
from stac_asset.errors import (
    ConfigError,
    NotFoundError,
    SourceError,
    StacAssetError,
    TruncatedError,
)
from stac_asset.hrefs import absolute_href
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Found, Key
from stac_asset.mirror.sources.api_io import ApiIO
from stac_asset.mirror.sources.paging import Paging, links_of
from stac_asset.redact import redact_href
from stac_asset.transfer.retry import retry

_PAGE = 500
"""Items of a page, where nobody says. What a server finds too many, it cuts."""

_IDS = 50
"""How many items are asked for by id at once: they may have to fit into a URL."""

_NEEDED = {"query": ("/item-search#query",), "filter": ("/item-search#filter", "/conf/filter")}
"""What an API that does not know it ignores, and gives everything instead: the ends of the URIs by
which it says that it does."""


class Api:
    """A STAC API that can search.

    Args:
        href: Its root.
        landing: The document of its root.
        clients: The clients of the run, for the secrets that this host is to be told.
        config: How often to try.
    """

    whole: bool = False
    """Whether the last search came to its end, with all items that the API says there are."""

    def __init__(
        self, href: str, landing: Mapping[str, Any], clients: Clients, config: Config
    ) -> None:
        self.href = href
        self.errors: list[StacAssetError] = []
        self._landing = landing
        self._clients = clients
        self._config = config
        self._io = ApiIO(href, config.http_read_timeout)
        self._documents: dict[str, Found] = {}
        conforms = landing.get("conformsTo")
        uris = conforms if isinstance(conforms, list) else []
        self._conforms = [uri for uri in uris if isinstance(uri, str)]

    async def check(self, criteria: Criteria) -> None:
        """Checks that the API can answer a search.

        Args:
            criteria: What will be searched for.

        Raises:
            ConfigError: A collection does not exist, or the API knows no such search.
            SourceError: The API cannot be asked.
        """
        _filter(criteria.filter)
        for name, ends in _NEEDED.items():
            if getattr(criteria, name) is not None and not any(
                uri.endswith(ends) for uri in self._conforms
            ):
                raise ConfigError(
                    f"search.{name} is nothing that the API '{redact_href(self.href)}' says it "
                    "knows: leave it out"
                )
        for name in criteria.collections:
            if await self.collection(name) is None:
                raise ConfigError(
                    f"search.collections names '{name}', which the API "
                    f"'{redact_href(self.href)}' does not have"
                )

    async def collection(self, name: str) -> Found | None:
        """Returns a collection, or None where there is none.

        Args:
            name: Its id.

        Raises:
            SourceError: The API cannot be asked.
        """
        if name not in self._documents:
            href = f"{self._link('data', 'collections').rstrip('/')}/{quote(name, safe='')}"
            try:
                document = await self._asked(partial(self._io.read_object, href))
            except SourceError as error:
                if isinstance(error.__cause__, NotFoundError):
                    return None
                raise
            self._documents[name] = Found(document, href)
        return self._documents[name]

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[Found]:
        """Yields the items of a search, page by page; a page that fails is asked for again.

        Args:
            criteria: What to search for.
            window: Its span of time.

        Raises:
            SourceError: A page cannot be had.
        """
        self.whole = False
        fields: dict[str, Any] = {
            "bbox": criteria.bbox,
            "intersects": criteria.intersects,
            "query": criteria.query,
            "sortby": list(criteria.sortby) or None,
            "limit": criteria.page_size or _PAGE,
            "ids": list(criteria.ids) or None,
            "collections": list(criteria.collections) or None,
        }
        if criteria.datetime is not None:
            fields["datetime"] = str(window)
        async for page, is_all in self._pages({**fields, **_filter(criteria.filter)}):
            for feature in page["features"]:
                yield self._found(feature)
            self.whole = is_all

    async def by_id(self, keys: Iterable[Key]) -> AsyncIterator[Found]:
        """Yields those items that the API still has, of some.

        Args:
            keys: Which ones.

        Raises:
            SourceError: A page cannot be had.
        """
        by_collection: dict[str | None, list[str]] = {}
        for key in keys:
            by_collection.setdefault(key.collection, []).append(key.id)
        for collection, ids in by_collection.items():
            for start in range(0, len(ids), _IDS):
                some = ids[start : start + _IDS]
                fields: dict[str, Any] = {"ids": some, "limit": len(some)}
                fields["collections"] = [collection] if collection is not None else None
                async for page, _ in self._pages(fields):
                    for feature in page["features"]:
                        yield self._found(feature)

    def _found(self, feature: Any) -> Found:
        fields = feature if isinstance(feature, dict) else {}
        collection, name = fields.get("collection"), fields.get("id")
        base = self.href
        if isinstance(collection, str) and isinstance(name, str):
            base = (
                f"{self._link('data', 'collections').rstrip('/')}/{quote(collection, safe='')}"
                f"/items/{quote(name, safe='')}"
            )
        return Found(feature, base)

    async def _pages(self, fields: Mapping[str, Any]) -> AsyncIterator[tuple[dict[str, Any], bool]]:
        """Yields the pages of a search, and with the last one whether they are all there is."""
        href, method = self._search_link(isinstance(fields.get("filter"), str))
        search = ItemSearch(href, method=method, stac_io=self._io, **fields)
        parameters = search.get_parameters()
        paging = Paging(href, method, parameters)
        page = await self._asked(partial(self._page, href, method, parameters))
        while (following := paging.following(page)) is not None:
            yield page, False
            link = pystac.Link.from_dict(following)
            page = await self._asked(partial(self._page, link, None, parameters))
        yield page, paging.is_whole

    def _page(
        self, source: str | pystac.Link, method: str | None, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns a page of a search.

        Raises:
            TransferError: It cannot be had, or is none: an error message with status 200, say.
        """
        page = self._io.read_object(source, method, parameters)
        if not isinstance(page.get("features"), list):
            raise TruncatedError("the answer to a search is no list of items")
        return page

    async def _asked(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Returns what a blocking request gives, in as many attempts as that may take.

        Raises:
            SourceError: It gives nothing.
        """
        try:
            client = await self._clients.get_client(self.href)

            async def attempt() -> dict[str, Any]:
                self._io.secrets = await client.secrets(URL(self.href))
                return await in_thread(call)

            return await retry(attempt, self._config)
        except StacAssetError as error:
            raise SourceError(
                f"the API '{redact_href(self.href)}' cannot be asked: {error}"
            ) from error

    def _link(self, rel: str, path: str) -> str:
        for link in links_of(self._landing):
            if link["rel"] == rel:
                return absolute_href(link["href"], self.href)
        return f"{self.href.partition('?')[0].rstrip('/')}/{path}"

    def _search_link(self, by_get: bool) -> tuple[str, str]:
        """Returns where to search, and by which method: CQL2 text goes by GET if that is there."""
        links = [link for link in links_of(self._landing) if link["rel"] == "search"]
        methods = {str(link.get("method", "GET")).upper(): link["href"] for link in links}
        method = "GET" if by_get or "POST" not in methods else "POST"
        if method not in methods:
            method = next(iter(methods))
        return absolute_href(methods[method], self.href), method


def is_api(landing: Mapping[str, Any]) -> bool:
    """Returns whether a document is the root of an API that can search.

    Args:
        landing: The document.
    """
    return "conformsTo" in landing and any(link["rel"] == "search" for link in links_of(landing))


def _filter(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns a filter as pystac-client takes it.

    Raises:
        ConfigError: It is JSON, and no object.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        try:
            document = json.loads(given)
        except ValueError:
            return {"filter": given, "filter_lang": "cql2-text"}
        if not isinstance(document, dict):
            raise ConfigError("search.filter is JSON, but no object: give CQL2 as text or as JSON")
        given = document
    return {"filter": dict(given), "filter_lang": "cql2-json"}
