"""Reads the index of a mirror: the whole index, or the shards of some items.

A row is valid as long as the document has the same stamp: version and size. The documents without a
valid row are read.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stac_asset.config import Config
from stac_asset.mirror.layout import (
    collection_folder,
    document_name,
    is_file_name,
    item_folder,
)
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.index_files import depth_of, index_files, index_lines, shard_lines
from stac_asset.mirror.state.placement import bits_below, place_of, place_of_folder
from stac_asset.mirror.state.row import IndexRow, RowFacts, index_row
from stac_asset.mirror.state.rows import Rows
from stac_asset.mirror.state.stored_files import unusable_files
from stac_asset.mirror.state.summaries import read_summary
from stac_asset.mirror.state.unread_shards import Counts
from stac_asset.mirror.storage.interface import MirrorStorage
from stac_asset.stac.json_text import loads


class IndexReader:
    """Reads rows of a mirror's index into `rows`. The methods block.

    Args:
        storage: The files of the mirror, which need not exist.
        config: Which content of files is accepted.
    """

    def __init__(self, storage: MirrorStorage, config: Config) -> None:
        self._storage = storage
        self._config = config
        self._is_partial = False
        self._found = Counter[str]()
        """Number of the rows of each shard that was read alone."""
        self.rows = Rows()
        """The rows that were read."""
        self.documents_read = 0
        """Number of item documents read because the index has no valid row."""
        self.lost: dict[Key, str] = {}
        """Items with a row and no document, with the unsigned hrefs of their sources."""
        self.changed: set[Key] = set()
        """Items with a row, and a document that was written after the row."""

    def read_whole(self) -> None:
        """Read all rows, and the documents without a row.

        Raises:
            DestinationError: A request to an object store failed.
        """
        rows, files = self.rows, index_files(self._storage)
        for line in index_lines(self._storage, files):
            self._add(line)
        rows.settle(depth_of(files))
        documents = map(_document_in, rows.match_folders(self._storage.item_folders))
        is_lost = not rows
        for row in self._rows_of(documents):
            if is_lost:
                rows.read(row, row.to_line())
                rows.invalidate(row.key)
            else:
                rows[row.key] = row
        if is_lost:
            rows.settle(None)

    def read_part(self, keys: Iterable[Key]) -> None:
        """Read the shards of some items, and of incomplete items. Other shards are left unread.

        All rows are read if the index has no shards, or if no shard has a valid summary.

        Args:
            keys: The items.

        Raises:
            DestinationError: A request to an object store failed.
        """
        depth = depth_of(index_files(self._storage))
        summary = read_summary(self._storage, depth) if depth else None
        if not depth or summary is None or len(summary.changed) == len(summary.counts):
            self.read_whole()
            return
        self._is_partial = True
        self.rows.asset_keys.update(dict.fromkeys(summary.asset_keys))
        self.rows.leave_unread(depth, summary.counts, self._read_shards)
        self.rows.unread.require(summary.changed | summary.incomplete)
        self.read_items(keys)

    def read_items(self, keys: Iterable[Key]) -> None:
        """Read the shards of some items, and of items whose files can conflict with theirs.

        Args:
            keys: The items.

        Raises:
            DestinationError: A request to an object store failed.
        """
        if not self._is_partial:
            return
        keys = list(keys)
        rows, places = self.rows, set(map(place_of, keys))
        folders = {collection_folder(key.collection) for key in keys if key.collection is not None}
        rows.unread.require_places(places.union(map(place_of_folder, folders)))
        if any(key.collection is None for key in keys):
            # The folder of an item without a collection can be that of a collection.
            alone = {place_of(key) for key in keys if key.collection is None}
            names = [name for name in rows.collections if name is not None]
            if any(place_of_folder(collection_folder(name)) in alone for name in names):
                rows.unread.require_all()
        unknown = (_document_in(item_folder(key)) for key in keys if key not in rows)
        for row in self._rows_of(unknown):
            rows[row.key] = row

    def _read_shards(self, shards: Mapping[str, Counts]) -> None:
        """Read shards, and the documents whose rows are not valid.

        A shard with fewer rows than its summary has items is lost or damaged, or a killed run
        removed items. Then all shards are read, to find the documents without a row.
        """
        rows, stale = self.rows, list[Key]()
        for counts in shards.values():
            rows.collections.subtract(counts)
        for name, line in shard_lines(self._storage, shards):
            key = self._add(line, name)
            if key is not None:
                stale.append(key)
        rows.settle(rows.depth)
        if any(self._found[name] < sum(counts.values()) for name, counts in shards.items()):
            rows.unread.require_all()
        documents = [_document_in(item_folder(key)) for key in stale if key not in rows]
        if not rows.unread:
            documents = list(map(_document_in, rows.match_folders(self._storage.item_folders)))
        for row in self._rows_of(documents):
            rows[row.key] = row

    def _add(self, line: bytes, shard: str = "") -> Key | None:
        """Add the row of a line, if the item's document has not changed since the row was written.

        Args:
            line: A line of the index, or any other line.
            shard: Name of the shard. Other rows are not added. Default: any row is added.

        Returns:
            The item, if the row is not valid and there is a document.
        """
        try:
            row = RowFacts.from_line(line)
            folder = item_folder(row.key)
        except (TypeError, ValueError, AttributeError):
            return None
        place = place_of_folder(folder)
        if shard and place >> bits_below(len(shard)) != int(shard, 16):
            return None
        self._found[shard] += 1
        stamp = self._storage.stamp(_document_in(folder))
        if stamp is None:
            self.lost[row.key] = row.source
        if not row.checked or stamp != row.document_stamp:
            self.rows.invalidate(row.key)
            if stamp is None:
                return None
            self.changed.add(row.key)
            return row.key
        self.rows.read_facts(row, line, folder, place, self._missing_files(row.files, folder))
        return None

    def _rows_of(self, documents: Iterable[str]) -> Iterable[IndexRow]:
        """Yield the rows of existing documents."""
        storage = self._storage
        existing = sorted(name for name in set(documents) if storage.stamp(name) is not None)
        for document, data in storage.read_all(existing):
            self.documents_read += 1
            row = self._row_of(document, data)
            if row is not None and row.document == document:
                yield row

    def _row_of(self, document: str, data: bytes | None) -> IndexRow | None:
        """Return the row of a document, with the assets that have a missing or unusable file."""
        storage, folder = self._storage, document.rpartition("/")[0]
        stamp = storage.stamp(document)
        if stamp is None or data is None:
            return None
        try:
            fields = loads(data, str(storage.directory / document))
        except ValueError:
            return None
        row = index_row(fields, stamp, str(storage.directory / folder))
        if row is None:
            return None
        unusable = unusable_files(fields.get("assets"), storage, folder, row.files, self._config)
        missing = self._missing_files(row.files, folder, unusable)
        return dataclasses.replace(row, checked=not unusable, missing_files=missing)

    def _missing_files(
        self, files: Mapping[str, tuple[Any, Any]], folder: str, unusable: Collection[str] = ()
    ) -> tuple[str, ...]:
        """Return the keys of assets with a missing or unusable file.

        Args:
            files: Name and size in bytes of each asset's file, by asset key.
            folder: The path of the folder of the item.
            unusable: Keys of assets with an unusable file.
        """
        missing = []
        for key, (name, size) in files.items():
            stamp = self._storage.stamp(f"{folder}/{name}") if is_file_name(name) else None
            if stamp is None or size not in (None, stamp[1]) or key in unusable:
                missing.append(key)
        return tuple(missing)


def _document_in(folder: str) -> str:
    return f"{folder}/{document_name(folder.rpartition('/')[2])}"
