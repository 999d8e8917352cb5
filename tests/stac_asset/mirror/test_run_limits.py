"""Limits of the number of items and bytes in each run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    NOW,
    build_item,
    check_catalog,
    run_mirror,
    serve_api,
    serve_items,
)

LAST_DAYS = Criteria(collections=("things",), datetime="last 10 days")


async def test_items_beyond_item_limit_are_downloaded_after_window_moved(
    origin: Origin, tmp_path: Path
) -> None:
    day = replace(LAST_DAYS, datetime="last 1 day", overlap="0 days")
    items = [build_item(origin, f"item-{number}", day=9) for number in range(3)]
    href = serve_items(origin, items)
    first = await run_mirror(tmp_path, href, day, limits=RunSizeLimits(1))
    assert (len(first.reasons), first.limits.left) == (1, 2)
    later = NOW + timedelta(days=5)
    second = await run_mirror(tmp_path, href, day, limits=RunSizeLimits(1), now=later)
    assert (len(second.reasons), second.limits.left) == (1, 1)
    third = await run_mirror(tmp_path, href, day, now=later + timedelta(days=5))
    assert len(third.reasons) == 1
    fourth = await run_mirror(tmp_path, href, day, now=later + timedelta(days=9))
    assert fourth.found_ids == set()
    check_catalog(tmp_path, {item["id"] for item in items})


async def test_byte_limit_skips_items_that_exceed_the_limit(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, f"item-{number}") for number in range(5)]
    items[0]["assets"]["data"]["file:size"] = 100
    items[1]["assets"]["data"]["href"] = origin.href("/large.tif?size=1000")
    href = serve_api(origin, items)
    first = await run_mirror(tmp_path, href, limits=RunSizeLimits(max_bytes=250))
    assert set(first.reasons) == {"item-0", "item-2"}
    assert (first.limits.bytes, first.limits.left, first.limits.too_large) == (200, 3, 1)
    # Sizes are requested only for assets without `file:size`, until the limit is reached.
    heads = [request.path for request in origin.heads()]
    assert heads == ["/large.tif", "/item-2/data.tif", "/item-3/data.tif"]
    assert sum(request.body_sent for request in origin.gets("*.tif")) == 200
    second = await run_mirror(tmp_path, href, limits=RunSizeLimits(max_bytes=250))
    assert set(second.reasons) == {"item-3", "item-4"}
    third = await run_mirror(tmp_path, href, limits=RunSizeLimits(max_bytes=1000))
    assert set(third.reasons) == {"item-1"}
