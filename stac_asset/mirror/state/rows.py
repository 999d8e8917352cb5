"""The rows of a mirror's index during a run.

A mirror can have many items, and a run changes few. The rows that a run read stay in `StoredRows`,
and changed rows are encoded lines. The rows also know which shards and catalogs are outdated.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Set
from heapq import merge

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.folders import compare_folders
from stac_asset.mirror.state.placement import (
    end_place,
    first_place,
    part_of,
    place_of,
    shard_names,
    shard_of,
)
from stac_asset.mirror.state.row import IndexRow, RowChange
from stac_asset.mirror.state.stored_rows import StoredRows


class Rows(MutableMapping[Key, IndexRow]):
    """The rows of a mirror, by key. Rows are values: a changed row must be assigned again."""

    def __init__(self) -> None:
        self._stored = StoredRows()
        self._changed: dict[Key, bytes] = {}
        """Encoded rows that replace or complete the stored rows."""
        self._hidden: dict[Key, int] = {}
        """Numbers of stored rows that were replaced or removed, by key."""
        self._hidden_numbers: set[int] = set()
        self._missing_files: dict[Key, tuple[str, ...]] = {}
        """Field `missing_files` of the rows that have such files."""
        self._outdated: set[int] = set()
        """Outdated parts of the index. See `part_of`."""
        self._unsettled: defaultdict[str | None, set[int]] = defaultdict(set)
        """Outdated parts of the links to items, by collection. See `part_of`."""
        self._unclear: set[str | None] = set()
        """Collections with rows that could not be used."""
        self.unclear_parts: set[int] = set()
        """Parts of the index with unusable rows, so that changes are unknown. See `part_of`."""
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
            line = self._stored.line(number)
        return IndexRow.from_line(line, key, self._missing_files.get(key, ()))

    def __setitem__(self, key: Key, row: IndexRow) -> None:
        place = place_of(key)
        if key not in self._changed and not self._hide(key, place):
            self.collections[key.collection] += 1
            self._unsettled[key.collection].add(part_of(place))
        self._changed[key] = row.to_line()
        self._outdated.add(part_of(place))
        self._record(row)

    def __delitem__(self, key: Key) -> None:
        place = place_of(key)
        is_stored = self._hide(key, place)
        if self._changed.pop(key, None) is None and not is_stored:
            raise KeyError(key)
        self._missing_files.pop(key, None)
        self.incomplete.discard(key)
        self.collections[key.collection] -= 1
        self._mark(key, place)

    def __iter__(self) -> Iterator[Key]:
        yield from list(self._changed)
        for number in range(len(self._stored)):
            if number not in self._hidden_numbers:
                yield self._stored.row(number).key

    def __len__(self) -> int:
        return len(self._changed) + len(self._stored) - len(self._hidden_numbers)

    def __contains__(self, key: object) -> bool:
        return key in self._changed or (isinstance(key, Key) and self._number(key) is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and dict(self.items()) == dict(other.items())

    __hash__ = None  # type: ignore[assignment] # mutable

    def every(self, step: int) -> Iterator[IndexRow]:
        """Yield every n-th row, where n is `step`. Other rows are not decoded."""
        yield from self._stored.every(step, self._hidden_numbers)
        yield from (self[key] for key in list(self._changed)[::step])

    def read(self, row: IndexRow, line: bytes) -> None:
        """Add a row that the run read. Call `settle` after the last row.

        Args:
            row: The row.
            line: The encoded row.
        """
        self._stored.append(row, line, place_of(row.key))
        self.collections[row.key.collection] += 1
        if row.source_digest is not None and not (row.failed or row.removed or row.missing_files):
            self._stored.set_digest(len(self._stored) - 1, row.source_digest)
        self._record(row)

    def settle(self, depth: int | None) -> None:
        """Order the rows that the run read, and use the first of several rows of an item.

        Args:
            depth: Depth of the shards that the rows are from. See `depth`.
        """
        self.depth = depth
        self._stored.sort()
        for number in self._stored.repeated():
            self._drop(number)

    def match_folders(self, folders: Callable[[], Iterable[str]]) -> list[str]:
        """Return the folders that have no row, and drop the rows that have no folder.

        Args:
            folders: Returns the folders of the mirror that can belong to items.
        """
        unknown, missing = compare_folders(self._stored, self._hidden_numbers, folders)
        for number in missing:
            self._drop(number)
        return unknown

    def invalidate(self, key: Key) -> None:
        """Record that the index has a row that cannot be used, or lacks the row of a document.

        Args:
            key: Key of the item.
        """
        place = place_of(key)
        self._unclear.add(key.collection)
        self.unclear_parts.add(part_of(place))
        self._mark(key, place)

    @property
    def has_changes(self) -> bool:
        """Whether an item of the mirror changed since the index was written."""
        return bool(self._changed or self._hidden or self._unsettled)

    @property
    def changed_keys(self) -> Set[Key]:
        """Items with a changed row. Changes in `unclear_parts` are unknown."""
        return self._changed.keys() | self._hidden.keys()

    @property
    def changed_parts(self) -> set[int]:
        """The parts of the index with changed items. See `part_of`."""
        return self.unclear_parts | {part_of(place_of(key)) for key in self.changed_keys}

    @property
    def is_outdated(self) -> bool:
        """Whether a shard of the index must be written."""
        return bool(self._outdated) or self.depth is None

    def outdated_shards(self, depth: int) -> list[str]:
        """Return the names of the shards of the index that must be written.

        Args:
            depth: Depth of the shards.
        """
        if depth != self.depth:
            return list(shard_names(depth))
        return sorted({shard_of(part, depth) for part in self._outdated})

    def outdated_links(self, collection: str | None) -> frozenset[int]:
        """Return the parts with outdated links to items. See `part_of`.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        return frozenset(self._unsettled.get(collection, ()))

    def stored_with_digest(self, place: int, digest: int) -> int | None:
        """Return the number of a complete row with a digest of the source, if unchanged by the run.

        Args:
            place: Place of the item.
            digest: Digest of the item at the source. See `source_digest`.
        """
        number = self._stored.with_digest(place, digest)
        return None if number is None or number in self._hidden_numbers else number

    def unseen(self, has_number: Callable[[int], bool], others: Set[Key]) -> Iterator[Key]:
        """Yield the keys of the rows that are not in a set of items.

        Args:
            has_number: Returns whether the item of a stored row is in the set.
            others: The other items in the set.
        """
        for key, number in [(key, self._stored.find(key)) for key in self._changed]:
            if key not in others and (number is None or not has_number(number)):
                yield key
        for number in range(len(self._stored)):
            if not has_number(number) and number not in self._hidden_numbers:
                yield self._stored.row(number).key

    def stored_source(self, number: int) -> str:
        """Return the source of a stored row.

        Args:
            number: Number of the row.
        """
        return self._stored.source(number)

    def stored_number(self, key: Key, place: int) -> int | None:
        """Return the number of the stored row of an item, if any.

        Args:
            key: Key of the item.
            place: Place of the item.
        """
        return self._stored.find(key, place)

    def stored_key(self, number: int) -> Key:
        """Return the key of a stored row.

        Args:
            number: Number of the row.
        """
        return self._stored.row(number).key

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
            self._stored.learn(number, digest)
            self._outdated.add(part_of(self._stored.place(number)))

    def at(self, places: Set[int]) -> Iterator[Key]:
        """Yield the keys of the rows with some places.

        Args:
            places: The places.
        """
        yield from [key for key in self._changed if place_of(key) in places]
        for place in places:
            for number in self._stored.at(place):
                if number not in self._hidden_numbers:
                    yield self._stored.row(number).key

    def of_collection(self, collection: str | None) -> Iterator[IndexRow]:
        """Yield the rows of a collection.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        for key in list(self._changed):
            if key.collection == collection:
                yield self[key]
        for number in self._stored.of_collection(collection):
            if number not in self._hidden_numbers:
                yield self._stored.row(number)

    def shards(self, names: Iterable[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield the names of shards with the encoded rows of each, ordered by place.

        Args:
            names: Names of the shards.
        """
        changed = sorted((place_of(key), line) for key, line in self._changed.items())
        for name in names:
            start, end = (
                bisect_left(changed, (edge(name), b"")) for edge in (first_place, end_place)
            )
            lines = merge(changed[start:end], self._stored_of(name))
            yield name, (line for _, line in lines)

    def keys_of_shard(self, name: str) -> Iterator[Key]:
        """Yield the keys of the rows of a shard.

        Args:
            name: Name of the shard.
        """
        start, end = first_place(name), end_place(name)
        yield from [key for key in self._changed if start <= place_of(key) < end]
        for number in self._stored.between(start, end):
            if number not in self._hidden_numbers:
                yield self._stored.row(number).key

    def changes_of(self, collection: str | None) -> list[RowChange] | None:
        """Return the changes of the rows of a collection, or None if changes are not known.

        Changes are not known if rows could not be used.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        if self.depth is None or collection in self._unclear:
            return None
        keys = {key for key in self._changed if key.collection == collection}
        keys.update(key for key in self._hidden if key.collection == collection)
        return [
            RowChange(
                self._stored.row(self._hidden[key]) if key in self._hidden else None, self.get(key)
            )
            for key in keys
        ]

    def _stored_of(self, name: str) -> Iterator[tuple[int, bytes]]:
        for number in self._stored.between(first_place(name), end_place(name)):
            if number in self._hidden_numbers:
                continue
            line = self._stored.line(number)
            if self._stored.is_learned(number):
                digest = self._stored.digest(number)
                row = dataclasses.replace(IndexRow.from_line(line), source_digest=digest)
                line = row.to_line()
            yield self._stored.place(number), line

    def _number(self, key: Key) -> int | None:
        number = self._stored.find(key)  # Of several rows of an item, only the first is visible.
        return None if number in self._hidden_numbers else number

    def _hide(self, key: Key, place: int) -> bool:
        """Hide the stored row of an item, and return whether a row was visible before."""
        number = self._stored.find(key, place)
        if number is None or number in self._hidden_numbers:
            return False
        self._hidden[key] = number
        self._hidden_numbers.add(number)
        return True

    def _mark(self, key: Key, place: int) -> None:
        """Record that the index and the links to items differ from the rows."""
        self._outdated.add(part_of(place))
        self._unsettled[key.collection].add(part_of(place))

    def _drop(self, number: int) -> None:
        """Leave out a stored row, as if the run had not read the row."""
        key = self._stored.row(number).key
        self._hidden_numbers.add(number)
        self.collections[key.collection] -= 1
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
