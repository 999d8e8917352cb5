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

_HALF_TURN = 180.0
"""Degrees of longitude above which two consecutive positions are joined across the antimeridian."""

_DIMENSIONS = 2
"""Minimum number of values in a position: longitude and latitude."""


def bbox_of(document: Mapping[str, Any]) -> list[float] | None:
    """Return the west, south, east and north of an item's bounding box or geometry.

    Bounding boxes are also read if they are nested, or an object as in stac-geoparquet, or if their
    numbers are texts. The geometry is used if the bounding box is missing or invalid. The geometry
    is also used if it crosses the antimeridian and the bounding box is wider than 180 degrees:
    many items across the antimeridian declare a bounding box around the world.

    Args:
        document: The item's document, of any shape.

    Returns:
        The box in degrees, or None if the item has no valid position.
    """
    box = _declared_box(document.get("bbox"))
    if box is None or box[2] - box[0] > _HALF_TURN:
        geometry = document.get("geometry")
        bounds = bounds_of(geometry) if isinstance(geometry, Mapping) else None
        if bounds is not None and (box is None or bounds[0] > bounds[2]):
            box = bounds
    return list(box) if box is not None else None


def without_heights(bbox: Sequence[float]) -> Box:
    """Return the west, south, east and north of a bounding box.

    Args:
        bbox: Four numbers, or six with heights.
    """
    half = len(bbox) // 2
    return bbox[0], bbox[1], bbox[half], bbox[half + 1]


def heights_of(bbox: object) -> tuple[float, float] | None:
    """Return the lowest and the highest height of a bounding box with six valid numbers.

    Args:
        bbox: The bounding box, of any shape.
    """
    if not isinstance(bbox, Sequence) or isinstance(bbox, str) or len(bbox) != 6:
        return None
    low, high = _number(bbox[2]), _number(bbox[5])
    return (min(low, high), max(low, high)) if low is not None and high is not None else None


def split_at_antimeridian(bbox: Sequence[float]) -> list[tuple[float, ...]]:
    """Split a bounding box across the antimeridian into two boxes.

    Args:
        bbox: Four numbers, or six with heights.
    """
    half = len(bbox) // 2
    west, *low = bbox[:half]
    east, *high = bbox[half:]
    if west <= east:
        return [tuple(bbox)]
    parts = [(west, *low, 180.0, *high), (-180.0, *low, east, *high)]
    return [part for part in parts if part[0] != part[half]] or parts[:1]


def enclosing_box(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box around several boxes, if any.

    The result crosses the antimeridian only if a box crosses it, or if boxes on both sides reach
    it.

    Args:
        boxes: The boxes, which may cross the antimeridian.
    """
    listed = list(boxes)
    if not listed:
        return None
    _, south, _, north = zip(*listed, strict=True)
    ranges = sorted({found for box in listed for found in _longitude_ranges(box)})
    west, east = ranges[0][0], max(last for _, last in ranges)
    if west == -180.0 and east == 180.0:
        west, east = _around_gap(ranges)
    return west, min(south), east, max(north)


def merged_longitudes(
    longitudes: Iterable[tuple[float, float]],
) -> Iterator[tuple[float, float]]:
    """Yield ranges of longitudes that do not overlap, with the same gaps as the given ranges.

    Args:
        longitudes: West and east of boxes, which may cross the antimeridian.
    """
    parts = (part for west, east in longitudes for part in _longitude_ranges((west, 0, east, 0)))
    first: float | None = None
    last = 0.0
    for west, east in sorted(set(parts)):
        if first is None:
            first, last = west, east
        elif west <= last:
            last = max(last, east)
        else:
            yield first, last
            first, last = west, east
    if first is not None:
        yield first, last


def boxes_overlap(first: Box, second: Box) -> bool:
    """Return whether two boxes have a point in common.

    Args:
        first: A box, which may cross the antimeridian.
        second: Another box, which may cross the antimeridian.
    """
    if first[3] < second[1] or second[3] < first[1]:
        return False
    ranges, others = _longitude_ranges(first), _longitude_ranges(second)
    if any(
        west <= other_east and other_west <= east
        for west, east in ranges
        for other_west, other_east in others
    ):
        return True
    # The longitudes -180 and 180 are the same meridian.
    return any(map(_touches_antimeridian, ranges)) and any(map(_touches_antimeridian, others))


def bounds_of(geometry: Mapping[str, Any] | None) -> Box | None:
    """Return the bounding box of a geometry, if the geometry has valid coordinates.

    A line or ring crosses the antimeridian if the longitudes of consecutive positions differ by
    more than 180 degrees, or if longitudes are outside of -180 to 180.

    Args:
        geometry: A GeoJSON geometry of any type and shape.
    """
    boxes: list[Box] = []
    pending: list[Any] = [geometry]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending += [value.get(name) for name in ("coordinates", "geometries", "geometry")]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if (point := _position(value)) is not None:
                boxes.append((*point, *point))
            elif points := [found for part in value if (found := _position(part)) is not None]:
                boxes.append(_box_of_line(points))
            else:
                pending += value
    return enclosing_box(boxes)


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


def _declared_box(bbox: Any) -> Box | None:
    """Return the box that an item declares, if valid."""
    while isinstance(bbox, Sequence) and len(bbox) and isinstance(bbox[0], list | Mapping):
        bbox = bbox[0]
    if isinstance(bbox, Mapping):
        bbox = [bbox.get(name) for name in ("xmin", "ymin", "xmax", "ymax")]
    if not isinstance(bbox, Sequence) or isinstance(bbox, str) or len(bbox) not in (4, 6):
        return None
    numbers = [_number(value) for value in without_heights(bbox)]
    if None in numbers:
        return None
    west, south, east, north = (number or 0.0 for number in numbers)
    if south > north:
        return None
    box = west, south, east, north
    return box if west >= -180.0 and east <= 180.0 else enclosing_box([box])


def _position(value: Any) -> tuple[float, float] | None:
    """Return the longitude and latitude of a position, if valid."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) < _DIMENSIONS:
        return None
    x, y = _number(value[0]), _number(value[1])
    return (x, y) if x is not None and y is not None else None


def _box_of_line(points: Sequence[tuple[float, float]]) -> Box:
    """Return the box of the positions of a line or ring, which may cross the antimeridian."""
    longitudes, turned, before = [], 0.0, points[0][0]
    for x, _ in points:
        if abs(x - before) > _HALF_TURN:
            turned += 360.0 if x < before else -360.0
        before = x
        longitudes.append(x + turned)
    if min(longitudes) == max(longitudes):
        # A ring from -180 to 180 goes around the world. It does not cross the antimeridian.
        longitudes = [x for x, _ in points]
    latitudes = [y for _, y in points]
    if turned:  # A ring that ends after a whole turn is around a pole.
        latitudes.append(math.copysign(90.0, sum(latitudes)))
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _longitude_ranges(box: Box) -> list[tuple[float, float]]:
    """Return the ranges of longitudes of a box, from -180 to 180: two across the antimeridian."""
    west, east = box[0], box[2]
    if west > east and east >= -180.0 and west <= 180.0:
        return [(west, 180.0), (-180.0, east)]
    if east - west >= 360.0:
        return [(-180.0, 180.0)]
    if west >= -180.0 and east <= 180.0:
        return [(west, east)]
    west, east = _in_turn(west), _in_turn(east)
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]


def _in_turn(longitude: float) -> float:
    """Return a longitude from -180 to 180."""
    if -180.0 <= longitude <= 180.0:
        return longitude
    return (longitude + 180.0) % 360.0 - 180.0


def _around_gap(ranges: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the smallest range around ranges that reach the antimeridian from both sides."""
    widest, west, east, reached = 0.0, -180.0, 180.0, -180.0
    for first, last in ranges:
        if first - reached > widest:
            widest, west, east = first - reached, first, reached
        reached = max(reached, last)
    return west, east


def _touches_antimeridian(longitudes: tuple[float, float]) -> bool:
    return longitudes[0] <= -180.0 or longitudes[1] >= 180.0


def _number(value: object) -> float | None:
    """Return a finite number, also from a text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):  # OverflowError: an integer too large for a float.
        return None
    return number if math.isfinite(number) else None
