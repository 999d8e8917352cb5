"""Writes what joins the items of a mirror to a static catalog: its root, and its collections."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pystac

from stac_asset.config import Config
from stac_asset.destinations.local.documents import write_document
from stac_asset.errors import ConfigError, SourceError
from stac_asset.mirror.search.window import moment, rfc3339
from stac_asset.mirror.source_item import Found
from stac_asset.mirror.state.layout import CATALOG, COLLECTION, SOURCE, collection_folder
from stac_asset.mirror.state.row import IndexRow
from stac_asset.redact import redact_href
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.parse import stac_of

_STRUCTURE = frozenset({"self", "root", "parent", "child", "item", "items", "collection"})
"""The relations that a mirror says by itself."""

_JSON, _GEOJSON = "application/json", "application/geo+json"
_STAC = "1.1.0"


def publish(
    directory: Path,
    rows: Iterable[IndexRow],
    source: str,
    collections: Mapping[str, Found],
    before: Iterable[str] = (),
) -> int:
    """Writes the catalog and the collections of a mirror, those that are not as they should be.

    Collections come first, so that nothing is linked to that is not there.

    Args:
        directory: The absolute path of the mirror.
        rows: Its items.
        source: The href of the mirror's source, for the description of a new catalog.
        collections: What the source says of its collections, by id.
        before: The ids of the collections that it had; those without items are taken off it.

    Returns:
        How many documents were written.

    Raises:
        DestinationError: One cannot be written.
    """
    by_collection: dict[str | None, list[IndexRow]] = {}
    for row in rows:
        by_collection.setdefault(row.key.collection, []).append(row)
    written = 0
    names = sorted(name for name in by_collection if name is not None)
    for name in names:
        path = directory / collection_folder(name) / COLLECTION
        document = _collection(name, path, by_collection[name], collections.get(name))
        written += _written(path, document, directory)
    path = directory / CATALOG
    links = [_link("child", f"./{collection_folder(name)}/{COLLECTION}") for name in names]
    links += _item_links(by_collection.get(None, []), "")
    document = _catalog(path, source) | {"links": [_link("root", f"./{CATALOG}"), *links]}
    written += _written(path, document, directory)
    for name in set(before).difference(names):
        (directory / collection_folder(name) / COLLECTION).unlink(missing_ok=True)
    return written


def check_directory(directory: Path) -> None:
    """Checks that a directory is a mirror, or may become one.

    Args:
        directory: The directory, which need not exist.

    Raises:
        ConfigError: It holds another catalog, which would be lost.
    """
    path = directory / CATALOG
    if path.exists() and SOURCE not in (_existing(path, "Catalog") or {}):
        raise ConfigError(
            f"directory '{directory}' has a {CATALOG} that is no mirror's: give another directory"
        )


def _catalog(path: Path, source: str) -> dict[str, Any]:
    """Returns the catalog as it stands, which somebody may have described better, or a new one."""
    document = _existing(path, "Catalog")
    return document or {
        "type": "Catalog",
        "stac_version": _STAC,
        "id": "mirror",
        "title": "Mirror",
        "description": f"A mirror of {redact_href(source)}.",
        SOURCE: source,
        "links": [],
    }


def _collection(name: str, path: Path, rows: list[IndexRow], found: Found | None) -> dict[str, Any]:
    document = _rewritten(found, name) if found is not None else None
    document = document or _existing(path, "Collection") or _made_up(name)
    links = document.get("links")
    others = [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict) and link.get("rel") not in _STRUCTURE
    ]
    document["extent"] = _extent(rows, document.get("extent"))
    document["links"] = [
        _link("root", f"../{CATALOG}"),
        _link("parent", f"../{CATALOG}"),
        *others,
        *_item_links(rows, f"{collection_folder(name)}/"),
    ]
    return document


def _rewritten(found: Found, name: str) -> dict[str, Any] | None:
    """Returns a source's document of a collection with absolute hrefs, if it is one.

    The items count without it.
    """
    try:
        collection = stac_of(found.document, found.base, name)
    except SourceError:
        return None
    if not isinstance(collection, pystac.Collection) or collection.id != name:
        return None
    return document_of(rewrite(collection, (), Config(), keep_non_downloaded=True))


def _made_up(name: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": _STAC,
        "id": name,
        "description": f"Items of the collection {name}, of which the source says nothing more.",
        "license": "other",
        "links": [],
    }


def _existing(path: Path, kind: str) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    is_kind = isinstance(document, dict) and document.get("type") == kind
    return document if is_kind and isinstance(document.get("id"), str) else None


def _extent(rows: list[IndexRow], stated: Any) -> dict[str, Any]:
    """Returns where and when the items are that the mirror has."""
    boxes = [_flat(row.bbox) for row in rows if row.bbox is not None]
    extent: dict[str, Any] = dict(stated) if isinstance(stated, dict) else {}
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        extent["spatial"] = {"bbox": [[min(west), min(south), max(east), max(north)]]}
    starts = [when for row in rows if (when := moment(row.span[0]))]
    ends = [when for row in rows if (when := moment(row.span[1]))]
    if starts and ends:
        extent["temporal"] = {"interval": [[rfc3339(min(starts)), rfc3339(max(ends))]]}
    whole = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [[None, None]]},
    }
    return whole | extent


def _flat(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def _item_links(rows: list[IndexRow], folder: str) -> list[dict[str, Any]]:
    documents = sorted(row.document for row in rows)
    return [_link("item", f"./{document.removeprefix(folder)}", _GEOJSON) for document in documents]


def _link(rel: str, href: str, media_type: str = _JSON) -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": media_type}


def _written(path: Path, document: dict[str, Any], directory: Path) -> bool:
    data = json_bytes(document)
    with suppress(OSError):
        if path.read_bytes() == data:
            return False
    write_document(path, data, directory)
    return True
