"""Requests by id to a STAC API, for items outside the window and for missing items."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import check_catalog, run_mirror
from tests.support.stac_api import (
    COLLECTION,
    RustacServer,
    real_items,
    rustac_server,
    with_origin_assets,
)

NOW = datetime(2024, 8, 29, tzinfo=UTC)
LAST_DAYS = Criteria(collections=(COLLECTION,), datetime="last 2 days", overlap="0 days")


@pytest.fixture
def api(shared_data: Path, tmp_path: Path) -> Iterator[RustacServer]:
    (tmp_path / "api").mkdir()
    with rustac_server(tmp_path / "api", shared_data) as running:
        yield running


@pytest.fixture
def latest(shared_data: Path, origin: Origin) -> list[dict[str, Any]]:
    """The five latest items."""
    items = sorted(real_items(shared_data), key=lambda item: str(item["properties"]["datetime"]))
    return [with_origin_assets(item, origin) for item in items[-5:]]


async def test_failed_item_is_requested_by_id_after_window_moved(
    api: RustacServer, origin: Origin, latest: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(latest)
    failed_id, partial_id = latest[1]["id"], latest[2]["id"]
    missing_paths = [f"/{failed_id}/B04.tif", f"/{failed_id}/visual.tif", f"/{partial_id}/B04.tif"]
    for path in missing_paths:
        origin.remove(path)
    first = await run_mirror(tmp_path / "m", api.href, LAST_DAYS, now=NOW)
    assert (len(first.reasons), set(first.failed_ids)) == (5, {failed_id, partial_id})
    for path in missing_paths:
        origin.put(path, size=500)
    origin.forget()
    later = await run_mirror(tmp_path / "m", api.href, LAST_DAYS, now=NOW + timedelta(days=30))
    assert later.reasons == {failed_id: "RETRY", partial_id: "RETRY"}
    assert sorted(request.path for request in origin.gets()) == sorted(missing_paths)
    check_catalog(tmp_path / "m", {str(item["id"]) for item in latest})


async def test_item_that_left_the_window_is_not_removed(
    api: RustacServer, origin: Origin, latest: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(latest)
    await run_mirror(tmp_path / "m", api.href, LAST_DAYS, now=NOW)
    moved = copy.deepcopy(latest[0])
    moved["properties"]["datetime"] = "2024-01-01T00:00:00Z"
    api.serve([moved, *latest[2:]])
    result = await run_mirror(tmp_path / "m", api.href, LAST_DAYS, "delete", now=NOW)
    assert result.removed_ids == {latest[1]["id"]}
    check_catalog(tmp_path / "m", {str(item["id"]) for item in (latest[0], *latest[2:])})
