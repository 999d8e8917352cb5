"""Items of stac-geoparquet files that the format or stac-geoparquet does not allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stac_asset.stac.item_files import read_items

pyarrow = pytest.importorskip("pyarrow")
shapely = pytest.importorskip("shapely")

POINT = {"type": "Point", "coordinates": [1.0, 2.0]}
COLLECTION = {"type": "GeometryCollection", "geometries": [POINT]}
BOX = {"xmin": 1.0, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0}


def read_rows(path: Path, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Write rows to a file, and return the items of the file."""
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return list(read_items(path, "items"))


def wkb(geometry: dict[str, Any]) -> bytes:
    import shapely.geometry

    data: bytes = shapely.to_wkb(shapely.geometry.shape(geometry))
    return data


def test_null_geometry_and_geometry_collection_are_read(tmp_path: Path) -> None:
    items = read_rows(
        tmp_path / "items.parquet",
        {"id": "one", "geometry": wkb(COLLECTION), "bbox": BOX},
        {"id": "two", "geometry": None, "bbox": None},
        {"id": "three", "geometry": b"no geometry", "bbox": BOX | {"ymax": None}},
    )
    assert [item["geometry"] for item in items] == [COLLECTION, None, None]
    assert [item.get("bbox") for item in items] == [[1.0, 2.0, 3.0, 4.0], None, None]
    assert all(item["type"] == "Feature" for item in items)


def test_items_without_heights_are_read_beside_items_with_heights(tmp_path: Path) -> None:
    items = read_rows(
        tmp_path / "items.parquet",
        {"id": "one", "bbox": BOX | {"zmin": 0.0, "zmax": 9.0}},
        {"id": "two", "bbox": BOX | {"zmin": None, "zmax": None}},
    )
    boxes = [[1.0, 2.0, 0.0, 3.0, 4.0, 9.0], [1.0, 2.0, 3.0, 4.0]]
    assert [item["bbox"] for item in items] == boxes


def test_missing_columns_and_text_times_are_read(tmp_path: Path) -> None:
    (item,) = read_rows(tmp_path / "items.parquet", {"id": "one", "datetime": "2026-06-01"})
    assert item == {
        "type": "Feature",
        "id": "one",
        "geometry": None,
        "properties": {"datetime": "2026-06-01"},
        "assets": {},
        "links": [],
    }


def test_projected_geometries_are_read(tmp_path: Path) -> None:
    (item,) = read_rows(
        tmp_path / "items.parquet",
        {
            "id": "one",
            "geometry": wkb(POINT),
            "properties": {"proj:geometry": wkb(POINT)},
            "assets": {"a": {"href": "a.tif", "proj:geometry": wkb(POINT)}, "b": None},
        },
    )
    assert item["geometry"] == item["properties"]["proj:geometry"] == POINT
    assert item["assets"] == {"a": {"href": "a.tif", "proj:geometry": POINT}}
