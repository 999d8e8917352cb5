"""Outlines of items in the footprint chart."""

from __future__ import annotations

from typing import Any

import pytest

from prefect_stac_asset.flows.reporting.footprints import outlines
from tests.support.geometry_items import SQUARE, pystac_item

POINT = {"type": "Point", "coordinates": [1, 2, 3]}


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        (POINT, [[(1.0, 2.0)]]),
        ({"type": "Polygon", "coordinates": [SQUARE, SQUARE]}, [SQUARE]),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}, [SQUARE, SQUARE]),
        (
            {
                "type": "GeometryCollection",
                "geometries": [{"type": "Point", "coordinates": [1, 2]}],
            },
            [[(1.0, 2.0)]],
        ),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, []),
        ({"type": "Polygon", "coordinates": None}, []),
        ({"type": "Point", "coordinates": [float("nan"), 1]}, []),
        ({"type": "Blob"}, []),
        ("POINT(1 2)", []),
    ],
)
def test_outlines_follow_geometry_and_invalid_geometry_has_none(
    geometry: Any, expected: Any
) -> None:
    assert outlines(pystac_item(geometry)) == expected


def test_bbox_replaces_missing_geometry() -> None:
    assert outlines(pystac_item(None, [10, 50, 0, 11, 51, 100])) == [SQUARE]
    assert outlines(pystac_item(None)) == []


def test_outline_of_many_points_is_simplified_and_keeps_last_point() -> None:
    points = [(number / 10, 0.0) for number in range(1001)]
    ((*_, last),) = outlines(pystac_item({"type": "Polygon", "coordinates": [points]}))
    assert last == points[-1]
    assert len(outlines(pystac_item({"type": "Polygon", "coordinates": [points]}))[0]) <= 65
