"""Writes the root catalog and the collections that make a mirror a static STAC catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pystac

from stac_asset.config import Config
from stac_asset.errors import SourceError
from stac_asset.hrefs import quoted_path
from stac_asset.mirror.catalog_document import parsed_document
from stac_asset.mirror.layout import CATALOG, COLLECTION, SOURCE, collection_folder
from stac_asset.mirror.output.extents import ItemsExtent, extent_after
from stac_asset.mirror.output.item_links import STAC_VERSION, ItemLinks, link
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.mirror.state.rows import Rows
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


@dataclass(frozen=True, slots=True)
class CatalogChanges:
    """Numbers of documents that `write_catalog` wrote."""

    written: int
    """Number of documents written."""

    collections: int
    """Number of collections that changed at the source, such as in the title."""


def write_catalog(
    storage: MirrorStorage,
    rows: Rows,
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
    written = changed = 0
    before, known = set(before), -1
    # A shard that is read for an extent can have rows without a document.
    while known != rows.outdated.changes:
        known = rows.outdated.changes
        result = _write_documents(storage, rows, source, collections, before)
        written += result.written
        changed += result.collections
    return CatalogChanges(written, changed)


def _write_documents(
    storage: MirrorStorage,
    rows: Rows,
    source: str,
    collections: Mapping[str, SourceDocument],
    before: Iterable[str],
) -> CatalogChanges:
    """Write the outdated documents, as far as the rows that were read show."""
    written = changed = 0
    names = sorted(name for name, count in rows.collections.items() if count and name is not None)
    for name in names:
        result = _write_collection(storage, rows, name, collections.get(name))
        written += result.written
        changed += result.collections
    links = ItemLinks(storage, rows, None)
    written += links.write_catalogs()
    previous = storage.read(CATALOG)
    children = [
        link("child", f"./{quoted_path(collection_folder(name))}/{COLLECTION}") for name in names
    ]
    document = _catalog(previous, source) | {"links": [link("root", f"./{CATALOG}"), *children]}
    data = links.document(document, None)
    if previous != data:
        storage.write(CATALOG, data)
        written += 1
    links.remove_catalogs()
    for name in set(before).difference(names):
        storage.remove_document(f"{collection_folder(name)}/{COLLECTION}")
        ItemLinks(storage, rows, name).remove_catalogs()
    return CatalogChanges(written, changed)


def _write_collection(
    storage: MirrorStorage, rows: Rows, name: str, source: SourceDocument | None
) -> CatalogChanges:
    """Write the document of a collection, and the catalogs with links to the items."""
    path = f"{collection_folder(name)}/{COLLECTION}"
    previous = storage.read(path)
    earlier = parsed_document(previous, "Collection")
    links = ItemLinks(storage, rows, name)
    hrefs = links.hrefs_after(_item_hrefs(earlier))
    written = links.write_catalogs()
    document = _collection(name, earlier, source)
    if source is not None or earlier is None or rows.changes_of(name) != []:
        extent = _extent(rows, name, earlier)
        document["extent"] = extent.merged_into(document.get("extent"))
    data = links.document(document, hrefs)
    changed = False
    if previous != data:
        storage.write(path, data)
        written += 1
        changed = earlier is not None and _content(earlier) != _content(document)
    links.remove_catalogs()
    return CatalogChanges(written, changed)


def _extent(rows: Rows, name: str, earlier: dict[str, Any] | None) -> ItemsExtent:
    """Return the extent of the items of a collection. All items are read only if necessary."""
    first, changes = rows.first_of(name), rows.changes_of(name)
    has_extent = first is not None and first.bbox and all(first.span)
    if earlier is not None and changes is not None and has_extent:
        extent = extent_after(earlier.get("extent"), changes)
        if extent is not None:
            return extent
    return ItemsExtent.of(rows.of_collection(name))


def _item_hrefs(collection: dict[str, Any] | None) -> list[str]:
    """Return the hrefs of the links to items of a collection of the mirror."""
    links = collection.get("links") if collection is not None else None
    return [
        str(found.get("href"))
        for found in (links if isinstance(links, list) else ())
        if isinstance(found, dict) and found.get("rel") == "item"
    ]


def _catalog(previous: bytes | None, source: str) -> dict[str, Any]:
    """Return the existing catalog, which users may have edited, or a new catalog."""
    document = parsed_document(previous, "Catalog")
    return document or {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": "mirror",
        "title": "Mirror",
        "description": f"A mirror of {redact_href(source)}.",
        SOURCE: source,
        "links": [],
    }


def _collection(
    name: str, earlier: dict[str, Any] | None, source: SourceDocument | None
) -> dict[str, Any]:
    document = _collection_of_source(source, name) if source is not None else None
    document = document or dict(earlier or _minimal_collection(name))
    links = document.get("links")
    others = [
        found
        for found in (links if isinstance(links, list) else ())
        if isinstance(found, dict) and found.get("rel") not in _STRUCTURAL_RELATIONS
    ]
    document["links"] = [
        link("root", f"../{CATALOG}"),
        link("parent", f"../{CATALOG}"),
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
        "stac_version": STAC_VERSION,
        "id": name,
        "description": f"Items of the collection {name}. The source provides no description.",
        "license": "other",
        "links": [],
    }


def _content(collection: dict[str, Any]) -> dict[str, Any]:
    """Return a collection without the fields that the mirror writes."""
    content: dict[str, Any] = loads(json_bytes(collection))
    return {name: value for name, value in content.items() if name not in ("links", "extent")}
