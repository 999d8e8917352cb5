"""Reads and writes the state of a mirror directory.

The state is in the item documents. The index has a row for each document, so that a run need not
read all documents. A row is valid as long as the document has the same size and modification time.
Documents without a valid row are read, for example if the index is missing, or if the last run was
killed before the index was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stac_asset.config import Config
from stac_asset.destinations.local.documents import write_document
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import INDEX, POSITIONS, SEARCHES, document_name, document_path
from stac_asset.mirror.state.lines import read_lines, write_lines
from stac_asset.mirror.state.row import IndexRow, index_row
from stac_asset.mirror.state.started import StartedItem, read_started
from stac_asset.mirror.state.stored_files import unusable_files
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(slots=True)
class MirrorState:
    """State of a mirror directory before a run."""

    rows: dict[Key, IndexRow] = field(default_factory=dict)
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
    indexed = _read_index(directory)
    for folder in _item_folders(directory):
        document = folder / document_name(folder.name)
        files = _file_stats(folder)
        stat = files.get(document.name)
        if stat is None:
            continue
        row = indexed.get(document.relative_to(directory).as_posix())
        unusable: tuple[str, ...] = ()
        if row is None or row.document_stat != stat or not row.checked:
            row, unusable = _read_row(document, directory, stat, config)
            state.documents_read += 1
        if row is not None and row.document == document_path(row.key):
            row.missing_files = tuple(
                key
                for key, (name, size) in row.files.items()
                if name not in files or size not in (None, files[name][1]) or key in unusable
            )
            state.rows[row.key] = row
    state.started = read_started(directory)
    state.searched = _read_texts(directory / SEARCHES)
    state.positions = _read_texts(directory / POSITIONS)
    return state


def write_index(directory: Path, rows: Iterable[IndexRow]) -> None:
    """Write the index of a mirror.

    Args:
        directory: The mirror directory.
        rows: All items in the mirror.
    """
    ordered = sorted(rows, key=lambda row: row.document)
    write_lines(directory / INDEX, directory, (row.to_dict() for row in ordered))


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


def _read_index(directory: Path) -> dict[str, IndexRow]:
    rows: dict[str, IndexRow] = {}
    for line in read_lines(directory / INDEX):
        try:
            row = IndexRow.from_dict(line)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        rows[row.document] = row
    return rows


def _read_texts(path: Path) -> dict[str, str]:
    """Return the texts in a file, by name. A missing or invalid file is empty."""
    try:
        texts = loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(text) for name, text in texts.items()} if isinstance(texts, dict) else {}


def _item_folders(directory: Path) -> Iterator[Path]:
    """Yield the folders on the first and second level, which can belong to items.

    Folders of items without a collection are on the first level. Symlinks are not followed.
    """
    for folder in _folders(directory):
        yield folder
        yield from _folders(folder)


def _folders(directory: Path) -> list[Path]:
    try:
        with os.scandir(directory) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _file_stats(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the modification time and size of each file in a folder, by file name."""
    stats = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    stats[entry.name] = (stat.st_mtime_ns, stat.st_size)
    except OSError:
        return {}
    return stats


def _read_row(
    document: Path, directory: Path, stat: tuple[int, int], config: Config
) -> tuple[IndexRow | None, tuple[str, ...]]:
    """Return the row of a document, and the keys of assets with an unusable file."""
    try:
        fields = loads(document.read_bytes(), str(document))
    except (OSError, ValueError):
        return None, ()
    row = index_row(fields, document.relative_to(directory).as_posix(), stat)
    if row is None:
        return None, ()
    unusable = unusable_files(fields.get("assets"), document.parent, row.files, config)
    row.checked = not unusable
    return row, unusable
