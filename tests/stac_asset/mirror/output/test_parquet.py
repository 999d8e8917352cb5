"""The file `items.parquet` of a mirror."""

from __future__ import annotations

from pathlib import Path

import pytest

from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, check_catalog, run_mirror, serve_api


async def test_items_that_parquet_cannot_store_are_mirrored_without_parquet_file(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = build_item(origin, "one"), build_item(origin, "two")
    without_geometry = build_item(origin, "without_geometry") | {"geometry": None}
    del without_geometry["bbox"]
    await run_mirror(tmp_path / "m", serve_api(origin, [first, second, without_geometry]))
    index = read_items(tmp_path / "m/items.parquet", "index")
    assert [item["id"] for item in index] == ["one", "two"]
    (tmp_path / "m/items.parquet").unlink()
    await run_mirror(tmp_path / "m", serve_api(origin, [first, second, without_geometry]))
    assert (tmp_path / "m/items.parquet").exists()
    first["properties"]["odd"], second["properties"]["odd"] = {"a": 1}, [5]
    await run_mirror(tmp_path / "odd", serve_api(origin, [first, second]))
    assert not (tmp_path / "odd/items.parquet").exists()
    assert "items.parquet is not written" in caplog.text
    check_catalog(tmp_path / "odd", {"one", "two"})
