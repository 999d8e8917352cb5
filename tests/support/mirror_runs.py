"""Runs of a mirror without Prefect, and a small STAC API on an origin."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pystac
from pystac.stac_io import DefaultStacIO

from stac_asset import Config
from stac_asset.api.destinations import RunDestinations
from stac_asset.clients import Clients
from stac_asset.concurrency import concurrent_calls
from stac_asset.destinations.location import location_of
from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.planning import Prepared
from stac_asset.mirror.run import MirrorUpdate
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.sources.open import open_source
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.mirror.storage.open import open_storage
from stac_asset.plan.reasons import Reason
from stac_asset.testing import Origin, Status
from stac_asset.transfer.engine import Engine
from stac_asset.types import Failed, Transfer, outcomes_per_asset

NOW = datetime(2026, 6, 10, tzinfo=UTC)
CONFIG = Config(retry_wait=0.01, retry_wait_max=0.02, http_max_attempts=3, write_checksums=True)
CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
]


@dataclass(slots=True)
class MirrorRun:
    """Result of a run."""

    mirror: MirrorUpdate
    reasons: dict[str, str]
    """Reasons for the downloads, by item id."""

    failed_ids: list[str]
    """Ids of the items with failed downloads."""

    limits: RunSizeLimits

    @property
    def removed_ids(self) -> set[str]:
        """Ids of the items that are missing from the source."""
        return {key.id for key in self.mirror.removed}

    @property
    def metadata_ids(self) -> set[str]:
        """Ids of the items with metadata updates."""
        return {key.id for key in self.mirror.metadata_updates}

    @property
    def found_ids(self) -> set[str]:
        """Ids of the items in the search results."""
        return {key.id for key in self.mirror.changes.seen}


async def run_mirror(
    directory: Path | str,
    href: str,
    criteria: Criteria | None = None,
    on_removed: OnRemoved = "keep",
    limits: RunSizeLimits | None = None,
    now: datetime = NOW,
    config: Config = CONFIG,
    stop_after: int | None = None,
    renewal: float = 0.2,
    during: Callable[[], Awaitable[object]] | None = None,
    concurrency: int = 8,
    files: MirrorStorage | None = None,
) -> MirrorRun:
    """Run a mirror once.

    Args:
        directory: Mirror directory, or prefix of an object store.
        href: Href of the source.
        criteria: Criteria of the search. By default all items match.
        on_removed: Handling of items that are missing from the source.
        limits: Size limits of the run, if any.
        now: Time of the run.
        config: Configuration of the downloads.
        stop_after: Number of items after which the run stops, without the final steps, like a
            killed process.
        renewal: Seconds between two renewals of the lease in an object store.
        during: Awaited before the downloads.
        concurrency: Maximum number of concurrent reads or writes in an object store.
        files: The files of the directory, for example to record the calls.
    """
    limits = limits or RunSizeLimits()
    reasons: dict[str, str] = {}
    failed_ids = []
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as kept:
        async with (
            RunDestinations(config) as destinations,
            Clients(config) as clients,
            open_storage(
                location_of(directory), destinations, renewal=renewal, concurrency=concurrency
            ) as opened,
        ):
            storage = files or opened
            source = await open_source(href, clients, config, Path(scratch))
            criteria = criteria or Criteria()
            await source.check(criteria)
            mirror = MirrorUpdate(storage, source, criteria, config, clients, now, kept)
            await mirror.find_changes()
            if on_removed != "keep":
                await mirror.find_removed(marked=on_removed == "delete")
            async for prepared in mirror.choose(limits):
                reasons[prepared.item.id] = Reason(prepared.wanted.reason).name
            await mirror.begin()
            if during is not None:
                await during()
            engine = Engine(clients, config, destinations)

            async def add(prepared: Prepared) -> None:
                outcomes = [
                    outcome
                    for entry in prepared.planned
                    for outcome in (
                        outcomes_per_asset(await engine.download(entry))
                        if isinstance(entry, Transfer)
                        else [entry]
                    )
                ]
                kept = await mirror.keep_earlier_files(prepared, outcomes)
                await mirror.add(prepared, kept)
                if any(isinstance(outcome, Failed) for outcome in outcomes):
                    failed_ids.append(prepared.item.id)

            async with concurrent_calls(storage.concurrency) as start:
                for number, prepared in enumerate(mirror.prepared()):
                    if number == stop_after:
                        return MirrorRun(mirror, reasons, failed_ids, limits)
                    await start(add(prepared))
            await mirror.finish(on_removed)
    return MirrorRun(mirror, reasons, failed_ids, limits)


def build_item(
    origin: Origin, name: str, *keys: str, day: int = 5, collection: str | None = "things"
) -> dict[str, Any]:
    """Return an item with a GeoTIFF asset on the origin for each key.

    Args:
        origin: Origin of the assets.
        name: Id of the item.
        keys: Keys of the assets. By default the item has one asset with the key `data`.
        day: Day of June 2026 for the datetime of the item.
        collection: Id of the collection, if any.
    """
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [10.0, 50.0]},
        "bbox": [10.0, 50.0, 10.0, 50.0],
        "properties": {"datetime": f"2026-06-{day:02}T12:00:00Z"},
        "links": [],
        "assets": {
            key: {"href": origin.href(f"/{name}/{key}.tif?size=100")} for key in keys or ("data",)
        },
    }
    if collection is not None:
        item["collection"] = collection
        item["links"] = [{"rel": "collection", "href": origin.href(f"/collections/{collection}")}]
    return item


def serve_api(
    origin: Origin,
    items: list[dict[str, Any]],
    page: int = 10,
    matched: int | None = None,
    conforms: list[str] = CONFORMS,
) -> str:
    """Put a STAC API on the origin, and return the href of the API.

    Each search returns all items, regardless of the search parameters. The API has no documents at
    the paths of items.

    Args:
        origin: Origin of the API.
        items: Items of the API.
        page: Number of items in a page.
        matched: Value of `numberMatched` in each page, if any.
        conforms: Conformance classes of the API.
    """
    root = origin.href("/api")
    landing = {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "api",
        "description": "An API",
        "conformsTo": conforms,
        "links": [
            {"rel": "search", "href": f"{root}/search", "method": "GET"},
            {"rel": "data", "href": f"{root}/collections"},
        ],
    }
    _put(origin, "/api", landing)
    for name in {item["collection"] for item in items if "collection" in item} | {"things"}:
        _put(origin, f"/api/collections/{name}", build_collection(name))
    origin.fault("/api/collections/*/items/*", Status(404), times=0)
    starts = list(range(0, len(items), page)) or [0]
    for number, start in enumerate(starts, 1):
        document: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": items[start : start + page],
            "links": [],
        }
        if matched is not None:
            document["numberMatched"] = matched
        if number < len(starts):
            document["links"] = [{"rel": "next", "href": f"{root}/page/{number + 1}"}]
        _put(origin, "/api/search" if number == 1 else f"/api/page/{number}", document)
    return root


def serve_items(origin: Origin, items: list[dict[str, Any]]) -> str:
    """Put an item collection on the origin, and return the href of the item collection."""
    return _put(origin, "/items.json", {"type": "FeatureCollection", "features": items})


def count_api_requests(origin: Origin) -> Counter[str]:
    """Return the number of GET requests to the API, by path."""
    return Counter(request.path for request in origin.gets("/api/*"))


def build_collection(name: str) -> dict[str, Any]:
    """Return a collection with links and a thumbnail."""
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": name,
        "title": f"The {name}",
        "description": "A collection.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
        },
        "links": [
            {"rel": "license", "href": "https://example.com/license"},
            {"rel": "items", "href": "https://example.com/items"},
        ],
        "assets": {"thumbnail": {"href": "./thumbnail.png"}},
    }


class _DecodingIO(DefaultStacIO):
    """Reads local documents by their hrefs. Pystac itself takes an href for a path."""

    def read_text_from_href(self, href: str) -> str:
        return super().read_text_from_href(unquote(href))


def check_catalog(directory: Path, ids: set[str]) -> pystac.Catalog:
    """Check that a mirror is a complete, valid and self-contained catalog of these items."""
    catalog = pystac.Catalog.from_file(str(directory / "catalog.json"), stac_io=_DecodingIO())
    assert {item.id for item in catalog.get_items(recursive=True)} == ids
    documents = [directory / "catalog.json", *directory.glob("*/collection.json")]
    for item in catalog.get_items(recursive=True):
        path = Path(unquote(item.get_self_href() or ""))
        documents.append(path)
        for asset in item.assets.values():
            if not asset.href.startswith("http"):
                assert asset.href.startswith("./")
                assert (path.parent / unquote(asset.href)).stat().st_size == asset.extra_fields[
                    "file:size"
                ]
                assert asset.extra_fields["file:checksum"].startswith("1220")
    for document in documents:
        for link in json.loads(document.read_bytes())["links"]:
            assert link["rel"] != "self"
            if link["rel"] in ("root", "parent", "collection", "child", "item"):
                assert link["href"].startswith(".")
                assert (document.parent / unquote(link["href"])).is_file(), link
    return catalog


def read_item_documents(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the item documents of a mirror, by item id."""
    found = [json.loads(path.read_bytes()) for path in directory.glob("**/*.json")]
    return {item["id"]: item for item in found if item.get("type") == "Feature"}


def _put(origin: Origin, path: str, document: dict[str, Any]) -> str:
    return origin.put(path, json.dumps(document).encode(), content_type="application/json")
