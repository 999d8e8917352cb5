"""Internal: the rows of a mirror's index as a run read them, in little memory.

A mirror can have a million rows. The encoded rows are in a temporary file. Arrays hold the few
values that each run compares, about 40 bytes per row.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import bits_below, place_of
from stac_asset.mirror.state.row import IndexRow
from stac_asset.mirror.state.unread_shards import UnreadShards

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum number of bytes of encoded rows in memory."""

_NONE = range(0)


class StoredRows:
    """Rows by number. The rows of a shard have adjacent numbers, in the order of their places."""

    def __init__(self) -> None:
        self._recent = bytearray()
        """The last encoded rows, which are not in the file yet."""
        self._in_file = 0
        """Number of bytes in the file."""
        self._file: int | None = None
        self._places = array("Q")
        self._offsets = array("Q")
        self._lengths = array("I")
        self._digests = array("Q")
        self._learned = bytearray()
        """1 for each row that got its digest in this run."""
        self._sources = array("I")
        self._collections = array("I")
        self._names: dict[str | None, int] = {}
        """Numbers of sources and collections, in the order of the numbers."""
        self._texts: list[str | None] = []
        self.unread = UnreadShards()
        """The shards that the run has not read."""
        self._shards: dict[int, range] = {}
        """Numbers of the rows of each shard, by the first digits of the places."""
        self._shift = bits_below(0)
        """Number of bits of a place after the digits of the shard."""
        self._settled = 0
        """Number of rows at the last call of `settle`."""

    def __len__(self) -> int:
        return len(self._places)

    def append(self, line: bytes, source: str, collection: str | None, place: int) -> None:
        """Add a row. Call `settle` after the last row.

        Args:
            line: The encoded row.
            source: Source of the item.
            collection: Collection of the item.
            place: Place of the item.
        """
        if len(self._recent) > _MAX_MEMORY:
            self._flush()
        self._places.append(place)
        self._offsets.append(self._in_file + len(self._recent))
        self._lengths.append(len(line))
        self._digests.append(0)
        self._learned.append(0)
        self._sources.append(self._number(source))
        self._collections.append(self._number(collection))
        self._recent += line

    def settle(self, depth: int) -> list[int]:
        """Order the rows that were added since the last call, and return repeated rows.

        Args:
            depth: Depth of the shards. The same in each call. The rows of a shard are added
                between two calls.

        Returns:
            The numbers of rows whose item has an earlier row.
        """
        places, start, end = self._places, self._settled, len(self._places)
        self._shift = bits_below(depth)
        if any(places[number] > places[number + 1] for number in range(start, end - 1)):
            order = array("I", sorted(range(start, end), key=places.__getitem__))
            for name in ("_places", "_offsets", "_lengths", "_digests", "_sources", "_collections"):
                column = getattr(self, name)
                column[start:] = array(column.typecode, map(column.__getitem__, order))
            places = self._places
        number = start
        while number < end:
            shard = places[number] >> self._shift
            after = bisect_left(places, (shard + 1) << self._shift, number, end)
            self._shards[shard] = range(number, after)
            number = after
        self._settled = end
        return [
            number
            for number in range(start + 1, end)
            if places[number] == places[number - 1] and self._is_repeated(number)
        ]

    def line(self, number: int) -> bytes:
        """Return an encoded row.

        Args:
            number: Number of the row.
        """
        offset, length = self._offsets[number], self._lengths[number]
        if offset >= self._in_file:
            start = offset - self._in_file
            return bytes(self._recent[start : start + length])
        assert self._file is not None, "rows that are not in memory are in the file"
        return os.pread(self._file, length, offset)

    def row(self, number: int) -> IndexRow:
        """Return a row.

        Args:
            number: Number of the row.
        """
        return IndexRow.from_line(self.line(number))

    def every(self, step: int, hidden: Collection[int]) -> Iterator[IndexRow]:
        """Yield every n-th row.

        Args:
            step: The difference between the numbers of two rows.
            hidden: Numbers of rows to leave out.
        """
        numbers = range(0, len(self), step)
        return (self.row(number) for number in numbers if number not in hidden)

    def find(self, key: Key, place: int | None = None) -> int | None:
        """Return the number of the row of an item, if any.

        Args:
            key: Key of the item.
            place: Place of the item, if known.
        """
        for number in self.at(place_of(key) if place is None else place):
            if self.row(number).key == key:
                return number
        return None

    def at(self, place: int) -> range:
        """Return the numbers of the rows with a place.

        Args:
            place: The place.
        """
        places, shard = self._places, self._shard(place)
        first = end = bisect_left(places, place, shard.start, shard.stop)
        while end < shard.stop and places[end] == place:
            end += 1
        return range(first, end)

    def between(self, start: int, end: int) -> Iterator[int]:
        """Yield the numbers of the rows in a range of places, ordered by place.

        Args:
            start: The lowest place.
            end: The lowest place after the range.
        """
        places = self._places
        for name in range(start >> self._shift, ((end - 1) >> self._shift) + 1):
            shard = self._shard(name << self._shift)
            first = bisect_left(places, start, shard.start, shard.stop)
            yield from range(first, bisect_left(places, end, first, shard.stop))

    def with_digest(self, place: int, digest: int) -> int | None:
        """Return the number of the row with a place and a digest, if any.

        Args:
            place: The place of an item.
            digest: The digest of the item at the source, which is not 0.
        """
        digests = self._digests
        for number in self.at(place):
            if digests[number] == digest:
                return number
        return None

    def place(self, number: int) -> int:
        """Return the place of a row."""
        return self._places[number]

    def digest(self, number: int) -> int:
        """Return the digest of a row that `with_digest` compares, or 0."""
        return self._digests[number]

    def set_digest(self, number: int, digest: int) -> None:
        """Set the digest of a row that `with_digest` compares.

        Args:
            number: Number of the row.
            digest: The digest. Rows without a digest are compared as a whole.
        """
        self._digests[number] = digest

    def learn(self, number: int, digest: int) -> None:
        """Add a digest to a row that was read without a digest.

        Args:
            number: Number of the row.
            digest: The digest.
        """
        self._digests[number] = digest
        self._learned[number] = 1

    def is_learned(self, number: int) -> bool:
        """Return whether a row got its digest in this run."""
        return bool(self._learned[number])

    def source(self, number: int) -> str:
        """Return the source of a row."""
        return str(self._texts[self._sources[number]])

    def collection(self, number: int) -> str | None:
        """Return the collection of a row."""
        return self._texts[self._collections[number]]

    def of_collection(self, collection: str | None) -> Iterator[int]:
        """Yield the numbers of the rows of a collection.

        Args:
            collection: Id of the collection, or None for items without a collection.
        """
        wanted = self._names.get(collection)
        if wanted is not None:
            yield from (number for number, one in enumerate(self._collections) if one == wanted)

    def _shard(self, place: int) -> range:
        """Return the numbers of the rows of the shard with a place. Blocks if not read yet."""
        if self.unread:
            self.unread.require_places([place])
        return self._shards.get(place >> self._shift, _NONE)

    def _is_repeated(self, number: int) -> bool:
        """Return whether an earlier row with the same place is of the same item."""
        earlier = range(self.at(self._places[number]).start, number)
        return self.row(number).key in {self.row(other).key for other in earlier}

    def _number(self, text: str | None) -> int:
        number = self._names.get(text)
        if number is None:
            number = self._names[text] = len(self._texts)
            self._texts.append(text)
        return number

    def _flush(self) -> None:
        if self._file is None:
            file = tempfile.TemporaryFile()  # noqa: SIM115 # closed by the finalizer
            weakref.finalize(self, file.close)
            self._file = file.fileno()
        data = memoryview(self._recent)
        while data:
            written = os.pwrite(self._file, data, self._in_file)
            self._in_file += written
            data = data[written:]
        self._recent = bytearray()
