"""Internal: the rows of a mirror's index that a run changed, as encoded lines."""

from __future__ import annotations

from bisect import bisect_left
from operator import itemgetter

from stac_asset.mirror.source_item import Key
from stac_asset.mirror.state.placement import place_of

_place_in = itemgetter(0)


class ChangedRows(dict[Key, bytes]):
    """Encoded rows by key, which can be found by place."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[tuple[int, Key]] | None = None
        """Places and keys in the order of the places. None after a change of the keys."""

    def __setitem__(self, key: Key, line: bytes) -> None:
        if key not in self:
            self._order = None
        super().__setitem__(key, line)

    def remove(self, key: Key) -> bool:
        """Remove a row, and return whether there was one.

        Args:
            key: Key of the item.
        """
        self._order = None
        return self.pop(key, None) is not None

    def between(self, start: int, end: int) -> list[tuple[int, Key]]:
        """Return the places and keys of the rows in a range of places, ordered by place.

        Args:
            start: The lowest place.
            end: The lowest place after the range.
        """
        if self._order is None:
            self._order = sorted(((place_of(key), key) for key in self), key=_place_in)
        first = bisect_left(self._order, start, key=_place_in)
        return self._order[first : bisect_left(self._order, end, first, key=_place_in)]
