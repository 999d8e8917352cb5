"""Removes files that the mirror recorded for an item, and empty folders.

Missing files are no error, because an earlier run may have been killed during the removal.
"""

from __future__ import annotations

from collections.abc import Iterable

from stac_asset.mirror.layout import collection_folder, item_folder
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.storage.interface import MirrorStorage


def remove_files(
    storage: MirrorStorage, document: str, names: Iterable[str], only_parts: Iterable[str] = ()
) -> None:
    """Remove files of an item, and interrupted downloads of these files.

    Args:
        storage: The files of the mirror.
        document: Path of the item's document, which is kept.
        names: Names of the files, in the folder of the document.
        only_parts: Names of further files, of which only interrupted downloads are removed.

    Raises:
        DestinationError: A file cannot be removed.
        UnsafePathError: The folder leads outside of the mirror.
    """
    folder, _, own = document.rpartition("/")
    removed = [name for name in names if name != own]
    storage.remove(folder, removed, (*removed, *only_parts))


def remove_empty_folders(storage: MirrorStorage, keys: Iterable[Key]) -> None:
    """Remove the folders of items and collections that have no files.

    Args:
        storage: The files of the mirror.
        keys: The items. No download of these items may be in progress.
    """
    for key in keys:
        folders = [item_folder(key)]
        if key.collection is not None:
            folders.append(collection_folder(key.collection))
        storage.remove_empty_folders(folders)
