"""Files of items as the source of a mirror."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_items,
)


@pytest.mark.parametrize("suffix", [".json", ".ndjson", ".parquet"])
@pytest.mark.parametrize("where", ["remote", "local"])
async def test_item_file_is_mirrored(
    origin: Origin, tmp_path: Path, suffix: str, where: str
) -> None:
    items = [build_item(origin, f"item-{number}", day=number + 1) for number in range(3)]
    if suffix == ".json":
        data = json.dumps({"type": "FeatureCollection", "features": items}).encode()
    elif suffix == ".ndjson":
        data = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    else:
        from stac_geoparquet import arrow

        table = arrow.parse_stac_items_to_arrow(items).read_all()
        arrow.to_parquet(table, tmp_path / "made.parquet")
        data = (tmp_path / "made.parquet").read_bytes()
    path = tmp_path / f"items{suffix}"
    path.write_bytes(data)
    href = str(path) if where == "local" else origin.put(f"/items{suffix}", data)
    search = Criteria(collections=("things",), ids=("item-0", "item-2"))
    assert set((await run_mirror(tmp_path / "m", href, search)).reasons) == {"item-0", "item-2"}
    assert (await run_mirror(tmp_path / "m", href, search)).reasons == {}
    check_catalog(tmp_path / "m", {"item-0", "item-2"})
    links = read_item_documents(tmp_path / "m")["item-0"]["links"]
    assert links[-1]["rel"] == "derived_from"
    assert links[-1]["mirror:source"] == href


@pytest.mark.parametrize("name", [None, "", 7, ["x"], {"x": 1}, "\ud800"])
async def test_item_without_valid_id_prevents_removals(
    origin: Origin, tmp_path: Path, name: object
) -> None:
    items = [build_item(origin, f"item-{number}") for number in range(3)]
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href)
    serve_items(origin, [items[0], items[1] | {"id": name}])
    result = await run_mirror(tmp_path, href, on_removed="delete")
    assert (result.removed_ids, result.failed_ids) == (set(), [])
    check_catalog(tmp_path, {"item-0", "item-1", "item-2"})
    serve_items(origin, items[:2])
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"item-2"}
