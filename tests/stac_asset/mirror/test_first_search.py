"""The first search of a mirror finds no items."""

from __future__ import annotations

from pathlib import Path

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.mirror_runs import build_item, run_mirror, serve_api, serve_items


async def notices_of(directory: Path, href: str, criteria: Criteria | None = None) -> list[str]:
    """Return the notices of a run."""
    with collect_notices() as notices:
        await run_mirror(directory, href, criteria)
    return notices.lines()


async def test_first_search_without_results_names_the_criteria_and_the_usual_cause(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, [build_item(origin, "a")])
    swapped = Criteria(bbox=(49.0, 9.0, 51.0, 11.0), datetime="2026-06")
    (line,) = await notices_of(tmp_path, href, swapped)
    assert line.startswith("The first search of this mirror found no items (bbox 49, 9, 51, 11; ")
    assert "Swapped coordinates are the usual cause: the order is west, south, east, north" in line
    (line,) = await notices_of(tmp_path, href, Criteria(collections=("things",), ids=("b",)))
    assert line.endswith("(collections 'things'; ids 'b'). Check the criteria")


async def test_later_search_without_results_is_no_notice(origin: Origin, tmp_path: Path) -> None:
    href = serve_api(origin, [build_item(origin, "a")])
    assert await notices_of(tmp_path, href) == []
    serve_api(origin, [])
    assert await notices_of(tmp_path, href) == []
