"""Reads and writes the state of a mirror.

The state is in the item documents. The index has a row for each document, so that a run need not
read all documents. A row is valid as long as the document has the same stamp: version and size.
Documents without a valid row are read, for example if the index is missing, or if the last run was
killed before the index was written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from stac_asset.config import Config
from stac_asset.mirror.layout import (
    POSITIONS,
    SEARCHES,
    document_name,
    is_file_name,
    item_folder,
)
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index_files import depth_of, index_files, index_lines
from stac_asset.mirror.state.row import IndexRow, index_row
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.started import StartedItem, read_started
from stac_asset.mirror.state.stored_files import unusable_files
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(slots=True)
class MirrorState:
    """State of a mirror before a run."""

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

    lost: dict[Key, str] = field(default_factory=dict)
    """Items with a row in the index and no document, with the unsigned hrefs of their sources."""

    changed: set[Key] = field(default_factory=set)
    """Items with a row in the index, and a document that was written after the row."""


def read_state(storage: MirrorStorage, config: Config | None = None) -> MirrorState:
    """Return the state of a mirror.

    Args:
        storage: The files of the mirror, which need not exist.
        config: Which content of files is accepted. Default: that of `Config()`.

    Raises:
        DestinationError: A request to an object store failed.
    """
    config = config or Config()
    state = MirrorState()
    rows, files = state.rows, index_files(storage)
    for line in index_lines(storage, files):
        row = _valid_row(line, storage, state)
        if row is not None:
            rows.read(row, line)
    rows.settle(depth_of(files))
    documents = map(_document_in, rows.match_folders(storage.item_folders))
    existing = sorted(document for document in documents if storage.stamp(document) is not None)
    is_lost = not rows
    for document, data in storage.read_all(existing):
        found, unusable = _read_row(document, data, storage, config)
        state.documents_read += 1
        if found is not None and found.document == document:
            folder = document.rpartition("/")[0]
            row = _with_missing_files(found, storage, folder, unusable)
            if is_lost:
                rows.read(row, row.to_line())
                rows.invalidate(row.key)
            else:
                rows[row.key] = row
    if is_lost:
        rows.settle(None)
    state.started = read_started(storage)
    state.searched = _read_texts(storage, SEARCHES)
    state.positions = _read_texts(storage, POSITIONS)
    return state


def _valid_row(line: bytes, storage: MirrorStorage, state: MirrorState) -> IndexRow | None:
    """Return the row of a line, if the item's document has not changed since the row was written.

    Args:
        line: A line of the index, or any other line.
        storage: The files of the mirror.
        state: The state. Rows of documents that are missing or have changed are recorded there.
    """
    try:
        row = IndexRow.from_line(line)
        folder = item_folder(row.key)
    except (TypeError, ValueError, AttributeError):
        return None
    stamp = storage.stamp(_document_in(folder))
    if stamp is None:
        state.lost[row.key] = row.source
    if not row.checked or stamp != row.document_stamp:
        if stamp is not None:
            state.changed.add(row.key)
        state.rows.invalidate(row.key)
        return None
    return _with_missing_files(row, storage, folder)


def _document_in(folder: str) -> str:
    return f"{folder}/{document_name(folder.rpartition('/')[2])}"


def write_searched(storage: MirrorStorage, searched: Mapping[str, str]) -> None:
    """Write the times up to which all items of each search are mirrored.

    Args:
        storage: The files of the mirror.
        searched: Times (RFC 3339), by the search's digest.

    Raises:
        DestinationError: The file cannot be written.
    """
    storage.write(SEARCHES, json_bytes(dict(searched)))


def write_positions(storage: MirrorStorage, positions: Mapping[str, str]) -> None:
    """Write the positions at which searches failed, or remove the file if there is no position.

    Args:
        storage: The files of the mirror.
        positions: Positions, by the search's digest.

    Raises:
        DestinationError: The file cannot be written.
    """
    if positions:
        storage.write(POSITIONS, json_bytes(dict(positions)))
    else:
        storage.remove_document(POSITIONS)


def _read_texts(storage: MirrorStorage, path: str) -> dict[str, str]:
    """Return the texts in a file, by name. A missing or invalid file is empty."""
    data = storage.read(path)
    try:
        texts = loads(data) if data is not None else {}
    except ValueError:
        return {}
    return {str(name): str(text) for name, text in texts.items()} if isinstance(texts, dict) else {}


def _with_missing_files(
    row: IndexRow, storage: MirrorStorage, folder: str, unusable: Collection[str] = ()
) -> IndexRow:
    """Return a row with the keys of assets with a missing or unusable file.

    Args:
        row: The row.
        storage: The files of the mirror.
        folder: The path of the folder of the item.
        unusable: Keys of assets with an unusable file.
    """
    missing = []
    for key, (name, size) in row.files.items():
        stamp = storage.stamp(f"{folder}/{name}") if is_file_name(name) else None
        if stamp is None or size not in (None, stamp[1]) or key in unusable:
            missing.append(key)
    return dataclasses.replace(row, missing_files=tuple(missing)) if missing else row


def _read_row(
    document: str, data: bytes | None, storage: MirrorStorage, config: Config
) -> tuple[IndexRow | None, tuple[str, ...]]:
    """Return the row of a document, and the keys of assets with an unusable file."""
    stamp, folder = storage.stamp(document), document.rpartition("/")[0]
    if stamp is None or data is None:
        return None, ()
    try:
        fields = loads(data, str(storage.directory / document))
    except ValueError:
        return None, ()
    row = index_row(fields, stamp, str(storage.directory / folder))
    if row is None:
        return None, ()
    unusable = unusable_files(fields.get("assets"), storage, folder, row.files, config)
    return dataclasses.replace(row, checked=not unusable), unusable
