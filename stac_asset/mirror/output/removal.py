"""What becomes of items that left the source, and how it is known that they did.

That a search does not find an item says little: it may be too old for the window, or no longer
have few enough clouds. So only those are looked at that the search, as far as can be told here,
should have found; only after a search that came to its end and found something; and the source is
asked for each of them by its id. Those that it does not have any more have left it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from stac_asset.destinations.local.containment import ContainedDirectory, Folder
from stac_asset.destinations.local.part_names import part_names
from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.output.item_documents import mark_removed
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window, moment
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.sources.interface import Source
from stac_asset.mirror.state.row import IndexRow

OnRemoved: TypeAlias = Literal["keep", "mark", "delete"]
"""What becomes of items that left the source."""


def suspects(
    night: ChangeSet, criteria: Criteria, window: Window, source: str, marked: bool
) -> list[Key]:
    """Returns the items that a search should have found, and did not.

    Args:
        night: What was found, by a search that came to its end and found something.
        criteria: What was searched for.
        window: Its span of time.
        source: The unsigned href of the source.
        marked: Whether those that are marked as removed already are among them.
    """
    return [
        key
        for key, row in night.state.rows.items()
        if key not in night.seen
        and (marked or not row.removed)
        and row.source == source
        and criteria.is_about(*key)
        and criteria.covers(row.bbox)
        and window.touches(moment(row.span[0]), moment(row.span[1]))
    ]


async def gone(keys: Iterable[Key], source: Source) -> list[Key]:
    """Returns those of some items that a source does not have any more, asked for each by its id.

    Args:
        keys: The items.
        source: The source.

    Raises:
        SourceError: The source cannot be asked.
    """
    keys = list(keys)
    there = set()
    async for found in source.by_id(keys):
        there.add(found.key)
    return [key for key in keys if key not in there]


def mark(rows: Iterable[IndexRow], directory: Path, now: datetime) -> dict[Key, IndexRow]:
    """Marks items as removed, and returns their new rows.

    Args:
        rows: The items.
        directory: The absolute path of the mirror.
        now: When that was seen.
    """
    return {row.key: mark_removed(row, directory, now) for row in rows}


def delete(rows: Iterable[IndexRow], directory: Path) -> None:
    """Deletes items with their files, and no other file.

    The document goes last, so that what a killed run left of an item is deleted by the next one.

    Args:
        rows: The items, to which nothing links any more.
        directory: The absolute path of the mirror.
    """
    contained = ContainedDirectory(directory)
    for row in rows:
        document = directory / row.document
        with suppress(FileNotFoundError), contained.open_folder(row.document) as folder:
            for name, _ in row.files.values():
                for file in (*part_names(name), name):
                    _unlink(file, folder)
            _unlink(document.name, folder)
        with suppress(OSError):  # Something is in it that is not the mirror's.
            document.parent.rmdir()
            if row.key.collection is not None:
                document.parent.parent.rmdir()


def _unlink(name: str, folder: Folder) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.fd)
