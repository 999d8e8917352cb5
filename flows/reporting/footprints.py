"""The outlines of items in longitude and latitude, coarse enough to keep some hundreds of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import pystac

from stac_asset.plan.planner import Owner

Outline: TypeAlias = list[tuple[float, float]]
"""Longitudes and latitudes of a ring; of a single point where the geometry is one."""

_POINTS = 64
"""Points of an outline, and outlines of an item, at most."""


def outlines(owner: Owner) -> list[Outline]:
    """Returns the outer rings of an item's geometry, or of a collection's spatial extent.

    What is no geometry has none: a picture is no reason to fail.

    Args:
        owner: The item, or collection.
    """
    try:
        if isinstance(owner, pystac.Item):
            found = list(_rings(owner.geometry) if owner.geometry else _boxes([owner.bbox]))
        else:
            found = list(_boxes(owner.extent.spatial.bboxes))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError):
        return []
    return [ring for ring in found if ring][:_POINTS]


def _rings(geometry: dict[str, Any]) -> Iterator[Outline]:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", ())
    match kind:
        case "Point":
            yield _outline([coordinates])
        case "MultiPoint":
            yield from (_outline([point]) for point in coordinates)
        case "LineString":
            yield _outline(coordinates)
        case "MultiLineString":
            yield from (_outline(line) for line in coordinates)
        case "Polygon":
            yield _outline(coordinates[0])
        case "MultiPolygon":
            yield from (_outline(polygon[0]) for polygon in coordinates)
        case "GeometryCollection":
            for part in geometry["geometries"]:
                yield from _rings(part)


def _boxes(boxes: Any) -> Iterator[Outline]:
    for box in boxes:
        if box:
            half = len(box) // 2
            west, south, east, north = box[0], box[1], box[half], box[half + 1]
            corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
            yield _outline(corners)


def _outline(points: Any) -> Outline:
    step = max(1, -(-len(points) // _POINTS))
    kept = [*points[::step], *points[-1:]] if step > 1 else points
    outline = [(float(point[0]), float(point[1])) for point in kept]
    return outline if all(math.isfinite(value) for point in outline for value in point) else []
