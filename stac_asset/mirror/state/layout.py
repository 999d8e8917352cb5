"""Where things are in a mirror directory, and what is written into its documents for the mirror."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from stac_asset.mirror.source_item import Key
from stac_asset.plan.file_names import safe_name

CATALOG = "catalog.json"
COLLECTION = "collection.json"
PARQUET = "items.parquet"
REPORT = "sync.report.ndjson"
INDEX = ".mirror/index.ndjson"
BEGUN = ".mirror/begun.ndjson"
SEARCHES = ".mirror/searches.json"

RESERVED = {CATALOG: "the catalog", PARQUET: "the index", REPORT: "the report"}
"""The names that no item and no collection can have, and what has them. Those in `.mirror` nobody
gets, since no folder of theirs begins with a dot."""

SOURCE = "mirror:source"
"""The href of the mirror's source: a field of an item's `derived_from` link, and of the catalog."""

VERSION = "mirror:version"
"""Another field of that link: which version of the item this is, as the source tells them apart."""

FAILED = "mirror:failed"
"""Another one: the keys of assets that could not be downloaded."""

REMOVED = "mirror:removed"
"""A property of an item that has left the source: when that was seen."""


_SPECIAL = re.compile(r"[#%/:?\\~]")


def folder_of(key: Key) -> str:
    """Returns the folder of an item's files, relative to the directory.

    Args:
        key: The item.
    """
    name = safe_name(_plain(key.id))
    return f"{collection_folder(key.collection)}/{name}" if key.collection is not None else name


def document_of(key: Key) -> str:
    """Returns the path of an item's document, relative to the directory.

    Args:
        key: The item.
    """
    folder = PurePosixPath(folder_of(key))
    return str(folder / document_name(folder.name))


def document_name(folder: str) -> str:
    """Returns the name of the document in an item's folder.

    Args:
        folder: The name of the folder.
    """
    return safe_name(f"{folder}.json")


def collection_folder(collection: str) -> str:
    """Returns the folder of a collection, relative to the directory.

    Args:
        collection: Its id.
    """
    return safe_name(_plain(collection))


def _plain(text: str) -> str:
    """Returns a name that means the same in a path and in an href, and begins with no dot.

    What an href would take for something else is written as `~` and its code; so is the `~`.
    """
    name = _SPECIAL.sub(lambda match: f"~{ord(match.group()):02X}", text)
    return f"~2E{name[1:]}" if name.startswith(".") else name
