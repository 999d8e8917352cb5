"""Windows that move with the time leave nothing behind, whatever became of the runs before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.mirror.nights import NOW, check_catalog, item_of, put_api, put_items, run

DAY = Criteria(collections=("things",), datetime="last 1 day", overlap="0 days")
WEEK_LATER = NOW + timedelta(days=7)


async def test_first_night_without_results_counts_as_a_night(
    origin: Origin, tmp_path: Path
) -> None:
    directory = tmp_path / "m"
    href = put_items(origin, [item_of(origin, "old", day=1)])
    assert (await run(directory, href, DAY)).found == set()
    # Nothing but a note of the search; there is no catalog of nothing.
    assert [path.name for path in directory.rglob("*")] == [".mirror", "searches.json"]
    put_items(origin, [item_of(origin, "old", day=1), item_of(origin, "missed", day=12)])
    assert (await run(directory, href, DAY, now=WEEK_LATER)).taken == {"missed": "NEW"}
    check_catalog(directory, {"missed"})


@pytest.mark.parametrize("criteria", [Criteria(), replace(DAY, datetime="2026-06-10")])
async def test_window_that_stays_needs_no_note(
    origin: Origin, tmp_path: Path, criteria: Criteria
) -> None:
    await run(tmp_path / "m", put_api(origin, []), criteria)
    assert not (tmp_path / "m").exists()


async def test_what_a_first_night_left_is_found_though_all_that_it_took_failed(
    origin: Origin, tmp_path: Path
) -> None:
    names = ["item-0", "item-1", "item-2"]
    href = put_items(origin, [item_of(origin, name, day=9) for name in names])
    origin.remove("/item-0/data.tif")
    first = await run(tmp_path, href, DAY, limits=RunSizeLimits(1))
    assert (first.failed, first.limits.left) == (["item-0"], 2)
    origin.put("/item-0/data.tif", size=100)
    second = await run(tmp_path, href, DAY, now=WEEK_LATER)
    assert second.taken == {"item-0": "RETRY", "item-1": "NEW", "item-2": "NEW"}
    check_catalog(tmp_path, set(names))


async def test_what_a_first_night_left_is_found_though_it_was_killed(
    origin: Origin, tmp_path: Path
) -> None:
    names = ["item-0", "item-1", "item-2"]
    href = put_items(origin, [item_of(origin, name, day=9) for name in names])
    await run(tmp_path, href, DAY, limits=RunSizeLimits(1), at_most=0)
    assert set((await run(tmp_path, href, DAY, now=WEEK_LATER)).taken) == set(names)
    check_catalog(tmp_path, set(names))


async def test_what_a_source_held_back_in_a_first_night_is_found(
    origin: Origin, tmp_path: Path
) -> None:
    items = [item_of(origin, name, day=9) for name in ("one", "two")]
    href = put_api(origin, items[:1], matched=2)
    assert (await run(tmp_path, href, DAY)).taken == {"one": "NEW"}
    put_api(origin, items, matched=2)
    cut = await run(tmp_path, href, DAY, now=WEEK_LATER)
    assert str(cut.mirror.window) == "2026-06-09T00:00:00Z/2026-06-17T00:00:00Z"
    assert cut.taken == {"two": "NEW"}
    # With all that there is, the next window begins where this one ended.
    last = await run(tmp_path, href, DAY, now=WEEK_LATER + timedelta(days=3))
    assert str(last.mirror.window) == "2026-06-17T00:00:00Z/2026-06-20T00:00:00Z"
