"""What is asked of a real STAC API by id: items that the window has passed, or that are missing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.mirror.nights import check_catalog, run
from tests.stac_api import COLLECTION, Api, on_origin, real_items, stac_api

NOW = datetime(2024, 8, 29, tzinfo=UTC)
DAYS = Criteria(collections=(COLLECTION,), datetime="last 2 days", overlap="0 days")


@pytest.fixture
def api(shared_data: Path, tmp_path: Path) -> Iterator[Api]:
    (tmp_path / "api").mkdir()
    with stac_api(tmp_path / "api", shared_data) as running:
        yield running


@pytest.fixture
def latest(shared_data: Path, origin: Origin) -> list[dict[str, Any]]:
    """The five latest items."""
    items = sorted(real_items(shared_data), key=lambda item: str(item["properties"]["datetime"]))
    return [on_origin(item, origin) for item in items[-5:]]


async def test_failed_item_is_asked_for_when_the_window_has_passed_it(
    api: Api, origin: Origin, latest: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(latest)
    none, part = latest[1]["id"], latest[2]["id"]
    bad = [f"/{none}/B04.tif", f"/{none}/visual.tif", f"/{part}/B04.tif"]
    for path in bad:
        origin.remove(path)
    first = await run(tmp_path / "m", api.href, DAYS, now=NOW)
    assert (len(first.taken), set(first.failed)) == (5, {none, part})
    for path in bad:
        origin.put(path, size=500)
    origin.forget()
    later = await run(tmp_path / "m", api.href, DAYS, now=NOW + timedelta(days=30))
    assert later.taken == {none: "RETRY", part: "RETRY"}
    assert sorted(request.path for request in origin.gets()) == sorted(bad)
    check_catalog(tmp_path / "m", {str(item["id"]) for item in latest})


async def test_item_that_left_the_window_is_still_in_the_source(
    api: Api, origin: Origin, latest: list[dict[str, Any]], tmp_path: Path
) -> None:
    api.serve(latest)
    await run(tmp_path / "m", api.href, DAYS, now=NOW)
    moved = copy.deepcopy(latest[0])
    moved["properties"]["datetime"] = "2024-01-01T00:00:00Z"
    api.serve([moved, *latest[2:]])
    ran = await run(tmp_path / "m", api.href, DAYS, "delete", now=NOW)
    assert ran.gone == {latest[1]["id"]}
    check_catalog(tmp_path / "m", {str(item["id"]) for item in (latest[0], *latest[2:])})
