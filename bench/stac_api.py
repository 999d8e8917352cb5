"""A STAC API as a folder of static pages, which nginx serves. Searches return all items."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stac_asset.mirror.layout import SOURCE, VERSION, document_path
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.version import version_of

COLLECTION = "scenes"
ASSET = "data"
"""Key of the asset of each item that has a file."""

_PER_PAGE = 250


def write_api(folder: Path, base: str, count: int, with_files: bool = True) -> str:
    """Write the pages of an API and a small file for each item, and return the URL of the API.

    Args:
        folder: Root folder of the server.
        base: URL of the root folder, without a trailing slash.
        count: Number of items.
        with_files: Whether to write the files. Runs without downloads need none.
    """
    root = f"{base}/api"
    _write(folder / "api" / "index.json", _landing(root))
    _write(folder / "api" / "collections" / COLLECTION / "index.json", _collection())
    files = folder / "files"
    files.mkdir(parents=True)
    for start in range(0, count, _PER_PAGE):
        end = min(start + _PER_PAGE, count)
        links = []
        if end < count:
            links.append({"rel": "next", "href": f"{root}/page-{end}/", "method": "GET"})
        items = [_item(number, base) for number in range(start, end)]
        for item in items if with_files else ():
            (files / f"{item['id']}.tif").write_bytes(_content(item["id"]))
        page = {"type": "FeatureCollection", "features": items, "links": links}
        _write(folder / "api" / (f"page-{start}" if start else "search") / "index.json", page)
    return root


def _content(name: str) -> bytes:
    """Return the content of the file of an item."""
    return b"II*\0" + name.encode()


def _write(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def _landing(root: str) -> dict[str, Any]:
    core = "https://api.stacspec.org/v1.0.0"
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "api",
        "description": "An API",
        "conformsTo": [f"{core}/core", f"{core}/item-search", f"{core}/ogcapi-features"],
        "links": [
            {"rel": "search", "href": f"{root}/search/", "method": "GET"},
            {"rel": "data", "href": f"{root}/collections/"},
        ],
    }


def _collection() -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": COLLECTION,
        "description": "Scenes.",
        "license": "CC0-1.0",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
        },
        "links": [],
    }


def _item(number: int, base: str) -> dict[str, Any]:
    """Return an item with some fields of a Sentinel-2 scene, and one asset with a file."""
    name = f"scene-{number:06}"
    west, south = -180 + number % 350, -80 + number // 350 % 160
    east, north = west + 1, south + 1
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    time = f"2026-{1 + number // 28 % 12:02}-{1 + number % 28:02}T10:20:30Z"
    others = {
        f"B{band:02}": {"href": f"{base}/bands/{name}/B{band:02}.tif", "type": "image/tiff"}
        for band in range(1, 10)
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {
            "datetime": time,
            "created": time,
            "updated": time,
            "platform": "sentinel-2b",
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": 10,
            "eo:cloud_cover": number % 100 + 0.25,
            "proj:epsg": 32600 + number % 60 + 1,
            "view:sun_azimuth": number % 360 + 0.5,
            "view:sun_elevation": number % 90 + 0.5,
        },
        "links": [{"rel": "collection", "href": f"{base}/api/collections/{COLLECTION}/"}],
        "assets": {ASSET: {"href": f"{base}/files/{name}.tif", "type": "image/tiff"}} | others,
    }


def write_mirror(directory: Path, served: Path, api: str) -> None:
    """Write the items and files of an API as a run of `sync` writes them, in much less time.

    The next run writes the catalog and the index, and finds no changes.

    Args:
        directory: The mirror directory.
        served: Root folder of the server.
        api: URL of the API.
    """
    for page in (served / "api").glob("*/index.json"):
        for item in json.loads(page.read_bytes()).get("features", ()):
            path = directory / document_path(Key(COLLECTION, item["id"]))
            path.parent.mkdir(parents=True)
            content = _content(item["id"])
            path.with_suffix(".tif").write_bytes(content)
            path.write_text(json.dumps(_mirrored(item, api, content)))


def _mirrored(item: dict[str, Any], api: str, content: bytes) -> dict[str, Any]:
    version = version_of(item, api, None, lambda key, asset: key == ASSET).to_dict()
    checksum = f"1220{hashlib.sha256(content).hexdigest()}"
    href = f"{api}/collections/{COLLECTION}/items/{item['id']}"
    link = {"rel": "derived_from", "href": href, SOURCE: api, VERSION: version}
    file = {"href": f"./{item['id']}.tif", "file:size": len(content), "file:checksum": checksum}
    return item | {"links": [link], "assets": {ASSET: item["assets"][ASSET] | file}}
