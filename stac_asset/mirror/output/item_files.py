"""Removes files that the mirror recorded for an item, and empty folders.

Folders are opened without following symlinks that lead outside of the mirror. Missing files are no
error, because an earlier run may have been killed during the removal.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from stac_asset.destinations.local.containment import ContainedDirectory, Folder
from stac_asset.destinations.local.os_errors import map_os_errors
from stac_asset.destinations.part_names import lock_name, part_names
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import document_path


def remove_files(
    directory: Path, document: str, names: Iterable[str], only_parts: Iterable[str] = ()
) -> None:
    """Remove files of an item, with part files and resume notes.

    Args:
        directory: The absolute path of the mirror.
        document: Path of the item's document, relative to the mirror. The document is kept.
        names: Names of the files, in the folder of the document.
        only_parts: Names of further files, of which only part files and notes are removed.

    Raises:
        DestinationError: A file cannot be removed.
        UnsafePathError: The folder leads outside of the mirror.
    """
    own = document.rpartition("/")[2]
    removed = [name for name in names if name != own]
    parts = [file for name in (*removed, *only_parts) for file in _incomplete_files(name)]
    if not parts:
        return
    with map_os_errors(str(directory / document)), suppress(FileNotFoundError):
        folder = ContainedDirectory(directory).open_folder(document)
        for file in (*parts, *removed):
            _unlink(file, folder)


def remove_document(directory: Path, document: str) -> None:
    """Remove the document of an item, and the part file of a run that was killed.

    Args:
        directory: The absolute path of the mirror.
        document: Path of the document, relative to the mirror.

    Raises:
        DestinationError: The document cannot be removed.
        UnsafePathError: The folder leads outside of the mirror.
    """
    with map_os_errors(str(directory / document)), suppress(FileNotFoundError):
        folder = ContainedDirectory(directory).open_folder(document)
        name = document.rpartition("/")[2]
        for file in (*_incomplete_files(name), name):
            _unlink(file, folder)


def remove_empty_folders(directory: Path, keys: Iterable[Key]) -> None:
    """Remove the folders of items and collections that have no files.

    Args:
        directory: The absolute path of the mirror.
        keys: The items. No download of these items may be in progress.
    """
    for key in keys:
        folder = (directory / document_path(key)).parent
        with suppress(OSError):  # The folder has files, or does not exist.
            folder.rmdir()
        if key.collection is not None:
            with suppress(OSError):
                folder.parent.rmdir()


def _incomplete_files(name: str) -> tuple[str, str, str]:
    """Return the names of the part file, the resume note and the lock file of a file."""
    part, note = part_names(name)
    return part, note, lock_name(part)


def _unlink(name: str, folder: Folder) -> None:
    with suppress(FileNotFoundError, IsADirectoryError):
        os.unlink(name, dir_fd=folder.fd)
