"""Bounding boxes and GeoJSON geometries.

The only module that computes with coordinates. Mirrors compare search areas with items,
and write the extents of collections. The flows draw the outlines of items on maps.

Bounding boxes follow RFC 7946, section 5 (https://www.rfc-editor.org/rfc/rfc7946#section-5): west,
south, east, north in degrees, or six numbers that include heights. A west that is greater than the
east crosses the antimeridian.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
"""West, south, east and north in degrees."""

GEOMETRY_TYPES = frozenset(
    {
        "Point",
        "MultiPoint",
        "LineString",
        "MultiLineString",
        "Polygon",
        "MultiPolygon",
        "GeometryCollection",
    }
)
"""The geometry types of GeoJSON (RFC 7946, section 1.4)."""


def bbox_of(document: Mapping[str, Any]) -> list[float] | None:
    """Return the bounding box of an item, if valid.

    Args:
        document: The item's document, of any shape.
    """
    bbox = document.get("bbox")
    if not isinstance(bbox, list) or len(bbox) not in (4, 6):
        return None
    return bbox if all(map(_is_finite_number, bbox)) else None


def without_heights(bbox: Sequence[float]) -> Box:
    """Return the west, south, east and north of a bounding box.

    Args:
        bbox: Four numbers, or six with heights.
    """
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def enclosing_box(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box around several boxes, if any.

    Args:
        boxes: The boxes, none of which crosses the antimeridian.
    """
    listed = list(boxes)
    if not listed:
        return None
    west, south, east, north = zip(*listed, strict=True)
    return min(west), min(south), max(east), max(north)


def boxes_overlap(first: Box, second: Box) -> bool:
    """Return whether two boxes have a point in common.

    Args:
        first: A box, which may cross the antimeridian.
        second: Another box, which may cross the antimeridian.
    """
    if first[3] < second[1] or second[3] < first[1]:
        return False
    return any(
        west <= other_east and other_west <= east
        for west, east in _longitude_ranges(first)
        for other_west, other_east in _longitude_ranges(second)
    )


def bounds_of(geometry: Mapping[str, Any] | None) -> Box | None:
    """Return the bounding box of a geometry, if the geometry has coordinates.

    Args:
        geometry: A GeoJSON geometry of any type.
    """
    points: list[tuple[float, float]] = []
    pending: list[Any] = [geometry]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending += [value.get("coordinates"), value.get("geometries")]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if len(value) >= 2 and all(isinstance(number, int | float) for number in value):
                points.append((float(value[0]), float(value[1])))
            else:
                pending += value
    return enclosing_box((x, y, x, y) for x, y in points)


def rings_of(geometry: Mapping[str, Any]) -> Iterator[Sequence[Sequence[float]]]:
    """Yield the positions of each point, line and outer ring of a geometry.

    Args:
        geometry: A GeoJSON geometry. Unknown types yield nothing.

    Raises:
        LookupError: Coordinates are missing.
        TypeError: Coordinates do not have the shape that the type requires.
    """
    kind, coordinates = geometry.get("type"), geometry.get("coordinates", ())
    match kind:
        case "Point":
            yield [coordinates]
        case "MultiPoint":
            yield from ([point] for point in coordinates)
        case "LineString":
            yield coordinates
        case "MultiLineString":
            yield from coordinates
        case "Polygon":
            yield coordinates[0]
        case "MultiPolygon":
            yield from (polygon[0] for polygon in coordinates)
        case "GeometryCollection":
            for part in geometry["geometries"]:
                yield from rings_of(part)


def ring_of_box(bbox: Sequence[float]) -> list[tuple[float, float]]:
    """Return the closed ring of a bounding box's four corners.

    Args:
        bbox: Four numbers, or six with heights.
    """
    west, south, east, north = without_heights(bbox)
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _longitude_ranges(box: Box) -> list[tuple[float, float]]:
    """Return the range of longitudes of a box, or two ranges across the antimeridian."""
    west, east = box[0], box[2]
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _is_finite_number(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # An integer too large for a float.
        return False
