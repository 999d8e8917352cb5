"""Items with dates outside the years 1 to 9999."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.state.index import read_state
from stac_asset.mirror.storage.local import LocalStorage
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)

BEFORE, AFTER = "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"
"""Datetimes outside the years 1 to 9999 after conversion to UTC."""


def build_dated_item(origin: Origin, name: str, **properties: str) -> dict[str, Any]:
    item = build_item(origin, name)
    return item | {"properties": item["properties"] | properties}


@pytest.mark.parametrize("when", [BEFORE, AFTER])
async def test_item_with_out_of_range_datetime_is_mirrored_and_removed(
    origin: Origin, tmp_path: Path, when: str
) -> None:
    href = serve_api(
        origin, [build_item(origin, "good"), build_dated_item(origin, "odd", datetime=when)]
    )
    for downloads in (2, 0):
        result = await run_mirror(tmp_path, href, on_removed="delete")
        assert (len(result.reasons), result.failed_ids, result.removed_ids) == (
            downloads,
            [],
            set(),
        )
        check_catalog(tmp_path, {"good", "odd"})
    assert read_item_documents(tmp_path)["odd"]["properties"]["datetime"] == when
    assert len(read_state(LocalStorage(tmp_path)).rows) == 2
    serve_api(origin, [build_item(origin, "good")])
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"odd"}


async def test_items_with_out_of_range_datetime_match_every_window(
    origin: Origin, tmp_path: Path
) -> None:
    items = [
        build_item(origin, "good"),
        build_dated_item(origin, "odd", datetime=BEFORE),
        build_dated_item(origin, "span", start_datetime=BEFORE, end_datetime=AFTER),
    ]
    result = await run_mirror(tmp_path, serve_items(origin, items), Criteria(datetime="2026-06"))
    assert result.found_ids == {"good", "odd", "span"}
    check_catalog(tmp_path, {"good", "odd", "span"})


async def test_out_of_range_datetimes_are_null_in_parquet_file(
    origin: Origin, tmp_path: Path
) -> None:
    items = [
        build_dated_item(origin, "good", updated="2026-06-02T10:00:00.000001Z"),
        build_dated_item(origin, "after", datetime=AFTER),
        build_dated_item(
            origin, "fine", datetime="2026-06-01T00:00:00.1234567Z", created="long ago"
        ),
    ]
    await run_mirror(tmp_path, serve_api(origin, items))
    properties = {
        item["id"]: item["properties"] for item in read_items(tmp_path / "items.parquet", "it")
    }
    assert properties["good"]["updated"] == "2026-06-02T10:00:00.000001Z"
    assert properties["after"].get("datetime") is None
    assert properties["fine"]["datetime"] == "2026-06-01T00:00:00.123456Z"
