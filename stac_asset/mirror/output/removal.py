"""Finds, marks and deletes the items that have left the source.

An item missing from a search has not necessarily left the source: the item can be older than the
time window, or no longer match a filter. An item counts as removed only if all of these apply:

- The search reached its end and found at least one item.
- The search should have found the item, as far as the local criteria tell.
- The source does not return the item by its id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal, TypeAlias

from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.output.item_documents import mark_removed
from stac_asset.mirror.output.item_files import (
    remove_empty_folders,
    remove_files,
)
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.sources.interface import ItemSource
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.storage.interface import MirrorStorage

OnRemoved: TypeAlias = Literal["keep", "mark", "delete"]
"""Action for items that left the source."""


def missing_from_search(
    changes: ChangeSet, criteria: Criteria, window: Window, sources: Collection[str], marked: bool
) -> list[Key]:
    """Return the items that a search should have found and did not find.

    Args:
        changes: Result of a search that reached its end and found at least one item.
        criteria: The search criteria.
        window: Time window of the search.
        sources: The unsigned hrefs of the source, including former ones.
        marked: Whether to include items that are already marked as removed.
    """
    rows = changes.state.rows
    unseen = (key for key in changes.seen.unseen() if criteria.matches_ids(*key))
    return [
        row.key
        for row in map(rows.__getitem__, unseen)
        if (marked or not row.removed)
        and row.source in sources
        and criteria.covers(row.bbox)
        and window.touches(moment(row.span[0]), moment(row.span[1]))
    ]


async def removed_from_source(keys: Iterable[Key], source: ItemSource) -> list[Key]:
    """Return the items that a source definitely does not have.

    Args:
        keys: Keys of the items to check.
        source: The source.

    Raises:
        SourceError: The source cannot be read.
    """
    keys = list(keys)
    present: set[Key | None] = set()
    async for item in source.items_by_id(keys):
        present.add(item.key)
    present |= source.undecided
    return [key for key in keys if key not in present]


def mark(rows: Iterable[IndexRow], storage: MirrorStorage, now: datetime) -> dict[Key, IndexRow]:
    """Mark items as removed, and return the new rows.

    Args:
        rows: The items.
        storage: The files of the mirror.
        now: Time of the run.
    """
    marked = storage.map(lambda row: mark_removed(row, storage, now), rows)
    return {row.key: row for row in marked}


def delete(row: IndexRow, files: Iterable[str], storage: MirrorStorage) -> None:
    """Delete an item and its files. Other files are kept.

    The document is deleted first, so that no document names a missing file. The list of started
    items has the names of the files, so that the next run finds them if this run is killed.

    Args:
        row: The item, which the catalog no longer links to.
        files: Names of the item's files.
        storage: The files of the mirror.
    """
    storage.remove_document(row.document)
    remove_files(storage, row.document, files)
    remove_empty_folders(storage, [row.key])
