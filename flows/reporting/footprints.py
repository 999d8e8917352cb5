"""Simplified outlines of items in longitude and latitude.

`statistics` collects the outlines of a run, and `pictures` draws them on a map. Each outline has a
limited number of points, so that some hundreds of outlines fit in memory.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import pystac

from stac_asset.plan.owners import Owner
from stac_asset.stac.geometry import ring_of_box, rings_of

Outline: TypeAlias = list[tuple[float, float]]
"""Longitudes and latitudes of a ring or line, or of a single point."""

MAX_FOOTPRINTS = 300
"""Maximum number of items with footprints in a sample."""

_MAX_POINTS = 64
"""Approximate maximum number of points per outline."""

_MAX_OUTLINES = 64
"""Maximum number of outlines per item."""


_INVALID = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""Errors of invalid geometries."""


class FootprintSample:
    """A uniform random sample of the footprints of items, with a limited size."""

    def __init__(self) -> None:
        self.footprints: list[list[Outline]] = []
        """The outlines of each item in the sample."""
        self.count = 0
        """Number of items with a footprint, including those that are not in the sample."""
        self._random = random.Random(0)

    def add(self, owner: Owner) -> None:
        """Add the footprint of an item or collection, if any.

        Args:
            owner: The item or collection.
        """
        self._add(outlines(owner))

    def add_box(self, bbox: Sequence[float]) -> None:
        """Add the bounding box of an item.

        Args:
            bbox: Four numbers, or six with heights.
        """
        self._add(_boxes([bbox]))

    def _add(self, footprint: list[Outline]) -> None:
        if not footprint:
            return
        self.count += 1
        # Reservoir sampling: every item is kept with the same probability.
        if len(self.footprints) < MAX_FOOTPRINTS:
            self.footprints.append(footprint)
        elif (at := self._random.randrange(self.count)) < MAX_FOOTPRINTS:
            self.footprints[at] = footprint


def outlines(owner: Owner) -> list[Outline]:
    """Return the outer rings of an item's geometry, or of a collection's spatial extent.

    Invalid geometries have no outlines: a run must not fail because of a picture.

    Args:
        owner: The item or collection.
    """
    try:
        if not isinstance(owner, pystac.Item):
            return _boxes(box for box in owner.extent.spatial.bboxes if box)
        if not owner.geometry:
            return _boxes([owner.bbox] if owner.bbox else [])
        return _usable(rings_of(owner.geometry))
    except _INVALID:
        return []


def _boxes(bboxes: Iterable[Sequence[float]]) -> list[Outline]:
    """Return the outlines of bounding boxes. Invalid boxes have no outlines."""
    try:
        return _usable(map(ring_of_box, bboxes))
    except _INVALID:
        return []


def _usable(rings: Iterable[Sequence[Sequence[float]]]) -> list[Outline]:
    found = map(_simplify, rings)
    return [outline for outline in found if outline][:_MAX_OUTLINES]


def _simplify(positions: Sequence[Sequence[float]]) -> Outline:
    """Return every n-th position, or no position if a coordinate is not finite."""
    step = max(1, -(-len(positions) // _MAX_POINTS))
    selected = [*positions[::step], *positions[-1:]] if step > 1 else positions
    outline = [(float(position[0]), float(position[1])) for position in selected]
    return outline if all(math.isfinite(value) for point in outline for value in point) else []
