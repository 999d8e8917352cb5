"""Reads and writes the state of a mirror directory.

The state is in the item documents. The index has a row for each document, so that a run need not
read all documents. A row is valid as long as the document has the same size and modification time.
Documents without a valid row are read, for example if the index is missing, or if the last run was
killed before the index was written.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG

from stac_asset.config import Config
from stac_asset.destinations.local.documents import write_document
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import (
    INDEX,
    POSITIONS,
    SEARCHES,
    document_name,
    is_file_name,
    item_folder,
)
from stac_asset.mirror.state.lines import read_lines, write_lines
from stac_asset.mirror.state.row import IndexRow, index_row
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.started import StartedItem, read_started
from stac_asset.mirror.state.stored_files import unusable_files
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(slots=True)
class MirrorState:
    """State of a mirror directory before a run."""

    rows: Rows = field(default_factory=Rows)
    """Items in the mirror."""

    started: dict[Key, StartedItem] = field(default_factory=dict)
    """Items that an earlier run started and did not complete."""

    searched: dict[str, str] = field(default_factory=dict)
    """Time (RFC 3339) up to which all items of a search are mirrored, by the search's digest."""

    positions: dict[str, str] = field(default_factory=dict)
    """Position at which a search failed, by the search's digest."""

    documents_read: int = 0
    """Number of item documents read because the index has no valid row."""


def read_state(directory: Path, config: Config | None = None) -> MirrorState:
    """Return the state of a mirror directory.

    Args:
        directory: The mirror directory, which need not exist.
        config: Which content of files is accepted. Default: that of `Config()`.
    """
    config = config or Config()
    state = MirrorState()
    root = str(directory)
    folders = set(_item_folders(root))
    for line in read_lines(directory / INDEX):
        try:
            row = IndexRow.from_line(line)
            folder = item_folder(row.key)
        except (TypeError, ValueError, AttributeError):
            continue
        if folder in folders and row.checked and _stat(root, row.document) == row.document_stat:
            folders.remove(folder)
            state.rows.add(_with_missing_files(row, f"{root}/{folder}"), line)
    for folder in sorted(folders):
        document = f"{folder}/{document_name(folder.rpartition('/')[2])}"
        stat = _stat(root, document)
        if stat is None:
            continue
        found, unusable = _read_row(directory / document, stat, config)
        state.documents_read += 1
        if found is not None and found.document == document:
            state.rows[found.key] = _with_missing_files(found, f"{root}/{folder}", unusable)
    state.started = read_started(directory)
    state.searched = _read_texts(directory / SEARCHES)
    state.positions = _read_texts(directory / POSITIONS)
    return state


def write_index(directory: Path, rows: Rows) -> None:
    """Write the index of a mirror.

    Args:
        directory: The mirror directory.
        rows: All items in the mirror.
    """
    write_lines(directory / INDEX, directory, rows.lines())


def write_searched(directory: Path, searched: Mapping[str, str]) -> None:
    """Write the times up to which all items of each search are mirrored.

    Args:
        directory: The mirror directory.
        searched: Times (RFC 3339), by the search's digest.
    """
    write_document(directory / SEARCHES, json_bytes(dict(searched)), directory)


def write_positions(directory: Path, positions: Mapping[str, str]) -> None:
    """Write the positions at which searches failed, or remove the file if there is no position.

    Args:
        directory: The mirror directory.
        positions: Positions, by the search's digest.
    """
    if positions:
        write_document(directory / POSITIONS, json_bytes(dict(positions)), directory)
    else:
        (directory / POSITIONS).unlink(missing_ok=True)


def document_stat(document: Path) -> tuple[int, int]:
    """Return the modification time of a document in nanoseconds, and the size in bytes.

    Args:
        document: Path of the document.
    """
    stat = document.stat()
    return stat.st_mtime_ns, stat.st_size


def _read_texts(path: Path) -> dict[str, str]:
    """Return the texts in a file, by name. A missing or invalid file is empty."""
    try:
        texts = loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(text) for name, text in texts.items()} if isinstance(texts, dict) else {}


def _item_folders(root: str) -> Iterator[str]:
    """Yield the folders on the first and second level, which can belong to items.

    Folders of items without a collection are on the first level. Symlinks are not followed.
    """
    for first in _folders(root):
        yield first
        for second in _folders(f"{root}/{first}"):
            yield f"{first}/{second}"


def _folders(path: str) -> list[str]:
    """Return the names of the folders in a folder."""
    try:
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _stat(folder: str, name: str) -> tuple[int, int] | None:
    """Return the modification time in nanoseconds and the size of a regular file, if any."""
    try:
        found = os.lstat(f"{folder}/{name}")
    except (OSError, ValueError):
        return None
    return (found.st_mtime_ns, found.st_size) if S_ISREG(found.st_mode) else None


def _with_missing_files(row: IndexRow, folder: str, unusable: Collection[str] = ()) -> IndexRow:
    """Return a row with the keys of assets with a missing or unusable file.

    Args:
        row: The row.
        folder: The absolute path of the folder of the item.
        unusable: Keys of assets with an unusable file.
    """
    missing = []
    for key, (name, size) in row.files.items():
        stat = _stat(folder, name) if is_file_name(name) else None
        if stat is None or size not in (None, stat[1]) or key in unusable:
            missing.append(key)
    return dataclasses.replace(row, missing_files=tuple(missing)) if missing else row


def _read_row(
    document: Path, stat: tuple[int, int], config: Config
) -> tuple[IndexRow | None, tuple[str, ...]]:
    """Return the row of a document, and the keys of assets with an unusable file."""
    try:
        fields = loads(document.read_bytes(), str(document))
    except (OSError, ValueError):
        return None, ()
    row = index_row(fields, stat)
    if row is None:
        return None, ()
    unusable = unusable_files(fields.get("assets"), document.parent, row.files, config)
    return dataclasses.replace(row, checked=not unusable), unusable
