"""Internal: a set of keys of items that needs 16 to 32 bytes per key.

The set holds hashes of 64 bits. The chance that two of a million keys have the same hash is below
one in ten million. Python's hashes differ from process to process, so no item is lost in each run.
"""

from __future__ import annotations

import os
from array import array

from stac_asset.mirror.source_item import Key

_FIRST_SLOTS = 1024
"""Number of slots of a new set, a power of two."""

_BITS = (1 << 64) - 1


class CompactKeys:
    """A set of keys, in an open-addressing hash table."""

    def __init__(self) -> None:
        self._salt = os.urandom(16)
        self._slots = array("Q", bytes(8 * _FIRST_SLOTS))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: Key) -> bool:
        """Add a key, and return whether the key is new.

        Args:
            key: Key of an item.
        """
        # Python's hash of texts is keyed, and takes a fifth of the time of a cryptographic hash.
        value = hash((self._salt, key)) & _BITS or 1
        if not _insert(self._slots, value):
            return False
        self._count += 1
        if 2 * self._count > len(self._slots):
            larger = array("Q", bytes(16 * len(self._slots)))
            for entry in self._slots:
                if entry:
                    _insert(larger, entry)
            self._slots = larger
        return True


def _insert(slots: array[int], value: int) -> bool:
    """Insert a value that is not 0, and return whether the value is new."""
    mask = len(slots) - 1
    index = value & mask
    while slots[index]:
        if slots[index] == value:
            return False
        index = (index + 1) & mask
    slots[index] = value
    return True
