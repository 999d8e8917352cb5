"""The rows of a mirror's index in memory.

A mirror can have very many items, and a run compares each item once. So each row stays an encoded
line, and is decoded for each access. Lines of rows that did not change are written as they were
read.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.row import IndexRow


class _Stored(NamedTuple):
    """A row in memory."""

    key: Key
    """The key in memory, which decoded rows share."""

    line: bytes
    """The encoded row."""


class Rows(MutableMapping[Key, IndexRow]):
    """The rows of a mirror, by key. Rows are values: a changed row must be assigned again."""

    def __init__(self) -> None:
        self._stored: dict[Key, _Stored] = {}
        self._missing_files: dict[Key, tuple[str, ...]] = {}
        """Field `missing_files` of the rows that have such files."""
        self.incomplete: set[Key] = set()
        """Items with failed assets, or with missing files."""
        self.asset_keys: dict[str, None] = {}
        """Keys of the assets of all rows so far, in the order of the rows."""

    def __getitem__(self, key: Key) -> IndexRow:
        stored = self._stored[key]
        return IndexRow.from_line(stored.line, stored.key, self._missing_files.get(key, ()))

    def __setitem__(self, key: Key, row: IndexRow) -> None:
        self.add(row, row.to_line())

    def __delitem__(self, key: Key) -> None:
        del self._stored[key]
        self._missing_files.pop(key, None)
        self.incomplete.discard(key)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def add(self, row: IndexRow, line: bytes) -> None:
        """Add or replace a row.

        Args:
            row: The row.
            line: The encoded row.
        """
        key = row.key
        self._stored[key] = _Stored(key, line)
        self.asset_keys.update(dict.fromkeys(row.version.assets))
        if row.missing_files:
            self._missing_files[key] = row.missing_files
        else:
            self._missing_files.pop(key, None)
        if row.failed or row.missing_files:
            self.incomplete.add(key)
        else:
            self.incomplete.discard(key)

    def lines(self) -> Iterator[bytes]:
        """Yield the encoded rows, ordered by collection and id."""
        for key in sorted(self._stored, key=_order):
            yield self._stored[key].line


def _order(key: Key) -> tuple[str, str]:
    return key.collection or "", key.id
