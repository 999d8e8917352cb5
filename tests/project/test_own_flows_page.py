"""The flow of `docs/own-flows.md`: search, choose, download, and open with rasterio."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from pathlib import Path
from typing import Any

import pystac
import pytest
from rasterio.io import MemoryFile
from rasterio.transform import from_origin

from stac_asset.testing import Origin
from tests.support.paths import ROOT
from tests.support.search_api import found_item, search_api

PAGE = ROOT / "docs" / "own-flows.md"
GEOTIFF: dict[str, Any] = {
    "driver": "GTiff",
    "width": 4,
    "height": 4,
    "count": 1,
    "dtype": "uint8",
    "crs": "EPSG:32633",
    "transform": from_origin(500_000, 5_600_000, 10, 10),
}


def geotiff(value: int) -> bytes:
    """Return an image with the same value in all pixels."""
    with MemoryFile() as memory:
        with memory.open(**GEOTIFF) as image:
            band = image.read(1)
            band[:] = value
            image.write(band, 1)
        content: bytes = memory.read()
    return content


def documented_flow(folder: Path) -> Any:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    path = folder / "own_flow.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("own_flow", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.mean_reflectance


@pytest.mark.usefixtures("prefect_test")
async def test_documented_flow_downloads_clearest_item(origin: Origin, tmp_path: Path) -> None:
    items = []
    for name, cloud_cover, value in (("cloudy", 80, 200), ("clear", 3, 7)):
        assets = {
            key: {"href": origin.put(f"/{name}/{key}.tif", geotiff(value + number))}
            for number, key in enumerate(("red", "nir", "swir"))
        }
        item = found_item(name, assets=assets)
        item["properties"]["eo:cloud_cover"] = cloud_cover
        items.append(item)
    flow = documented_flow(tmp_path)
    out = tmp_path / "out"
    with search_api(items, methods=("GET", "POST")) as api:
        found = await asyncio.to_thread(flow, api.url, "things", [9, 49, 11, 51], str(out))
    assert found == {"red": 7.0, "nir": 8.0}
    written = pystac.Item.from_file(str(out / "item.json"))
    assert {key: asset.href for key, asset in written.assets.items()} == {
        "red": "./red.tif",
        "nir": "./nir.tif",
    }
