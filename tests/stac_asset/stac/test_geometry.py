"""Bounding boxes of items, boxes across the antimeridian, and boxes around several items."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stac_asset.stac.geometry import (
    Box,
    bbox_of,
    boxes_overlap,
    enclosing_box,
    split_at_antimeridian,
    without_heights,
)

SQUARE: dict[str, Any] = {
    "type": "Polygon",
    "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 4], [1, 2]]],
}
NUMBERS = st.floats() | st.integers() | st.text(max_size=5) | st.none() | st.booleans()
VALUES = st.recursive(
    NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(st.sampled_from(["type", "coordinates", "geometries", "xmin"]), inner)
    ),
    max_leaves=20,
)


def ring(*longitudes: float, south: float = 0, north: float = 1) -> list[list[list[float]]]:
    """Return the coordinates of a polygon with two latitudes at each longitude."""
    there = [[x, south] for x in longitudes]
    return [[*there, *[[x, north] for x in reversed(longitudes)], there[0]]]


@pytest.mark.parametrize("value", [10**400, float("nan"), "ten", None, True, [1]])
def test_bbox_with_invalid_number_is_ignored(value: object) -> None:
    assert bbox_of({"bbox": [0, 0, value, 0]}) is None
    assert bbox_of({"bbox": [0, 0, 10, 0]}) == [0, 0, 10, 0]


@pytest.mark.parametrize(
    "bbox",
    [
        [1, 2, 3, 4],
        [1, 2, 0, 3, 4, 100],
        [1, 2, None, 3, 4, float("nan")],
        [[1, 2, 3, 4]],
        [[[1, 2, 3, 4]], [[1, 2, 2, 3]]],
        ["1", "2.0", "3", "4"],
        {"xmin": 1, "ymin": 2, "xmax": 3, "ymax": 4},
    ],
)
def test_unusual_bbox_is_read(bbox: object) -> None:
    assert bbox_of({"bbox": bbox}) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "bbox", [None, [], [[]], {}, "1,2,3,4", [1, 2], [1, 4, 3, 2], [None] * 4, ["a", 2, 3, 4]]
)
def test_missing_or_invalid_bbox_is_derived_from_geometry(bbox: object) -> None:
    assert bbox_of({"bbox": bbox, "geometry": SQUARE}) == [1, 2, 3, 4]
    assert bbox_of({"bbox": bbox, "geometry": None}) is None


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "GeometryCollection", "geometries": [SQUARE, {"type": "Point"}, None]},
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
        {"type": "LineString", "coordinates": [["1", "2"], [3, 4, 500], [float("nan"), 0]]},
        {"type": "Feature", "geometry": SQUARE},
    ],
)
def test_box_of_unusual_geometry(geometry: dict[str, Any]) -> None:
    assert bbox_of({"geometry": geometry}) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (ring(179, -179), [179, 0, -179, 1]),
        (ring(179, 181), [179, 0, -179, 1]),
        (ring(-181, -179), [179, 0, -179, 1]),
        (ring(179, 180, -180, -179), [179, 0, -179, 1]),
        ([*ring(179, 180), *ring(-180, -179)], [179, 0, -179, 1]),
        (ring(-180, 180), [-180, 0, 180, 1]),
        (ring(-170, -90, 0, 90, 170), [-170, 0, 170, 1]),
        ([[[0, 80], [90, 80], [180, 80], [-90, 80], [0, 80]]], [-180, 80, 180, 90]),
    ],
)
def test_box_of_geometry_at_antimeridian(geometry: Any, expected: list[float]) -> None:
    assert bbox_of({"geometry": {"type": "Polygon", "coordinates": geometry}}) == expected


def test_wide_bbox_gives_way_only_to_geometry_across_antimeridian() -> None:
    wide = [-180, -10, 180, 10]
    crossing = {"type": "Polygon", "coordinates": ring(179, -179)}
    assert bbox_of({"bbox": wide, "geometry": crossing}) == [179, 0, -179, 1]
    assert bbox_of({"bbox": wide, "geometry": SQUARE}) == wide
    assert bbox_of({"bbox": [178, 0, 182, 1]}) == [178, 0, -178, 1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((179, 0, -179, 1), (-180, 0, -179.5, 1), True),
        ((179, 0, -179, 1), (180, 0, 180, 1), True),
        ((180, 0, 180, 1), (-180, 0, -170, 1), True),
        ((170, 0, 190, 1), (-175, 0, -174, 1), True),
        ((179, 0, -179, 1), (0, 0, 10, 1), False),
        ((170, 0, 175, 1), (-175, 0, -170, 1), False),
    ],
)
def test_boxes_overlap_across_antimeridian(first: Box, second: Box, expected: bool) -> None:
    assert boxes_overlap(first, second) is expected
    assert boxes_overlap(second, first) is expected


def test_enclosing_box_crosses_antimeridian_only_with_its_boxes() -> None:
    assert enclosing_box([(179, 0, -179, 1), (160, 2, 170, 3)]) == (160, 0, -179, 3)
    assert enclosing_box([(170, 0, 180, 1), (-180, 0, -170, 1)]) == (170, 0, -170, 1)
    assert enclosing_box([(170, 0, 175, 1), (-175, 0, -170, 1)]) == (-175, 0, 175, 1)
    assert enclosing_box([(-180, 0, 180, 1), (0, 0, 10, 1)]) == (-180, 0, 180, 1)
    assert enclosing_box([]) is None


@given(st.lists(st.tuples(*[st.integers(-180, 180)] * 2), min_size=1, max_size=6))
def test_enclosing_box_overlaps_each_box(longitudes: list[tuple[float, float]]) -> None:
    boxes = [(west, 0.0, east, 1.0) for west, east in longitudes]
    around = enclosing_box(boxes)
    assert around is not None
    assert all(boxes_overlap(around, box) for box in boxes)


@given(VALUES, VALUES)
def test_any_document_has_a_box_or_none(bbox: object, geometry: object) -> None:
    box = bbox_of({"bbox": bbox, "geometry": geometry})
    assert box is None or box[1] <= box[3]


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ((1, 2, 3, 4), [(1, 2, 3, 4)]),
        ((170, -5, -170, 5), [(170, -5, 180, 5), (-180, -5, -170, 5)]),
        ((170, -5, 0, -170, 5, 9), [(170, -5, 0, 180, 5, 9), (-180, -5, 0, -170, 5, 9)]),
        ((180, 0, -170, 1), [(-180, 0, -170, 1)]),
        ((180, 0, -180, 1), [(180, 0, 180, 1)]),
    ],
)
def test_bbox_is_split_at_antimeridian(
    bbox: tuple[float, ...], expected: list[tuple[float, ...]]
) -> None:
    assert split_at_antimeridian(bbox) == expected
    west, _, east, _ = without_heights(bbox)
    assert all(part[0] in (west, -180) for part in expected)
    assert all(part[len(part) // 2] in (east, 180) for part in expected)
