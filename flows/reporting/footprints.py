"""Simplified outlines of items in longitude and latitude.

`statistics` collects the outlines of a run, and `pictures` draws them on a map. Each outline has a
limited number of points, so that some hundreds of outlines fit in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import pystac

from stac_asset.plan.owners import Owner
from stac_asset.stac.geometry import ring_of_box, rings_of

Outline: TypeAlias = list[tuple[float, float]]
"""Longitudes and latitudes of a ring or line, or of a single point."""

_MAX_POINTS = 64
"""Approximate maximum number of points per outline."""

_MAX_OUTLINES = 64
"""Maximum number of outlines per item."""


def outlines(owner: Owner) -> list[Outline]:
    """Return the outer rings of an item's geometry, or of a collection's spatial extent.

    Invalid geometries have no outlines: a run must not fail because of a picture.

    Args:
        owner: The item or collection.
    """
    try:
        rings: Iterable[Sequence[Sequence[float]]]
        if not isinstance(owner, pystac.Item):
            rings = [ring_of_box(box) for box in owner.extent.spatial.bboxes if box]
        elif owner.geometry:
            rings = rings_of(owner.geometry)
        else:
            rings = [ring_of_box(owner.bbox)] if owner.bbox else []
        found = [_simplify(ring) for ring in rings]
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        return []
    return [outline for outline in found if outline][:_MAX_OUTLINES]


def _simplify(positions: Sequence[Sequence[float]]) -> Outline:
    """Return every n-th position, or no position if a coordinate is not finite."""
    step = max(1, -(-len(positions) // _MAX_POINTS))
    selected = [*positions[::step], *positions[-1:]] if step > 1 else positions
    outline = [(float(position[0]), float(position[1])) for position in selected]
    return outline if all(math.isfinite(value) for point in outline for value in point) else []
