"""Facts about the items of a collection in a mirror: their documents, and their extent."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stac_asset.mirror.search.window import moment, rfc3339
from stac_asset.mirror.state.row import IndexRow
from stac_asset.stac.geometry import enclosing_box, without_heights


@dataclass(slots=True)
class MirroredItems:
    """The items of a collection, or the items without a collection."""

    documents: list[str] = field(default_factory=list)
    """Paths of the item documents, relative to the mirror directory."""

    _longitudes: set[tuple[float, float]] = field(default_factory=set)
    """West and east of the bounding boxes. Many items have the same."""

    _south: float = math.inf
    _north: float = -math.inf
    _start: datetime | None = None
    _end: datetime | None = None

    def add(self, row: IndexRow) -> None:
        """Add an item.

        Args:
            row: Row of the item.
        """
        self.documents.append(row.document)
        if row.bbox is not None:
            west, south, east, north = without_heights(row.bbox)
            self._longitudes.add((west, east))
            self._south, self._north = min(self._south, south), max(self._north, north)
        start = moment(row.span[0])
        end = start if row.span[1] == row.span[0] else moment(row.span[1])
        if start is not None and (self._start is None or start < self._start):
            self._start = start
        if end is not None and (self._end is None or end > self._end):
            self._end = end

    def extent(self, declared: Any) -> dict[str, Any]:
        """Return the spatial and temporal extent of the items.

        Args:
            declared: The extent of the collection at the source, of any shape. Facts that the items
                do not have are taken from there.
        """
        extent: dict[str, Any] = dict(declared) if isinstance(declared, dict) else {}
        box = enclosing_box(
            (west, self._south, east, self._north) for west, east in self._longitudes
        )
        if box is not None:
            extent["spatial"] = {"bbox": [list(box)]}
        if self._start is not None and self._end is not None:
            interval = [rfc3339(self._start), rfc3339(self._end)]
            extent["temporal"] = {"interval": [interval]}
        unlimited = {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[None, None]]},
        }
        return unlimited | extent


def by_collection(rows: Iterable[IndexRow]) -> dict[str | None, MirroredItems]:
    """Return the items of each collection, and of None for items without a collection.

    Args:
        rows: The items of a mirror. Only one row is held at a time.
    """
    found: dict[str | None, MirroredItems] = {}
    for row in rows:
        items = found.get(row.key.collection)
        if items is None:
            items = found[row.key.collection] = MirroredItems()
        items.add(row)
    return found
