"""Finds the items of a mirror with files that can conflict with the files of a run.

`mirror.planning` passes the files of these items to the planner. The planner compares the names of
files. With a million items, the names of all items take long to compare, and only few of them can
be the same.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from stac_asset.mirror.layout import collection_folder, item_folder
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import place_of_folder
from stac_asset.mirror.state.rows import Rows
from stac_asset.plan.facts import FileSystemFacts
from stac_asset.plan.reservations import folded


def neighbors(
    rows: Rows, wanted: Collection[Key], directory: str, facts: FileSystemFacts
) -> Iterator[Key]:
    """Yield the items with a folder that can be, or can contain, the folder of a wanted item.

    Folders that differ only by letter case or Unicode composition count as the same. If a folder of
    a wanted item is a symlink, all items are yielded.

    Args:
        rows: The rows of the mirror.
        wanted: The items of a run.
        directory: The location of the mirror.
        facts: The facts about the files of the mirror.
    """
    folders = {item_folder(key) for key in wanted}
    tops = {folder.partition("/")[0] for folder in folders}
    if any(facts.is_symlink(os.path.join(directory, folder)) for folder in (*tops, *folders)):
        yield from rows
        return
    yield from rows.at({place_of_folder(folder) for folder in (*tops, *folders)})
    # The folder of an item without a collection can be that of a collection.
    alone = {folded(folder) for folder in folders if "/" not in folder}
    for name in [name for name, count in rows.collections.items() if count] if alone else ():
        if name is not None and folded(collection_folder(name)) in alone:
            yield from (row.key for row in rows.of_collection(name))
