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
from stac_asset.mirror.state.placement import place_of
from stac_asset.mirror.state.row import IndexRow

_MAX_MEMORY = 8 * 1024 * 1024
"""Maximum number of bytes of encoded rows in memory."""


class StoredRows:
    """Rows by number, ordered by place. Rows are added first, and then `sort` is called once."""

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

    def __len__(self) -> int:
        return len(self._places)

    def append(self, row: IndexRow, line: bytes, place: int) -> None:
        """Add a row.

        Args:
            row: The row.
            line: The encoded row.
            place: Place of the item.
        """
        if len(self._recent) > _MAX_MEMORY:
            self._flush()
        self._places.append(place)
        self._offsets.append(self._in_file + len(self._recent))
        self._lengths.append(len(line))
        self._digests.append(0)
        self._learned.append(0)
        self._sources.append(self._number(row.source))
        self._collections.append(self._number(row.key.collection))
        self._recent += line

    def sort(self) -> None:
        """Order the rows by place. Rows of shards already are in order."""
        places = self._places
        if all(places[index] <= places[index + 1] for index in range(len(places) - 1)):
            return
        order = array("I", sorted(range(len(places)), key=places.__getitem__))
        for name in ("_places", "_offsets", "_lengths", "_digests", "_sources", "_collections"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, map(column.__getitem__, order)))

    def repeated(self) -> list[int]:
        """Return the numbers of rows whose item has an earlier row."""
        places, found = self._places, []
        for number in range(1, len(places)):
            if places[number] == places[number - 1]:
                earlier = range(self.at(places[number]).start, number)
                if self.row(number).key in {self.row(other).key for other in earlier}:
                    found.append(number)
        return found

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
        places, first = self._places, bisect_left(self._places, place)
        end = first
        while end < len(places) and places[end] == place:
            end += 1
        return range(first, end)

    def between(self, start: int, end: int) -> range:
        """Return the numbers of the rows in a range of places.

        Args:
            start: The lowest place.
            end: The lowest place after the range.
        """
        return range(bisect_left(self._places, start), bisect_left(self._places, end))

    def with_digest(self, place: int, digest: int) -> int | None:
        """Return the number of the row with a place and a digest, if any.

        Args:
            place: The place of an item.
            digest: The digest of the item at the source, which is not 0.
        """
        places, digests = self._places, self._digests
        number = bisect_left(places, place)
        while number < len(places) and places[number] == place:
            if digests[number] == digest:
                return number
            number += 1
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
