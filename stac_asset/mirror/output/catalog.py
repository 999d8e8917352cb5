"""Writes the root catalog and the collections that make a mirror a static STAC catalog."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pystac

from stac_asset.config import Config
from stac_asset.errors import SourceError
from stac_asset.hrefs import quoted_path
from stac_asset.mirror.output.mirrored_items import MirroredItems, by_collection
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.mirror.state.layout import CATALOG, COLLECTION, SOURCE, collection_folder
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.redact import redact_href
from stac_asset.rewrite.rewriter import rewrite
from stac_asset.rewrite.serialize import document_of, json_bytes
from stac_asset.stac.json_text import loads
from stac_asset.stac.parse import stac_of

_STRUCTURAL_RELATIONS = frozenset(
    {"self", "root", "parent", "child", "item", "items", "collection"}
)
"""Relations of links that the mirror writes in place of those of the source."""

_JSON, _GEOJSON = "application/json", "application/geo+json"
_STAC_VERSION = "1.1.0"

_ITEM_LINKS = "\0item links"
"""Placeholder for the links to items."""

_encode = json.JSONEncoder(ensure_ascii=False).encode
_ENCODED_ITEM_LINKS = b'    "\\u0000item links"'
_LINK_JSON = f"""    {{
      "rel": "item",
      "href": %s,
      "type": "{_GEOJSON}"
    }}"""


@dataclass(frozen=True, slots=True)
class CatalogChanges:
    """Numbers of documents that `write_catalog` wrote."""

    written: int
    """Number of documents written."""

    collections: int
    """Number of collections that changed at the source, such as in the title."""


def write_catalog(
    storage: MirrorStorage,
    rows: Iterable[IndexRow],
    source: str,
    collections: Mapping[str, SourceDocument],
    before: Iterable[str] = (),
) -> CatalogChanges:
    """Write the catalog and the changed collections of a mirror.

    Documents with unchanged content are not written. Collections are written before the catalog,
    so that no link leads to a missing document.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.
        source: The href of the mirror's source, for the description of a new catalog.
        collections: The source's documents of collections, by id.
        before: Ids of the mirror's collections before the run. The documents of collections that
            have no items now are removed.

    Returns:
        Numbers of documents.

    Raises:
        DestinationError: A document cannot be written.
    """
    mirrored = by_collection(rows)
    written = changed = 0
    names = sorted(name for name in mirrored if name is not None)
    for name in names:
        path = f"{collection_folder(name)}/{COLLECTION}"
        previous = storage.read(path)
        document = _collection(name, previous, collections.get(name))
        document["extent"] = mirrored[name].extent(document.get("extent"))
        data = _with_item_links(document, mirrored[name], f"{collection_folder(name)}/")
        if previous == data:
            continue  # A collection with very many links is not parsed if nothing changed.
        storage.write(path, data)
        written += 1
        earlier = _parsed(previous, "Collection")
        changed += earlier is not None and _content(earlier) != _content(document)
    previous = storage.read(CATALOG)
    links = [
        _link("child", f"./{quoted_path(collection_folder(name))}/{COLLECTION}") for name in names
    ]
    document = _catalog(previous, source) | {"links": [_link("root", f"./{CATALOG}"), *links]}
    data = _with_item_links(document, mirrored.get(None, MirroredItems()), "")
    if previous != data:
        storage.write(CATALOG, data)
        written += 1
    for name in set(before).difference(names):
        storage.remove_document(f"{collection_folder(name)}/{COLLECTION}")
    return CatalogChanges(written, changed)


def is_mirror_catalog(data: bytes | None) -> bool:
    """Return whether a mirror wrote a catalog.

    Args:
        data: The catalog, or None if there is no catalog that can be read.
    """
    return SOURCE in (_parsed(data, "Catalog") or {})


def _catalog(previous: bytes | None, source: str) -> dict[str, Any]:
    """Return the existing catalog, which users may have edited, or a new catalog."""
    document = _parsed(previous, "Catalog")
    return document or {
        "type": "Catalog",
        "stac_version": _STAC_VERSION,
        "id": "mirror",
        "title": "Mirror",
        "description": f"A mirror of {redact_href(source)}.",
        SOURCE: source,
        "links": [],
    }


def _collection(name: str, previous: bytes | None, source: SourceDocument | None) -> dict[str, Any]:
    document = _collection_of_source(source, name) if source is not None else None
    document = document or _parsed(previous, "Collection") or _minimal_collection(name)
    links = document.get("links")
    others = [
        link
        for link in (links if isinstance(links, list) else ())
        if isinstance(link, dict) and link.get("rel") not in _STRUCTURAL_RELATIONS
    ]
    document["links"] = [
        _link("root", f"../{CATALOG}"),
        _link("parent", f"../{CATALOG}"),
        *others,
    ]
    return document


def _collection_of_source(source: SourceDocument, name: str) -> dict[str, Any] | None:
    """Return a valid collection of the source, with absolute hrefs.

    An invalid collection does not fail the run: items can be mirrored without their collection.
    """
    try:
        collection = stac_of(source.document, source.base, name)
    except SourceError:
        return None
    if not isinstance(collection, pystac.Collection) or collection.id != name:
        return None
    return document_of(rewrite(collection, (), Config(), keep_non_downloaded=True))


def _minimal_collection(name: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": _STAC_VERSION,
        "id": name,
        "description": f"Items of the collection {name}. The source provides no description.",
        "license": "other",
        "links": [],
    }


def _parsed(data: bytes | None, kind: str) -> dict[str, Any] | None:
    try:
        document = loads(data, f"{kind} of the mirror") if data is not None else None
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("type") != kind:
        return None
    return document if isinstance(document.get("id"), str) else None


def _with_item_links(document: dict[str, Any], items: MirroredItems, folder: str) -> bytes:
    """Return a document as JSON, with a link to each item after the other links.

    A collection can have so many items that a Python object for each link takes much memory.

    Args:
        document: The document without links to items.
        items: The items.
        folder: Folder of the document, relative to the mirror directory.
    """
    hrefs = (f"./{quoted_path(name.removeprefix(folder))}" for name in sorted(items.documents))
    if not items.documents:
        return json_bytes(document)
    data = json_bytes(document | {"links": [*document["links"], _ITEM_LINKS]})
    before, *after = data.split(_ENCODED_ITEM_LINKS)
    if len(after) != 1:  # The document has the text of the placeholder elsewhere.
        links = [_link("item", href, _GEOJSON) for href in hrefs]
        return json_bytes(document | {"links": [*document["links"], *links]})
    links_json = ",\n".join(_LINK_JSON % _encode(href) for href in hrefs)
    return b"".join((before, links_json.encode(), after[0]))


def _link(rel: str, href: str, media_type: str = _JSON) -> dict[str, Any]:
    return {"rel": rel, "href": href, "type": media_type}


def _content(collection: dict[str, Any]) -> dict[str, Any]:
    """Return a collection without the fields that the mirror writes."""
    content: dict[str, Any] = loads(json_bytes(collection))
    return {name: value for name, value in content.items() if name not in ("links", "extent")}
