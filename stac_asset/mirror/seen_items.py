"""The items of a source that a run has seen, in little memory.

A source can have a million items. An item with a stored row is one bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Set

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import place_of
from stac_asset.mirror.state.rows import Rows


class SeenItems(Set[Key]):
    """A set of items.

    Args:
        rows: The rows of the mirror.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._bits = bytearray()
        self._count = 0
        self._others: set[Key] = set()
        """Items without a stored row."""

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, Key):
            return False
        if key in self._others:
            return True
        number = self._rows.stored.find(key, place_of(key)) if self._count else None
        return number is not None and self.has_number(number)

    def __iter__(self) -> Iterator[Key]:
        yield from self._others
        for number in range(8 * len(self._bits)):
            if self.has_number(number):
                yield self._rows.stored.row(number).key

    def __len__(self) -> int:
        return self._count + len(self._others)

    def unseen(self) -> Iterator[Key]:
        """Yield the items of the mirror that are not in the set."""
        return self._rows.unseen(self.has_number, self._others)

    def add(self, key: Key) -> None:
        """Add an item.

        Args:
            key: Key of the item.
        """
        number = self._rows.stored.find(key, place_of(key))
        if number is None:
            self._others.add(key)
        else:
            self.add_number(number)

    def has_number(self, number: int) -> bool:
        """Return whether the item of a stored row was seen.

        Args:
            number: Number of the row.
        """
        index = number >> 3
        return index < len(self._bits) and bool(self._bits[index] >> (number & 7) & 1)

    def add_number(self, number: int) -> None:
        """Add the item of a stored row.

        Args:
            number: Number of the row.
        """
        if self.has_number(number):
            return
        index = number >> 3
        if index >= len(self._bits):
            self._bits.extend(bytes(index + 1 - len(self._bits)))
        self._bits[index] |= 1 << (number & 7)
        self._count += 1
