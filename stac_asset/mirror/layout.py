"""Names of the files in a mirror directory, and of the fields that a mirror adds to documents."""

from __future__ import annotations

import re
from functools import lru_cache

from stac_asset.mirror.source_item import Key
from stac_asset.plan.file_names import safe_name

CATALOG = "catalog.json"
COLLECTION = "collection.json"
PARQUET = "items.parquet"
ITEM_CATALOGS = "~items"
"""Folder of the catalogs between a collection with many items and the items.

No item has this folder, because names of items with `~` are escaped."""

REPORT = "sync.report.ndjson"
INDEX = ".mirror/index.ndjson"
"""The index of a mirror with few items."""

SHARDS = ".mirror/index"
"""Folder of the shards of the index of a mirror with many items."""

SUMMARIES = ".mirror/index.json"
"""Summaries of the shards, so that a run need not read all shards."""

PARQUET_STATE = ".mirror/parquet.json"
"""Version of the GeoParquet file that has all items. Missing if the file can be outdated."""

STARTED = ".mirror/begun.ndjson"
SEARCHES = ".mirror/searches.json"
POSITIONS = ".mirror/positions.json"
FAILURES = ".mirror/failures.json"
LOCK = ".mirror/lock.json"
"""The lease of a run in an object store."""
SHARES = ".mirror/shares"
"""The folder of the documents of a run that distributes its items."""

STATE_FILES = (INDEX, SUMMARIES, PARQUET_STATE, STARTED, SEARCHES, POSITIONS, FAILURES, LOCK)
"""The files of the state of a mirror, except for the shards of the index."""

RESERVED = {CATALOG: "the catalog", PARQUET: "the GeoParquet file", REPORT: "the report"}
"""Names that items and collections cannot use, with the owner of each name.

Names in `.mirror` need no entry: folders of items and collections never begin with a dot."""

SOURCE = "mirror:source"
"""Href of the mirror's source: a field of an item's `derived_from` link, and of the catalog."""

VERSION = "mirror:version"
"""Version of the mirrored item: a field of the `derived_from` link. See `version.Version`."""

FAILED = "mirror:failed"
"""Keys of assets that failed to download: a field of the `derived_from` link."""

OTHER_FILES = "mirror:files"
"""Names of files that belong to an item, and that the item does not reference.

A field of the `derived_from` link. Such files are from an earlier version, and are kept until a
file of the new version replaces them, or are incomplete files of assets that failed."""

REMOVED = "mirror:removed"
"""Time when a run found that an item has left the source: a property of the item."""

_SPECIAL = re.compile(r"[#%/:?\\~]")
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
"""An id that is a safe name of a folder, and of a document with a suffix."""


def shard_path(name: str) -> str:
    """Return the path of a shard of the index.

    Args:
        name: Name of the shard: hexadecimal digits.
    """
    return f"{SHARDS}/{name}.ndjson"


def item_folder(key: Key) -> str:
    """Return the folder of an item's files, relative to the mirror directory.

    Args:
        key: Key of the item.
    """
    name = _folder_name(key.id)
    return f"{collection_folder(key.collection)}/{name}" if key.collection is not None else name


def document_path(key: Key) -> str:
    """Return the path of an item's document, relative to the mirror directory.

    Args:
        key: Key of the item.
    """
    folder = item_folder(key)
    return f"{folder}/{document_name(folder.rpartition('/')[2])}"


def document_name(folder: str) -> str:
    """Return the file name of the document in an item's folder.

    Args:
        folder: Name of the folder.
    """
    return f"{folder}.json" if _PLAIN.fullmatch(folder) else safe_name(f"{folder}.json")


def is_file_name(name: object) -> bool:
    """Return whether a value from a document is the name of a file in the document's own folder.

    Args:
        name: The value. A mirror never changes or removes other files.
    """
    if not isinstance(name, str) or name in ("", ".", ".."):
        return False
    return "/" not in name and "\0" not in name


@lru_cache
def collection_folder(collection: str) -> str:
    """Return the folder of a collection, relative to the mirror directory.

    Args:
        collection: Id of the collection.
    """
    return _folder_name(collection)


def _folder_name(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else safe_name(_escape(text))


def _escape(text: str) -> str:
    """Return a name that is the same in paths and hrefs, and does not begin with a dot.

    Characters with a meaning in hrefs, and `~` itself, become `~` and their hexadecimal code.
    """
    name = _SPECIAL.sub(lambda match: f"~{ord(match.group()):02X}", text)
    return f"~2E{name[1:]}" if name.startswith(".") else name
