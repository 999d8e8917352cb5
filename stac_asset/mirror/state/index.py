"""Reads and writes the state of a mirror.

The state is in the item documents. The index has a row for each document, so that a run need not
read all documents. Documents without a valid row are read, for example if the index is missing, or
if the last run was killed before the index was written. See `index_reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from stac_asset.config import Config
from stac_asset.mirror.layout import POSITIONS, SEARCHES
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index_reader import IndexReader
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.started import StartedItem, read_started
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.rewrite.serialize import json_bytes
from stac_asset.stac.json_text import loads


@dataclass(slots=True)
class MirrorState:
    """State of a mirror before a run."""

    reader: IndexReader | None = None
    """Reads further rows. None for a mirror without files."""

    started: dict[Key, StartedItem] = field(default_factory=dict)
    """Items that an earlier run started and did not complete."""

    searched: dict[str, str] = field(default_factory=dict)
    """Time (RFC 3339) up to which all items of a search are mirrored, by the search's digest."""

    positions: dict[str, str] = field(default_factory=dict)
    """Position at which a search failed, by the search's digest."""

    rows: Rows = field(default_factory=Rows)
    """Items in the mirror."""

    lost: dict[Key, str] = field(default_factory=dict)
    """Items with a row in the index and no document, with the unsigned hrefs of their sources."""

    changed: set[Key] = field(default_factory=set)
    """Items with a row in the index, and a document that was written after the row."""

    @property
    def documents_read(self) -> int:
        """Number of item documents read because the index has no valid row."""
        return self.reader.documents_read if self.reader is not None else 0

    def read_items(self, keys: Iterable[Key]) -> None:
        """Read the rows of some items, if not read yet. Blocks.

        Args:
            keys: The items.

        Raises:
            DestinationError: A request to an object store failed.
        """
        if self.reader is not None:
            self.reader.read_items(keys)


def read_state(
    storage: MirrorStorage, config: Config | None = None, whole: bool = True
) -> MirrorState:
    """Return the state of a mirror.

    Args:
        storage: The files of the mirror, which need not exist.
        config: Which content of files is accepted. Default: that of `Config()`.
        whole: Whether to read all rows of the index. Otherwise, only the rows of incomplete items
            are read if the index has many.

    Raises:
        DestinationError: A request to an object store failed.
    """
    started, reader = read_started(storage), IndexReader(storage, config or Config())
    if whole:
        reader.read_whole()
    else:
        reader.read_part(started)
    return MirrorState(
        reader,
        started,
        _read_texts(storage, SEARCHES),
        _read_texts(storage, POSITIONS),
        reader.rows,
        reader.lost,
        reader.changed,
    )


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
