"""Writes the catalogs between a collection with many items and the items.

A collection with few items links to the items. A collection with more items links to catalogs in
the folder `~items`, and each catalog links to some of the items. So a run rewrites only the
catalogs of added and removed items, and readers need not parse a document with a million links.
No item has this folder, because names of items with `~` are escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from stac_asset.hrefs import quoted_path
from stac_asset.mirror.layout import (
    CATALOG,
    COLLECTION,
    ITEM_CATALOGS,
    collection_folder,
    document_path,
)
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import depth_for, shard_names, shard_of
from stac_asset.mirror.state.row import RowChange
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes

STAC_VERSION = "1.1.0"

MAX_LINKED_ITEMS = 10_000
"""Maximum number of items that a collection links to itself."""

_ITEMS_PER_CATALOG = 1_000
"""Mean number of items per catalog above which there are more catalogs."""

_FILE = re.compile(r"([0-9a-f]{1,4})\.json")

JSON, GEOJSON = "application/json", "application/geo+json"

_PLACEHOLDER = "\0item links"
_ENCODED_PLACEHOLDER = b'    "\\u0000item links"'
_LINK_JSON = f"""    {{
      "rel": "item",
      "href": %s,
      "type": "{GEOJSON}"
    }}"""
_encode = json.JSONEncoder(ensure_ascii=False).encode


class ItemLinks:
    """The links to the items of a collection, or to the items without a collection.

    Args:
        storage: The files of the mirror.
        rows: All items in the mirror.
        collection: Id of the collection, if any.
    """

    def __init__(self, storage: MirrorStorage, rows: Rows, collection: str | None) -> None:
        self._storage = storage
        self._rows = rows
        self._collection = collection
        self._base = f"{collection_folder(collection)}/" if collection is not None else ""
        self._existing = {
            match[1] for path in link_files(storage, collection) if (match := _match(path))
        }
        depths = {len(name) for name in self._existing}
        current = depths.pop() if len(depths) == 1 else 0
        count = rows.collections[collection]
        self.depth = depth_for(count, current, MAX_LINKED_ITEMS, _ITEMS_PER_CATALOG)
        """Depth of the catalogs. 0 without catalogs."""

    def hrefs_after(self, before: Sequence[str]) -> list[str] | None:
        """Return the hrefs of the links to items after the changes, if known without all rows.

        Args:
            before: The hrefs of the links to items in the present document.
        """
        count, changes = self._rows.collections[self._collection], list[RowChange]()
        if self._rows.outdated.links(self._collection):
            known = self._rows.changes_of(self._collection)
            if known is None:
                return None
            changes = known
        removed = [one.before.key for one in changes if one.before and not one.after]
        added = [one.after.key for one in changes if one.after and not one.before]
        if self.depth or len(before) != count + len(removed) - len(added):
            return None
        hrefs = set(before).difference(self._hrefs(removed, "./"))
        # Documents have the links in the order of the paths, which are not quoted.
        return sorted(hrefs.union(self._hrefs(added, "./")), key=unquote)

    def write_catalogs(self) -> int:
        """Write the outdated catalogs, and return the number of written catalogs.

        Raises:
            DestinationError: A catalog cannot be written.
        """
        if self.depth == 0:
            return 0
        parts = self._rows.outdated.links(self._collection)
        outdated = {shard_of(part, self.depth) for part in parts}
        outdated.update(set(shard_names(self.depth)) - self._existing)
        for name in outdated:
            self._rows.unread.require_part(name)
        return sum(self._storage.map(self._write_catalog, sorted(outdated)))

    def remove_catalogs(self) -> None:
        """Remove the catalogs to which the collection no longer links.

        Raises:
            DestinationError: A catalog cannot be removed.
        """
        current = set(shard_names(self.depth)) if self.depth else set()
        for name in sorted(self._existing - current):
            self._storage.remove_document(self._path(name))
        if self._existing and not current:
            self._storage.remove_empty_folders([f"{self._base}{ITEM_CATALOGS}"])

    def document(self, document: dict[str, Any], previous: Iterable[str] | None) -> bytes:
        """Return a collection or catalog as JSON, with the links to items after the other links.

        Args:
            document: The document without links to items.
            previous: The hrefs of the links to items in the present document, if known to be valid.
        """
        if self.depth:
            names = shard_names(self.depth)
            links = [link("child", f"./{ITEM_CATALOGS}/{name}.json") for name in names]
            return json_bytes(document | {"links": [*document["links"], *links]})
        if previous is None:
            rows = self._rows.of_collection(self._collection)
            previous = self._hrefs((row.key for row in rows), "./")
        return with_item_links(document, list(previous))

    def _write_catalog(self, name: str) -> bool:
        keys = (key for key in self._rows.keys_of_shard(name) if key.collection == self._collection)
        parent = f"../{COLLECTION if self._collection is not None else CATALOG}"
        root = f"../{'../' if self._collection is not None else ''}{CATALOG}"
        document = {
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": f"{self._collection or 'items'}-{name}",
            "description": f"Part {name} of the items.",
            "links": [link("root", root), link("parent", parent)],
        }
        data = with_item_links(document, self._hrefs(keys, "../"))
        path = self._path(name)
        if name in self._existing and self._storage.read(path) == data:
            return False
        self._storage.write(path, data)
        return True

    def _hrefs(self, keys: Iterable[Key], prefix: str) -> list[str]:
        paths = sorted(document_path(key) for key in keys)
        return [f"{prefix}{quoted_path(path.removeprefix(self._base))}" for path in paths]

    def _path(self, name: str) -> str:
        return f"{self._base}{ITEM_CATALOGS}/{name}.json"


def link_files(storage: MirrorStorage, collection: str | None) -> list[str]:
    """Return the paths of the catalogs with links to the items of a collection.

    Args:
        storage: The files of the mirror.
        collection: Id of the collection, or None for items without a collection.
    """
    base = f"{collection_folder(collection)}/" if collection is not None else ""
    names = storage.file_names(f"{base}{ITEM_CATALOGS}")
    return [f"{base}{ITEM_CATALOGS}/{name}" for name in names if _FILE.fullmatch(name)]


def is_link_file(path: str) -> bool:
    """Return whether a path can be that of a catalog with links to items.

    Args:
        path: Path of a file, relative to the mirror.
    """
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] == ITEM_CATALOGS and _FILE.fullmatch(name) is not None


def link(rel: str, href: str, media_type: str = JSON) -> dict[str, Any]:
    """Return a link.

    Args:
        rel: The relation.
        href: The href.
        media_type: The media type of the target.
    """
    return {"rel": rel, "href": href, "type": media_type}


def with_item_links(document: dict[str, Any], hrefs: list[str]) -> bytes:
    """Return a document as JSON, with a link to each item after the other links.

    A Python object for each of many links takes much memory.

    Args:
        document: The document without links to items.
        hrefs: The hrefs of the items.
    """
    if not hrefs:
        return json_bytes(document)
    data = json_bytes(document | {"links": [*document["links"], _PLACEHOLDER]})
    before, *after = data.split(_ENCODED_PLACEHOLDER)
    if len(after) != 1:  # The document has the text of the placeholder elsewhere.
        links = [link("item", href, GEOJSON) for href in hrefs]
        return json_bytes(document | {"links": [*document["links"], *links]})
    links_json = ",\n".join(_LINK_JSON % _encode(href) for href in hrefs)
    return b"".join((before, links_json.encode(), after[0]))


def _match(path: str) -> re.Match[str] | None:
    return _FILE.fullmatch(path.rpartition("/")[2])
