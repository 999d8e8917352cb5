"""A STAC API that applies search parameters, and that tests can make misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import window
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.sources.local_filter import matches
from stac_asset.mirror.sources.open import open_source
from stac_asset.notices import collect_notices
from tests.support.mirror_runs import CONFIG, CONFORMS, NOW, build_collection

CQL2 = [
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
]


@dataclass(frozen=True)
class SearchRequest:
    """A request that the API received."""

    method: str
    path: str
    fields: dict[str, Any]
    """Parameters of the query, or the body of a POST request. Lists are parsed."""

    headers: dict[str, str]
    target: str
    """Path and query."""

    @property
    def limit(self) -> int:
        """Requested number of items per page."""
        return int(self.fields.get("limit", 10))

    @property
    def offset(self) -> int:
        """Number of items before the page."""
        return int(self.fields.get("offset", 0))


@dataclass(frozen=True)
class SearchResult:
    """Result of a search without a mirror."""

    ids: list[str]
    source: ItemSource
    notices: list[str]


Reply: TypeAlias = tuple[int, dict[str, str], bytes]
Hook: TypeAlias = Callable[[SearchRequest], Reply | None]


CLOSE: Reply = (0, {}, b"")
"""Closes the connection without a response."""


def json_reply(document: Any, status: int = 200) -> Reply:
    """Return a JSON response."""
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@dataclass
class SearchApi:
    """A running API."""

    items: list[dict[str, Any]]
    methods: tuple[str, ...] = ("GET",)
    conforms: list[str] = field(default_factory=lambda: CONFORMS + CQL2)
    ignored: set[str] = field(default_factory=set)
    """Parameters that the API ignores."""

    lost: set[str] = field(default_factory=set)
    """Parameters that the API ignores from the second page on."""

    reports_matched: bool = True
    hook: Hook | None = None
    """Returns a response in place of the API's response, for some requests."""

    requests: list[SearchRequest] = field(default_factory=list)
    """All received requests."""

    url: str = ""

    @property
    def searches(self) -> list[SearchRequest]:
        """The received searches."""
        return [request for request in self.requests if request.path.startswith("/search")]

    def reply(self, request: SearchRequest) -> Reply:
        """Return the response to a request."""
        reply = self.hook(request) if self.hook is not None else None
        if reply is not None:
            return reply
        parts = [unquote(part) for part in request.path.strip("/").split("/")]
        if request.path.rstrip("/") == "/search":
            return json_reply(self.page(request))
        if parts == [""]:
            return json_reply(self._landing())
        if parts[0] == "collections" and len(parts) == 2:
            return json_reply(build_collection(parts[1]))
        for item in self.items:
            if parts == ["collections", item.get("collection"), "items", item["id"]]:
                return json_reply(item)
        return json_reply({"message": "not found"}, 404)

    def page(self, request: SearchRequest) -> dict[str, Any]:
        """Return a page of a search."""
        ignored = self.ignored | (self.lost if request.offset else set())
        fields = {name: value for name, value in request.fields.items() if name not in ignored}
        criteria = Criteria(
            collections=tuple(fields.get("collections", ())),
            ids=tuple(fields.get("ids", ())),
            bbox=tuple(fields["bbox"]) if "bbox" in fields else None,
        )
        times = window(fields.get("datetime"), "0 days", NOW)
        found = [item for item in self.items if matches(item, criteria, times)]
        end = request.offset + request.limit
        page: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": found[request.offset : end],
            "links": [],
        }
        if self.reports_matched:
            page["numberMatched"] = len(found)
        if end < len(found):
            page["links"] = [self.next_link(request, end)]
        return page

    def next_link(self, request: SearchRequest, offset: int) -> dict[str, Any]:
        """Return the link to the page at an offset."""
        if request.method == "POST":
            body = {**request.fields, "offset": offset}
            return {"rel": "next", "href": f"{self.url}/search", "method": "POST", "body": body}
        query = [part for part in request.target.partition("?")[2].split("&") if part]
        query = [part for part in query if not part.startswith("offset=")]
        return {"rel": "next", "href": f"?{'&'.join([*query, f'offset={offset}'])}"}

    def _landing(self) -> dict[str, Any]:
        links = [
            {
                "rel": "search",
                "type": "application/geo+json",
                "href": f"{self.url}/search",
                "method": method,
            }
            for method in self.methods
        ]
        return {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "api",
            "description": "An API",
            "conformsTo": self.conforms,
            "links": [*links, {"rel": "data", "href": f"{self.url}/collections"}],
        }


def found_item(name: str, collection: str | None = "things", **more: Any) -> dict[str, Any]:
    """Return an item without assets.

    Args:
        name: Id of the item.
        collection: Id of the collection, if any.
        more: Other fields of the document.
    """
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
        "bbox": [10.0, 50.0, 10.0, 50.0],
        "properties": {"datetime": "2026-06-05T12:00:00Z"},
        "links": [],
        "assets": {},
    }
    return item | ({"collection": collection} if collection is not None else {}) | more


@contextmanager
def search_api(items: list[dict[str, Any]], **more: Any) -> Iterator[SearchApi]:
    """Run an API, and yield the API.

    Args:
        items: Items of the API.
        more: Other fields of `SearchApi`.
    """
    api = SearchApi(items, **more)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            fields: dict[str, Any] = {name: values[-1] for name, values in query.items()}
            for name in ("collections", "ids"):
                if name in fields:
                    fields[name] = fields[name].split(",")
            if "bbox" in fields:
                fields["bbox"] = [float(number) for number in fields["bbox"].split(",")]
            self._answer(fields)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, fields: dict[str, Any]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = urlsplit(self.path).path
            request = SearchRequest(self.command, path, fields, headers, self.path)
            api.requests.append(request)
            status, sent, body = api.reply(request)
            if status == CLOSE[0]:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **sent}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@asynccontextmanager
async def open_api(href: str, config: Config = CONFIG) -> AsyncIterator[ItemSource]:
    """Open an API as a source, and yield the source.

    Args:
        href: Root of the API.
        config: The configuration.
    """
    async with Clients(config) as clients:
        yield await open_source(href, clients, config, Path())


async def search_source(
    href: str, criteria: Criteria | None = None, config: Config = CONFIG
) -> SearchResult:
    """Search an API without a mirror, and return the result.

    Args:
        href: Root of the API.
        criteria: Criteria of the search. By default all items match.
        config: The configuration.
    """
    criteria = criteria or Criteria()
    with collect_notices() as notices:
        async with open_api(href, config) as source:
            await source.check(criteria)
            found = source.items(criteria, criteria.window(NOW))
            keys = [item.key async for item in found]
    ids = [key.id for key in keys if key is not None]
    return SearchResult(ids, source, notices.lines())


async def lookup(href: str, keys: list[Key], config: Config = CONFIG) -> tuple[set[str], set[str]]:
    """Return the ids of the items that an API has, and those without a definite answer.

    Args:
        href: Root of the API.
        keys: Keys of items.
        config: The configuration.
    """
    async with open_api(href, config) as source:
        found = [item.key async for item in source.items_by_id(keys)]
        ids = {key.id for key in found if key is not None}
        return ids, {key.id for key in source.undecided}
