"""The rows of a mirror's index during a run.

A mirror can have many items, and a run changes few. The rows that a run read stay in `StoredRows`,
and changed rows are encoded lines. The rows also know which shards and catalogs are outdated.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Set
from heapq import merge

from stac_asset.mirror.layout import collection_folder, item_folder
from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.changed_rows import ChangedRows
from stac_asset.mirror.state.folders import FolderHashes, compare_folders
from stac_asset.mirror.state.outdated import OutdatedParts
from stac_asset.mirror.state.placement import (
    end_place,
    first_place,
    place_of,
    place_of_folder,
)
from stac_asset.mirror.state.row import IndexRow, RowChange, RowFacts
from stac_asset.mirror.state.stored_rows import StoredRows
from stac_asset.mirror.state.unread_shards import Counts, ReadShards


class Rows(MutableMapping[Key, IndexRow]):
    """The rows of a mirror, by key. Rows are values: a changed row must be assigned again."""

    def __init__(self) -> None:
        self.stored = StoredRows()
        """The rows that the run read, by number. A row can be replaced or removed meanwhile."""
        self._folders = FolderHashes()
        """Folders of the stored rows."""
        self.unread = self.stored.unread
        """The shards of the index that the run has not read."""
        self._changed = ChangedRows()
        """Encoded rows that replace or complete the stored rows."""
        self._hidden: dict[Key, int] = {}
        """Numbers of stored rows that were replaced or removed, by key."""
        self._hidden_numbers: set[int] = set()
        self._missing_files: dict[Key, tuple[str, ...]] = {}
        """Field `missing_files` of the rows that have such files."""
        self.outdated = OutdatedParts()
        """The parts of the index and of the links to items that must be written."""
        self.incomplete: set[Key] = set()
        """Items with failed assets, or with missing files."""
        self.asset_keys: dict[str, None] = {}
        """Keys of the assets of all rows so far."""
        self.collections: Counter[str | None] = Counter()
        """Number of items of each collection, and of None for items without a collection."""
        self.depth: int | None = None
        """Depth of the stored shards. None if the shards cannot be used as they are."""

    def __getitem__(self, key: Key) -> IndexRow:
        line = self._changed.get(key)
        if line is None:
            number = self._number(key)
            if number is None:
                raise KeyError(key)
            line = self.stored.line(number)
        return IndexRow.from_line(line, key, self._missing_files.get(key, ()))

    def __setitem__(self, key: Key, row: IndexRow) -> None:
        place = place_of(key)
        if key not in self._changed and not self._hide(key, place):
            self.collections[key.collection] += 1
            self.outdated.add_item(key, place)
        self._changed[key] = row.to_line()
        self.outdated.add_row(place)
        self._record(row)

    def __delitem__(self, key: Key) -> None:
        place = place_of(key)
        is_stored = self._hide(key, place)
        if not self._changed.remove(key) and not is_stored:
            raise KeyError(key)
        self._missing_files.pop(key, None)
        self.incomplete.discard(key)
        self.collections[key.collection] -= 1
        self.outdated.add_item(key, place)

    def __iter__(self) -> Iterator[Key]:
        self.unread.require_all()
        yield from list(self._changed)
        for number in range(len(self.stored)):
            if number not in self._hidden_numbers:
                yield self.stored.row(number).key

    def __len__(self) -> int:
        read = len(self._changed) + len(self.stored) - len(self._hidden_numbers)
        return read + self.unread.items

    def __contains__(self, key: object) -> bool:
        return key in self._changed or (isinstance(key, Key) and self._number(key) is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment] # mutable

    def leave_unread(self, depth: int, counts: Mapping[str, Counts], read: ReadShards) -> None:
        """Add shards without reading them. They are read if a method needs their rows.

        Args:
            depth: Depth of the shards.
            counts: Numbers of items by collection, for each shard.
            read: Reads shards.
        """
        self.settle(depth)
        self.unread.leave(depth, counts, read)
        for one in counts.values():
            self.collections.update(one)

    def read_places(self) -> Iterator[tuple[int, str | None]]:
        """Yield the place and the collection of each item, except for those in `unread`."""
        for number in range(len(self.stored)):
            if number not in self._hidden_numbers:
                yield self.stored.place(number), self.stored.collection(number)
        yield from ((place_of(key), key.collection) for key in self._changed)

    def sample(self, count: int) -> Iterator[IndexRow]:
        """Yield about `count` of the rows that the run has read. Other rows are not decoded.

        Args:
            count: The number of rows.
        """
        step = max(1, (len(self._changed) + len(self.stored)) // count)
        yield from self.stored.every(step, self._hidden_numbers)
        yield from (self[key] for key in list(self._changed)[::step])

    def read(self, row: IndexRow, line: bytes) -> None:
        """Add a row that the run read from a document. Call `settle` after the last row.

        Args:
            row: The row.
            line: The encoded row.
        """
        folder, facts = item_folder(row.key), RowFacts.from_line(line)
        self.read_facts(facts, line, folder, place_of_folder(folder), row.missing_files)

    def read_facts(
        self,
        row: RowFacts,
        line: bytes,
        folder: str,
        place: int,
        missing_files: tuple[str, ...] = (),
    ) -> None:
        """Add a row that the run read. Call `settle` after the last row.

        Args:
            row: The facts of the row.
            line: The encoded row.
            folder: Folder of the item.
            place: Place of the item.
            missing_files: Keys of assets with a missing or unusable file.
        """
        key = row.key
        self.stored.append(line, row.source, key.collection, place)
        self._folders.add(folder)
        self.collections[key.collection] += 1
        if row.source_digest is not None and row.is_whole and not missing_files:
            self.stored.set_digest(len(self.stored) - 1, row.source_digest)
        if not self.asset_keys.keys() >= row.asset_keys:
            self.asset_keys.update(dict.fromkeys(row.asset_keys))
        if missing_files:
            self._missing_files[key] = missing_files
        if row.has_failed or missing_files:
            self.incomplete.add(key)

    def settle(self, depth: int | None) -> None:
        """Order the rows that the run read, and use the first of several rows of an item.

        Args:
            depth: Depth of the shards that the rows are from. See `depth`.
        """
        self.depth = depth
        for number in self.stored.settle(depth or 0):
            self._drop(number)

    def match_folders(self, folders: Callable[[], Iterable[str]]) -> list[str]:
        """Return the folders that have no row, and drop the rows that have no folder.

        Args:
            folders: Returns the folders of the mirror that can belong to items.
        """
        names = {collection_folder(name) for name in self.collections if name is not None}
        written = {item_folder(key) for key in self._changed if self.stored.find(key) is None}
        rest = self._folders.rest(folders(), names, written)
        if rest is not None:
            return rest
        unknown, missing = compare_folders(self.stored, self._hidden_numbers, folders)
        for number in missing:
            self._drop(number)
        return [folder for folder in unknown if folder not in written]

    def invalidate(self, key: Key) -> None:
        """Record that the index has a row that cannot be used, or lacks the row of a document.

        Args:
            key: Key of the item.
        """
        self.outdated.add_unclear(key, place_of(key))

    @property
    def has_changes(self) -> bool:
        """Whether an item of the mirror changed since the index was written."""
        return bool(self._changed or self._hidden or self.outdated.has_links)

    @property
    def changed_keys(self) -> Set[Key]:
        """Items with a changed row. Changes in `outdated.unclear` are unknown."""
        return self._changed.keys() | self._hidden.keys()

    @property
    def is_outdated(self) -> bool:
        """Whether a shard of the index must be written."""
        return bool(self.outdated) or self.depth is None

    def stored_with_digest(self, place: int, digest: int) -> int | None:
        """Return the number of a complete row with a digest of the source, if unchanged by the run.

        Args:
            place: Place of the item.
            digest: Digest of the item at the source. See `source_digest`.
        """
        number = self.stored.with_digest(place, digest)
        return None if number is None or number in self._hidden_numbers else number

    def unseen(self, has_number: Callable[[int], bool], others: Set[Key]) -> Iterator[Key]:
        """Yield the keys of the rows that are not in a set of items.

        Args:
            has_number: Returns whether the item of a stored row is in the set.
            others: The other items in the set.
        """
        self.unread.require_all()
        for key, number in [(key, self.stored.find(key)) for key in self._changed]:
            if key not in others and (number is None or not has_number(number)):
                yield key
        for number in range(len(self.stored)):
            if not has_number(number) and number not in self._hidden_numbers:
                yield self.stored.row(number).key

    def learn(self, key: Key, digest: int) -> None:
        """Add the digest of the source to a row without a digest.

        Args:
            key: Key of the item.
            digest: Digest of the item at the source. See `source_digest`.
        """
        if key in self._changed:
            self[key] = dataclasses.replace(self[key], source_digest=digest)
            return
        number = self._number(key)
        if number is not None:
            self.stored.learn(number, digest)
            self.outdated.add_row(self.stored.place(number))

    def at(self, places: Set[int]) -> Iterator[Key]:
        """Yield the keys of the rows with some places.

        Args:
            places: The places.
        """
        self.unread.require_places(places)
        for place in places:
            yield from [key for _, key in self._changed.between(place, place + 1)]
            for number in self.stored.at(place):
                if number not in self._hidden_numbers:
                    yield self.stored.row(number).key

    def of_collection(self, collection: str | None) -> Iterator[IndexRow]:
        """Yield the rows of a collection.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        self.unread.require_collection(collection)
        yield from self._read_of(collection)

    def first_of(self, collection: str | None) -> IndexRow | None:
        """Return a row of a collection, if any. At most a few shards are read.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        names = iter(self.unread.names_of(collection))
        while (row := next(self._read_of(collection), None)) is None:
            name = next(names, None)
            if name is None:
                return None
            self.unread.require([name])
        return row

    def shards(self, names: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the names of shards with the encoded rows of each, ordered by place.

        Args:
            names: Names of the shards.
        """
        for name in names:
            changed = self._changed.between(first_place(name), end_place(name))
            lines = ((place, self._changed[key]) for place, key in changed)
            yield name, (line for _, line in merge(lines, self._stored_of(name)))

    def keys_of_shard(self, name: str) -> Iterator[Key]:
        """Yield the keys of the rows of a shard.

        Args:
            name: Name of the shard.
        """
        start, end = first_place(name), end_place(name)
        self.unread.require_part(name)
        yield from [key for _, key in self._changed.between(start, end)]
        for number in self.stored.between(start, end):
            if number not in self._hidden_numbers:
                yield self.stored.row(number).key

    def changes_of(self, collection: str | None) -> list[RowChange] | None:
        """Return the changes of the rows of a collection, or None if changes are not known.

        Changes are not known if rows could not be used.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        if self.depth is None or self.outdated.is_unclear(collection):
            return None
        keys = {key for key in self._changed if key.collection == collection}
        keys.update(key for key in self._hidden if key.collection == collection)
        return [
            RowChange(
                self.stored.row(self._hidden[key]) if key in self._hidden else None, self.get(key)
            )
            for key in keys
        ]

    def _read_of(self, collection: str | None) -> Iterator[IndexRow]:
        for key in list(self._changed):
            if key.collection == collection:
                yield self[key]
        for number in self.stored.of_collection(collection):
            if number not in self._hidden_numbers:
                yield self.stored.row(number)

    def _stored_of(self, name: str) -> Iterator[tuple[int, bytes]]:
        for number in self.stored.between(first_place(name), end_place(name)):
            if number in self._hidden_numbers:
                continue
            line = self.stored.line(number)
            if self.stored.is_learned(number):
                digest = self.stored.digest(number)
                row = dataclasses.replace(IndexRow.from_line(line), source_digest=digest)
                line = row.to_line()
            yield self.stored.place(number), line

    def _number(self, key: Key) -> int | None:
        number = self.stored.find(key)  # Of several rows of an item, only the first is visible.
        return None if number in self._hidden_numbers else number

    def _hide(self, key: Key, place: int) -> bool:
        """Hide the stored row of an item, and return whether a row was visible before."""
        number = self.stored.find(key, place)
        if number is None or number in self._hidden_numbers:
            return False
        self._hidden[key] = number
        self._hidden_numbers.add(number)
        return True

    def _drop(self, number: int) -> None:
        """Leave out a stored row, as if the run had not read the row."""
        key = self.stored.row(number).key
        self._hidden_numbers.add(number)
        self._folders.remove(item_folder(key))
        self.collections[key.collection] -= 1
        if self._number(key) is None:  # Otherwise, another row of the item is used.
            self._missing_files.pop(key, None)
            self.incomplete.discard(key)
        self.invalidate(key)

    def _record(self, row: IndexRow) -> None:
        key = row.key
        self.asset_keys.update(dict.fromkeys(row.version.assets))
        if row.missing_files:
            self._missing_files[key] = row.missing_files
        else:
            self._missing_files.pop(key, None)
        if row.failed or row.missing_files:
            self.incomplete.add(key)
        else:
            self.incomplete.discard(key)
