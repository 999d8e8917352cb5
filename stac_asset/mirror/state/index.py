"""What a mirror directory holds already: read from its item documents, by way of an index.

The documents are what counts. The index only spares reading them: a row of it holds as long as the
document that it was made of has the same size and time of change. Where it is missing, or a run was
killed before it was written, the documents are read, and it is made anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stac_asset.destinations.local.documents import write_document
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.layout import BEGUN, INDEX, SEARCHES, document_name, document_of
from stac_asset.mirror.state.row import IndexRow, index_row
from stac_asset.mirror.state.version import Version
from stac_asset.rewrite.serialize import json_bytes


@dataclass(frozen=True, slots=True)
class Begun:
    """An item whose download was begun, and is not known to have come to its end."""

    version: Version
    """Which version of it."""

    since: float
    """When, in seconds of the epoch: files that are younger are of this version, or a later one."""

    search: str
    """The digest of the search that found it."""

    failed: bool = False
    """Whether that run came to its end, and this item failed."""


@dataclass(slots=True)
class State:
    """What is known of a mirror directory before a run."""

    rows: dict[Key, IndexRow] = field(default_factory=dict)
    """The items that it has."""

    begun: dict[Key, Begun] = field(default_factory=dict)
    """The items that an earlier run did not finish."""

    searched: dict[str, str] = field(default_factory=dict)
    """Up to when all is mirrored that a search found, by the search's digest (RFC 3339)."""

    read: int = 0
    """How many item documents were read, since the index did not know them."""


def read_state(directory: Path) -> State:
    """Returns what a mirror directory holds.

    Args:
        directory: The directory, which need not exist.
    """
    state = State()
    indexed = _read_index(directory)
    for folder in _item_folders(directory):
        document = folder / document_name(folder.name)
        files = _sizes(folder)
        stamp = files.get(document.name)
        if stamp is None:
            continue
        row = indexed.get(document.relative_to(directory).as_posix())
        if row is None or row.stamp != stamp:
            row = _read_row(document, directory, stamp)
            state.read += 1
        if row is not None and row.document == document_of(row.key):
            row.lost = tuple(
                key
                for key, (name, size) in row.files.items()
                if name not in files or size not in (None, files[name][1])
            )
            state.rows[row.key] = row
    state.begun = _read_begun(directory)
    state.searched = _read_searched(directory)
    return state


def write_index(directory: Path, rows: Iterable[IndexRow]) -> None:
    """Writes the index of a mirror.

    Args:
        directory: The directory.
        rows: Its items.
    """
    ordered = sorted(rows, key=lambda row: row.document)
    _write_lines(directory / INDEX, directory, (row.to_dict() for row in ordered))


def write_searched(directory: Path, searched: Mapping[str, str]) -> None:
    """Writes down up to when all is mirrored that a search found.

    Args:
        directory: The directory of the mirror.
        searched: The moments, by the search's digest.
    """
    write_document(directory / SEARCHES, json_bytes(dict(searched)), directory)


def write_begun(directory: Path, begun: Mapping[Key, Begun]) -> None:
    """Writes down which items are about to be downloaded, or removes the note where none is.

    Args:
        directory: The directory of the mirror.
        begun: The items.
    """
    if not begun:
        (directory / BEGUN).unlink(missing_ok=True)
        return
    lines = (
        {
            "collection": key.collection,
            "id": key.id,
            "since": entry.since,
            "search": entry.search,
            "failed": entry.failed,
            "version": entry.version.to_dict(),
        }
        for key, entry in begun.items()
    )
    _write_lines(directory / BEGUN, directory, lines)


def stamp_of(document: Path) -> tuple[int, int]:
    """Returns when a document was changed, in nanoseconds, and its bytes.

    Args:
        document: The document.
    """
    found = document.stat()
    return found.st_mtime_ns, found.st_size


def _write_lines(path: Path, directory: Path, lines: Iterable[dict[str, Any]]) -> None:
    data = b"".join(json_bytes(line, indent=None) + b"\n" for line in lines)
    write_document(path, data, directory)


def _read_index(directory: Path) -> dict[str, IndexRow]:
    rows: dict[str, IndexRow] = {}
    for line in _lines(directory / INDEX):
        try:
            row = IndexRow.from_dict(line)
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        rows[row.document] = row
    return rows


def _read_searched(directory: Path) -> dict[str, str]:
    try:
        found = json.loads((directory / SEARCHES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(when) for name, when in found.items()} if isinstance(found, dict) else {}


def _read_begun(directory: Path) -> dict[Key, Begun]:
    begun = {}
    for line in _lines(directory / BEGUN):
        try:
            version = Version.from_dict(line["version"])
            since, failed = float(line["since"]), line.get("failed") is True
            entry = Begun(version, since, str(line["search"]), failed)
            begun[Key(line["collection"], str(line["id"]))] = entry
        except (KeyError, TypeError, ValueError):
            continue
    return begun


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_bytes()
    except OSError:
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _item_folders(directory: Path) -> Iterator[Path]:
    """Yields the folders that may be an item's: two levels down, or one where it has no collection.

    Symlinks are not followed.
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


def _sizes(folder: Path) -> dict[str, tuple[int, int]]:
    """Returns when each file of a folder was changed, and its bytes."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    stat = entry.stat(follow_symlinks=False)
                    found[entry.name] = (stat.st_mtime_ns, stat.st_size)
    except OSError:
        return {}
    return found


def _read_row(document: Path, directory: Path, stamp: tuple[int, int]) -> IndexRow | None:
    try:
        fields = json.loads(document.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return index_row(fields, document.relative_to(directory).as_posix(), stamp)
