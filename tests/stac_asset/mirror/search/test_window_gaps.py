"""Relative windows include the time since the last complete search."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin, Status
from tests.support.mirror_runs import (
    NOW,
    build_item,
    check_catalog,
    run_mirror,
    serve_api,
    serve_items,
)

LAST_DAY = Criteria(collections=("things",), datetime="last 1 day", overlap="0 days")
WEEK_LATER = NOW + timedelta(days=7)


async def test_first_run_without_results_records_the_search(origin: Origin, tmp_path: Path) -> None:
    directory = tmp_path / "m"
    href = serve_items(origin, [build_item(origin, "old", day=1)])
    assert (await run_mirror(directory, href, LAST_DAY)).found_ids == set()
    # Only the search is recorded. A mirror without items has no catalog.
    assert [path.name for path in directory.rglob("*")] == [".mirror", "searches.json"]
    serve_items(origin, [build_item(origin, "old", day=1), build_item(origin, "missed", day=12)])
    assert (await run_mirror(directory, href, LAST_DAY, now=WEEK_LATER)).reasons == {
        "missed": "NEW"
    }
    check_catalog(directory, {"missed"})


@pytest.mark.parametrize("criteria", [Criteria(), replace(LAST_DAY, datetime="2026-06-10")])
async def test_absolute_window_does_not_record_the_search(
    origin: Origin, tmp_path: Path, criteria: Criteria
) -> None:
    await run_mirror(tmp_path / "m", serve_api(origin, []), criteria)
    assert not (tmp_path / "m").exists()


async def test_items_missed_by_failed_first_run_are_retried(origin: Origin, tmp_path: Path) -> None:
    names = ["item-0", "item-1", "item-2"]
    href = serve_items(origin, [build_item(origin, name, day=9) for name in names])
    origin.remove("/item-0/data.tif")
    first = await run_mirror(tmp_path, href, LAST_DAY, limits=RunSizeLimits(1))
    assert (first.failed_ids, first.limits.left) == (["item-0"], 2)
    origin.put("/item-0/data.tif", size=100)
    second = await run_mirror(tmp_path, href, LAST_DAY, now=WEEK_LATER)
    assert second.reasons == {"item-0": "RETRY", "item-1": "NEW", "item-2": "NEW"}
    check_catalog(tmp_path, set(names))


async def test_items_missed_by_killed_first_run_are_downloaded(
    origin: Origin, tmp_path: Path
) -> None:
    names = ["item-0", "item-1", "item-2"]
    href = serve_items(origin, [build_item(origin, name, day=9) for name in names])
    await run_mirror(tmp_path, href, LAST_DAY, limits=RunSizeLimits(1), stop_after=0)
    assert set((await run_mirror(tmp_path, href, LAST_DAY, now=WEEK_LATER)).reasons) == set(names)
    check_catalog(tmp_path, set(names))


async def test_items_missing_from_incomplete_first_search_are_downloaded(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name, day=9) for name in ("one", "two")]
    href = serve_api(origin, items, page=1)
    origin.fault("/api/page/2", Status(500), times=0)
    assert (await run_mirror(tmp_path, href, LAST_DAY)).reasons == {"one": "NEW"}
    serve_api(origin, items)
    second = await run_mirror(tmp_path, href, LAST_DAY, now=WEEK_LATER)
    assert str(second.mirror.window) == "2026-06-09T00:00:00Z/2026-06-17T00:00:00Z"
    assert second.reasons == {"two": "NEW"}
    # After a complete search, the next window begins at the end of this window.
    third = await run_mirror(tmp_path, href, LAST_DAY, now=WEEK_LATER + timedelta(days=3))
    assert str(third.mirror.window) == "2026-06-17T00:00:00Z/2026-06-20T00:00:00Z"


async def test_window_includes_overlap_and_missed_days(origin: Origin, tmp_path: Path) -> None:
    day = replace(LAST_DAY, datetime="last 1 day", overlap="2 days")
    late, early = build_item(origin, "late", day=7), build_item(origin, "early", day=6)
    href = serve_items(origin, [late, early])
    assert (await run_mirror(tmp_path, href, day)).found_ids == {"late"}
    missed = build_item(origin, "missed", day=11)
    serve_items(origin, [late, early, missed])
    week_later = NOW + timedelta(days=7)
    assert (await run_mirror(tmp_path, href, day, now=week_later)).reasons == {"missed": "NEW"}
    fresh = await run_mirror(tmp_path / "other", href, day, now=week_later)
    assert fresh.reasons == {}, "a first run does not extend the window"
