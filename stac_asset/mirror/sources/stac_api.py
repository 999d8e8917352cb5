"""STAC APIs as sources of a mirror: collections, and the pages of a search.

pystac-client builds the parameters of a search and reads the links between pages (`method`, `body`
and `merge`). The loop over the pages is in this module, because `StacApiIO.get_pages` of
pystac-client cannot do the following:

- Retry only the failed page: the generator of pages ends after an error.
- Renew the secret headers before each attempt, which is asynchronous.
- Continue after an empty page, if the API reports more items.
- Detect pages that repeat, and searches that end too early.

A search without pystac-client would need more code, because parameters and links between pages
differ between GET and POST.
"""

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
from stac_asset.mirror.source_item import Key, SourceDocument, links_of
from stac_asset.mirror.sources.api_io import ApiIO
from stac_asset.mirror.sources.paging import Paging
from stac_asset.redact import redact_href
from stac_asset.stac.geometry import split_at_antimeridian
from stac_asset.transfer.retry import retry

_DEFAULT_PAGE_SIZE = 500
"""Number of items requested per page by default. Servers may return fewer."""

_IDS_PER_REQUEST = 50
"""Maximum number of ids per request. A GET request holds all ids in the URL."""

_REQUIRED_CONFORMANCE = {
    "query": ("/item-search#query",),
    "filter": ("/item-search#filter", "/conf/filter"),
}
"""Ends of the conformance classes that `query` and `filter` require. Any class is enough.

Servers without these classes ignore the parameters and return everything."""


class StacApi:
    """A STAC API with item search.

    Args:
        href: Root of the API.
        landing: Document of the root.
        clients: The clients of the run, which provide the secret headers for the API.
        config: The configuration, for the number of attempts and the timeout.
    """

    is_complete: bool = False
    """Whether the last search reached the end and returned as many items as the API reports."""

    def __init__(
        self, href: str, landing: Mapping[str, Any], clients: Clients, config: Config
    ) -> None:
        self.href = href
        self.errors: list[StacAssetError] = []
        self._landing = landing
        self._clients = clients
        self._config = config
        self._io = ApiIO(href, config.http_read_timeout)
        self._collections: dict[str, SourceDocument] = {}
        conforms = landing.get("conformsTo")
        uris = conforms if isinstance(conforms, list) else []
        self._conforms_to = [uri for uri in uris if isinstance(uri, str)]

    async def check(self, criteria: Criteria) -> None:
        """Check that the API supports a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: A collection does not exist, or the API does not support a criterion.
            SourceError: A request to the API failed.
        """
        _filter_fields(criteria.filter)  # Raises ConfigError for an invalid filter.
        for name, ends in _REQUIRED_CONFORMANCE.items():
            if getattr(criteria, name) is not None and not any(
                uri.endswith(ends) for uri in self._conforms_to
            ):
                raise ConfigError(
                    f"`search.{name}` is not supported by the API '{redact_href(self.href)}': its "
                    "conformance classes do not include this extension. Leave the parameter out."
                )
        for name in criteria.collections:
            if await self.collection(name) is None:
                raise ConfigError(
                    f"`search.collections` names '{name}', which does not exist in the API "
                    f"'{redact_href(self.href)}'. Correct the id."
                )

    async def collection(self, name: str) -> SourceDocument | None:
        """Return a collection, if known.

        Args:
            name: Id of the collection.

        Raises:
            SourceError: The request failed.
        """
        if name not in self._collections:
            href = f"{self._collections_href()}/{quote(name, safe='')}"
            try:
                document = await self._request(partial(self._io.read_object, href))
            except SourceError as error:
                if isinstance(error.__cause__, NotFoundError):
                    return None
                raise
            self._collections[name] = SourceDocument(document, href)
        return self._collections[name]

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[SourceDocument]:
        """Yield the items of a search, page by page. A failed page is retried.

        A bounding box across the antimeridian is searched as two boxes, because some APIs return
        the items of the other side of the world.

        Args:
            criteria: The search criteria.
            window: Time window of the search.

        Raises:
            SourceError: A page failed in all attempts.
        """
        self.is_complete = False
        fields: dict[str, Any] = {
            "intersects": criteria.intersects,
            "query": criteria.query,
            "sortby": list(criteria.sortby) or None,
            "limit": criteria.page_size or _DEFAULT_PAGE_SIZE,
            "ids": list(criteria.ids) or None,
            "collections": list(criteria.collections) or None,
        }
        if criteria.datetime is not None:
            fields["datetime"] = str(window)
        fields |= _filter_fields(criteria.filter)
        bbox = criteria.bbox
        boxes = split_at_antimeridian(bbox) if bbox is not None else [None]
        found: set[Key | None] = set()
        completed: list[bool] = []
        for box in boxes:
            is_complete = False
            async for page, is_complete in self._pages({**fields, "bbox": box}):  # noqa: B007
                for feature in page["features"]:
                    item = self._item(feature)
                    if item.key is None or item.key not in found:
                        yield item
                if len(boxes) > 1:
                    found |= {self._item(feature).key for feature in page["features"]}
            completed.append(is_complete)
        self.is_complete = all(completed)

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys that the API still has.

        Args:
            keys: Keys of items.

        Raises:
            SourceError: A page failed in all attempts.
        """
        by_collection: dict[str | None, list[str]] = {}
        for key in keys:
            by_collection.setdefault(key.collection, []).append(key.id)
        for collection, ids in by_collection.items():
            for start in range(0, len(ids), _IDS_PER_REQUEST):
                some = ids[start : start + _IDS_PER_REQUEST]
                fields: dict[str, Any] = {"ids": some, "limit": len(some)}
                fields["collections"] = [collection] if collection is not None else None
                async for page, _ in self._pages(fields):
                    for feature in page["features"]:
                        yield self._item(feature)

    def _item(self, feature: Any) -> SourceDocument:
        """Return an item of a page. Relative hrefs are resolved against the URL of the item."""
        fields = feature if isinstance(feature, dict) else {}
        collection, name = fields.get("collection"), fields.get("id")
        base = self.href
        if isinstance(collection, str) and isinstance(name, str):
            folder = f"{self._collections_href()}/{quote(collection, safe='')}"
            base = f"{folder}/items/{quote(name, safe='')}"
        return SourceDocument(feature, base)

    async def _pages(self, fields: Mapping[str, Any]) -> AsyncIterator[tuple[dict[str, Any], bool]]:
        """Yield each page of a search, and whether the search is complete with this page."""
        href, method = self._search_link(isinstance(fields.get("filter"), str))
        search = ItemSearch(href, method=method, stac_io=self._io, **fields)
        parameters = search.get_parameters()
        paging = Paging(href, method, parameters)
        page = await self._request(partial(self._read_page, href, method, parameters))
        while (next_link := paging.next_link(page)) is not None:
            yield page, False
            link = pystac.Link.from_dict(next_link)
            page = await self._request(partial(self._read_page, link, None, parameters))
        yield page, paging.is_complete

    def _read_page(
        self, source: str | pystac.Link, method: str | None, parameters: dict[str, Any]
    ) -> dict[str, Any]:
        """Return a page of a search.

        Raises:
            TransferError: The request failed, or the response has no features, such as an error
                message with status 200.
        """
        page = self._io.read_object(source, method, parameters)
        if not isinstance(page.get("features"), list):
            raise TruncatedError("Response to a search has no list of items in `features`")
        return page

    async def _request(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of a blocking request, with retries.

        Raises:
            SourceError: The request failed in all attempts.
        """
        try:
            client = await self._clients.get_client(self.href)

            async def attempt() -> dict[str, Any]:
                self._io.secrets = await client.secrets(URL(self.href))
                return await in_thread(call)

            return await retry(attempt, self._config)
        except StacAssetError as error:
            raise SourceError(
                f"Request to the API '{redact_href(self.href)}' failed: {error}"
            ) from error

    def _collections_href(self) -> str:
        """Return the href of the list of collections, without a slash at the end."""
        for link in links_of(self._landing):
            if link["rel"] == "data":
                return absolute_href(link["href"], self.href).rstrip("/")
        return f"{self.href.partition('?')[0].rstrip('/')}/collections"

    def _search_link(self, prefers_get: bool) -> tuple[str, str]:
        """Return the href and the HTTP method of the search.

        POST is preferred, except for filters in CQL2 text, which are sent by GET if possible.
        """
        links = [link for link in links_of(self._landing) if link["rel"] == "search"]
        methods = {str(link.get("method", "GET")).upper(): link["href"] for link in links}
        method = "GET" if prefers_get or "POST" not in methods else "POST"
        if method not in methods:
            method = next(iter(methods))
        return absolute_href(methods[method], self.href), method


def is_stac_api(landing: Mapping[str, Any]) -> bool:
    """Return whether a document is the root of a STAC API with item search.

    Args:
        landing: The document.
    """
    return "conformsTo" in landing and any(link["rel"] == "search" for link in links_of(landing))


def _filter_fields(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of pystac-client for a filter.

    Raises:
        ConfigError: The filter is JSON, but not an object.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        try:
            document = json.loads(given)
        except ValueError:
            return {"filter": given, "filter_lang": "cql2-text"}
        if not isinstance(document, dict):
            raise ConfigError(
                "`search.filter` is JSON, but not an object. Give a CQL2 filter as text or as a "
                "JSON object."
            )
        given = document
    return {"filter": dict(given), "filter_lang": "cql2-json"}
