"""STAC APIs as sources of a mirror: collections, and the pages of a search.

pystac-client formats the parameters of a search. The loop over the pages is in this module and in
`page_reader`, because `StacApiIO.get_pages` of pystac-client cannot do the following:

- Retry only the failed page: the generator of pages ends after an error.
- Renew the secret headers before each attempt, which is asynchronous.
- Request smaller pages, if the API refuses large ones.
- Repeat a redirected POST request as POST.
- Continue after an empty page, if the API reports more items.
- Detect pages that repeat, and items that do not match the search.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from yarl import URL

from stac_asset.clients.registry import Clients
from stac_asset.config import Config
from stac_asset.errors import ConfigError, NotFoundError, ResponseError, SourceError, StacAssetError
from stac_asset.hrefs import absolute_href, origin_of, parse_href, with_scheme_of
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.source_item import Key, SourceDocument, key_of, links_of
from stac_asset.mirror.sources.api_io import ApiIO
from stac_asset.mirror.sources.lookup import IdLookup
from stac_asset.mirror.sources.page_reader import PageReader
from stac_asset.mirror.sources.paging import Paging, next_link_of
from stac_asset.mirror.sources.result_check import ResultCheck
from stac_asset.mirror.sources.search_requests import (
    SearchEndpoint,
    filter_of,
    post_request,
    search_requests,
)
from stac_asset.mirror.sources.search_run import SearchRun
from stac_asset.notices import notice
from stac_asset.redact import redact_href
from stac_asset.stac.api_request import ApiRequest
from stac_asset.stac.geometry import split_at_antimeridian, without_heights

_DEFAULT_PAGE_SIZE = 500
"""Number of items requested per page by default. Servers may return fewer."""

_COLLECTION_ATTEMPTS = 3
"""Maximum number of attempts for the document of a collection, which a search does not need."""

_URL_TOO_LONG = frozenset({414, 431})
"""Statuses of a request with a URL that is too long for the server."""

_METHOD_REFUSED = frozenset({405, 501})
"""Statuses of a search by a method that the API declares and does not have."""


class StacApi:
    """A STAC API with item search.

    Args:
        href: Root of the API.
        landing: Document of the root.
        clients: The clients of the run, which provide the secret headers for the API.
        config: The configuration, for the number of attempts and the timeout.
        base: Href of the root after redirects, which resolves relative links. Default: `href`.
    """

    is_complete: bool = False
    """Whether the last search reached the end."""

    def __init__(
        self,
        href: str,
        landing: Mapping[str, Any],
        clients: Clients,
        config: Config,
        base: str | None = None,
    ) -> None:
        self.href = href
        self._base = base or href
        self.errors: list[StacAssetError] = []
        self.undecided: set[Key] = set()
        self.position: str | None = None
        self._landing = landing
        self._io = ApiIO(href, config.http_read_timeout)
        self._reader = PageReader(href, self._io, clients, config)
        self._endpoint = SearchEndpoint.of(self._base, landing)
        self._collections: dict[str, SourceDocument | SourceError | None] = {}
        self._item_folders: dict[str | None, str] = {}
        """Href of the list of items of each collection."""
        self._known_ids: dict[str | None, str] = {}
        """Id of an item that a search returned, by collection."""
        self._has_no_collections = not any(link["rel"] == "data" for link in links_of(landing))
        self._origins = {
            origin_of(parse_href(known))
            for known in (href, self._base, *self._endpoint.hrefs.values())
        }

    async def check(self, criteria: Criteria) -> None:
        """Check that the API supports a search.

        Args:
            criteria: The search criteria.

        Raises:
            ConfigError: A collection does not exist, or the API does not support a criterion.
        """
        self._endpoint.check(criteria)
        for name in criteria.collections:
            try:
                is_known = await self.collection(name) is not None
            except SourceError as error:
                notice(
                    "The document of a collection cannot be read, so the collection is searched "
                    "without a check of its id",
                    f"collection '{name}': {error}",
                )
                continue
            if not is_known:
                raise ConfigError(
                    f"`search.collections` names '{name}', which does not exist in the API "
                    f"'{redact_href(self.href)}'. Correct the id."
                )

    async def collection(self, name: str) -> SourceDocument | None:
        """Return a collection, if known.

        Args:
            name: Id of the collection.

        Raises:
            SourceError: The request failed, or the API gave no definite answer.
        """
        if name not in self._collections:
            self._collections[name] = await self._read_collection(name)
        found = self._collections[name]
        if isinstance(found, SourceError):
            raise found
        return found

    async def _read_collection(self, name: str) -> SourceDocument | SourceError | None:
        """Return a collection, None if the collection does not exist, or the error."""
        href = f"{self._collections_href()}/{quote(name, safe='')}"
        try:
            response = await self._reader.read(ApiRequest(href), _COLLECTION_ATTEMPTS)
        except SourceError as error:
            is_absent = isinstance(error.__cause__, NotFoundError) and not (
                self._io.answered_with_page or "/" in name or self._has_no_collections
            )
            return None if is_absent else error
        found = SourceDocument(response.document, href)
        if found.key is None or found.key.id != name:
            return SourceError(
                f"'{redact_href(href)}' is not the document of the collection '{name}'"
            )
        return found

    async def items(self, criteria: Criteria, window: Window) -> AsyncIterator[SourceDocument]:
        """Yield the items of a search, page by page. A failed page is retried.

        A bounding box across the antimeridian is searched as two boxes, because some APIs return
        the items of the other side of the world. If a later page fails, the search continues as
        `search_run` describes. If items may be missing, the error is added to `errors`.

        Args:
            criteria: The search criteria.
            window: Time window of the search.

        Raises:
            SourceError: The first page failed in all attempts.
        """
        self.is_complete, self.errors = False, []
        fields: dict[str, Any] = {
            "intersects": criteria.intersects,
            "query": criteria.query,
            "sortby": list(criteria.sortby) or None,
            "limit": criteria.page_size or _DEFAULT_PAGE_SIZE,
            "ids": list(criteria.ids) or None,
            "collections": list(criteria.collections) or None,
            "q": list(criteria.q) or None,
            **filter_of(criteria.filter),
        }
        if criteria.datetime is not None:
            fields["datetime"] = str(window)
        boxes: list[Any] = [None]
        if criteria.bbox is not None:
            # Some APIs fail if the box has heights, so `ResultCheck` compares the heights.
            boxes = list(split_at_antimeridian(without_heights(criteria.bbox)))
        run = SearchRun(
            ResultCheck(self.href, criteria, window),
            self._requests,
            self._pages,
            self._paging,
            self._reader,
        )
        searches = [{**fields, "bbox": box} for box in boxes]
        position = self._known_position()
        async for item in run.items(searches, window, position):
            if item.key is not None and item.key.id.isalnum():
                self._known_ids.setdefault(item.key.collection, item.key.id)
            yield item
        self.errors = [run.error] if run.error is not None else []
        self.position = run.position.to_text() if run.position is not None else None
        self.is_complete = run.is_complete

    async def items_by_id(self, keys: Iterable[Key]) -> AsyncIterator[SourceDocument]:
        """Yield the items with the given keys that the API still has.

        Args:
            keys: Keys of items.
        """
        lookup = IdLookup(self._with_ids, self._own_document, self._known_ids)
        self.undecided = lookup.undecided
        async for item in lookup.items(keys):
            yield item

    async def _with_ids(
        self, collection: str | None, ids: Sequence[str]
    ) -> tuple[list[SourceDocument], bool]:
        """Return the results of a search for ids, and whether they can be all items of the API.

        A server that ignores the ids may still limit the number of results.

        Raises:
            ConfigError: The API cannot search for an id with a comma.
            SourceError: A page failed in all attempts.
        """
        fields: dict[str, Any] = {"ids": list(ids), "limit": len(ids)}
        fields["collections"] = [collection] if collection is not None else None
        found, searches = [], []
        for request in self._requests(fields):
            searches.append(paging := self._paging(request))
            async for items in self._pages(request, paging, fields):
                found += items
        is_listing = all(paging.is_complete for paging in searches) and len(found) != len(ids)
        return found, is_listing

    async def _own_document(self, key: Key) -> SourceDocument | None:
        """Return the document at the item's own path, if any.

        Raises:
            SourceError: The request failed.
        """
        try:
            response = await self._reader.read(ApiRequest(self._item_href(*key)))
        except SourceError as error:
            if isinstance(error.__cause__, NotFoundError) and not self._io.answered_with_page:
                return None
            raise  # Gateways return web pages for paths that they do not understand.
        return self._item(response.document)

    def _items_of(self, page: Mapping[str, Any]) -> list[SourceDocument]:
        return [self._item(feature) for feature in page["features"]]

    def _item(self, feature: Any) -> SourceDocument:
        """Return an item of a page. Relative hrefs are resolved against the URL of the item."""
        key = key_of(feature)
        if key is None or key.collection is None:
            return SourceDocument(feature, self.href, _keys=[key])
        return SourceDocument(feature, self._item_href(*key), _keys=[key])

    def _item_href(self, collection: str | None, name: str) -> str:
        folder = self._item_folders.get(collection)
        if folder is None:
            folder = f"{self._collections_href()}/{quote(collection or '', safe='')}/items"
            self._item_folders[collection] = folder
        return f"{folder}/{quote(name, safe='')}"

    def _requests(self, fields: Mapping[str, Any]) -> list[ApiRequest]:
        size = self._reader.max_size
        if size is not None and size < fields["limit"]:
            fields = {**fields, "limit": size}
        return search_requests(self._endpoint, fields, self._io)

    def _paging(self, request: ApiRequest) -> Paging:
        return Paging(request, self._origins)

    def _known_position(self) -> ApiRequest | None:
        """Return the page at which the last run failed, if the page belongs to this API."""
        request = ApiRequest.from_text(self.position) if self.position else None
        if request is None or origin_of(parse_href(request.href)) not in self._origins:
            return None
        return request

    async def _pages(
        self, request: ApiRequest, paging: Paging, fields: Mapping[str, Any]
    ) -> AsyncIterator[list[SourceDocument]]:
        """Yield the items of each page of a search.

        Raises:
            SourceError: A page failed in all attempts, or a link to a next page is invalid.
        """
        current: ApiRequest | None = request
        while current is not None:
            is_first = current is request
            paging.position = current
            try:
                used, response = await self._reader.page(current, is_first)
            except SourceError as error:
                other = self._other_method(error, request, fields) if is_first else None
                if other is None:
                    raise
                used, response = await self._reader.page(other, is_first)
            if used is not current and not is_first:
                paging.expect_repeated(current, used)
            items = paging.add(response.document, self._items_of(response.document))
            has_next = next_link_of(response.document, used.method) is not None
            is_empty = not response.document["features"]
            if is_empty and paging.is_empty_page_doubtful and (is_first or not has_next):
                is_reported = paging.matched is not None
                used, response = await self._reader.page_with_items(used, response, is_reported)
                items = paging.add(response.document, self._items_of(response.document))
            yield items
            current = paging.next_request(response.document, used, response.href)

    def _other_method(
        self, error: SourceError, request: ApiRequest, fields: Mapping[str, Any]
    ) -> ApiRequest | None:
        """Return the first request of a search by the other method, if the method was refused.

        Raises:
            SourceError: The URL is too long, and the API has no search by POST.
        """
        hrefs = self._endpoint.hrefs
        if _has_status(error, _URL_TOO_LONG) and request.method == "GET":
            if "POST" in hrefs:
                return post_request(self._endpoint, fields, self._io)
            raise SourceError(
                f"{error}. The API has no search by POST. Use a shorter `search.filter`, or a "
                "simpler `search.intersects`."
            ) from None
        if _has_status(error, _METHOD_REFUSED) and request.method == "POST" and "GET" in hrefs:
            self._endpoint = replace(self._endpoint, hrefs={"GET": hrefs["GET"]})
            requests = search_requests(self._endpoint, fields, self._io)
            return requests[0] if len(requests) == 1 else None
        return None

    def _collections_href(self) -> str:
        """Return the href of the list of collections, without a slash at the end."""
        for link in links_of(self._landing):
            if link["rel"] == "data":
                href = absolute_href(link["href"], self._base)
                return with_scheme_of(href, URL(self._base)).rstrip("/")
        return f"{self._base.partition('?')[0].rstrip('/')}/collections"


def is_stac_api(landing: Mapping[str, Any]) -> bool:
    """Return whether a document is the root of a STAC API with item search.

    Roots of STAC 0.9 and older have no `conformsTo`.

    Args:
        landing: The document.
    """
    rels = {link["rel"] for link in links_of(landing)}
    return "search" in rels and ("conformsTo" in landing or not rels & {"item", "child"})


def _has_status(error: SourceError, statuses: Collection[int]) -> bool:
    cause = error.__cause__
    return isinstance(cause, ResponseError) and cause.status in statuses
