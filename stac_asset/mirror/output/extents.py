"""Spatial and temporal extents of the items of a collection in a mirror."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stac_asset.mirror.search.window import moment, rfc3339
from stac_asset.mirror.state.row import IndexRow, RowChange
from stac_asset.stac.geometry import Box, enclosing_box, merged_longitudes, without_heights

_MAX_LONGITUDES = 10_000
"""Number of different ranges of longitudes above which overlapping ranges are merged."""


@dataclass(slots=True)
class ItemsExtent:
    """The extent of some items."""

    _longitudes: set[tuple[float, float]] = field(default_factory=set)
    """West and east of the bounding boxes. Many items have the same."""

    _south: float = math.inf
    _north: float = -math.inf
    _start: datetime | None = None
    _end: datetime | None = None
    _next_merge: int = _MAX_LONGITUDES

    @classmethod
    def of(cls, rows: Iterable[IndexRow]) -> ItemsExtent:
        """Return the extent of items.

        Args:
            rows: Rows of the items. Only one row is held at a time.
        """
        extent = cls()
        for row in rows:
            extent.add(row.bbox, row.span)
        return extent

    def add(
        self, bbox: Sequence[float] | None, span: tuple[str | None, str | None] = (None, None)
    ) -> None:
        """Add an item.

        Args:
            bbox: Bounding box of the item, as in GeoJSON.
            span: First and last time of the item (RFC 3339).
        """
        if bbox is not None:
            west, south, east, north = without_heights(bbox)
            self._longitudes.add((west, east))
            self._south, self._north = min(self._south, south), max(self._north, north)
            if len(self._longitudes) > self._next_merge:
                self._longitudes = set(merged_longitudes(self._longitudes))
                self._next_merge = max(_MAX_LONGITUDES, 2 * len(self._longitudes))
        start = moment(span[0])
        end = start if span[1] == span[0] else moment(span[1])
        if start is not None and (self._start is None or start < self._start):
            self._start = start
        if end is not None and (self._end is None or end > self._end):
            self._end = end

    @property
    def box(self) -> Box | None:
        """The smallest box around the items, if any item has a position."""
        return enclosing_box(
            (west, self._south, east, self._north) for west, east in self._longitudes
        )

    def merged_into(self, declared: Any) -> dict[str, Any]:
        """Return the extent of a collection with the extent of the items.

        Args:
            declared: The extent of the collection at the source, of any shape. Facts that the items
                do not have are taken from there.
        """
        extent: dict[str, Any] = dict(declared) if isinstance(declared, dict) else {}
        box = self.box
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


def extent_after(recorded: Any, changes: Sequence[RowChange]) -> ItemsExtent | None:
    """Return the extent of items after changes, or None if all items must be read.

    Args:
        recorded: The extent of the collection in the mirror before the changes, of any shape. The
            items have positions and times.
        changes: The changes.
    """
    extent = ItemsExtent()
    try:
        (box,), ((start, end),) = recorded["spatial"]["bbox"], recorded["temporal"]["interval"]
        west, _, east, _ = without_heights(box)
        extent.add(box, (start, end))
    except (TypeError, ValueError, LookupError):
        return None
    if moment(start) is None or moment(end) is None:
        return None
    for before, after in changes:
        if after is None:
            return None
        if before is not None and (before.bbox, before.span) != (after.bbox, after.span):
            return None
        if before is None:
            extent.add(after.bbox, after.span)
    found = extent.box
    # Across the antimeridian, the widest gap between all items decides.
    is_plain = found is not None and -180.0 < found[0] <= found[2] < 180.0
    is_same = found is not None and (found[0], found[2]) == (west, east)
    return extent if is_plain or is_same else None
