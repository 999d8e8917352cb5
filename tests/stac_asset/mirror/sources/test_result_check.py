"""Search results that do not match the criteria are not mirrored."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.search.window import Window
from stac_asset.mirror.sources.local_filter import mismatch
from tests.support.mirror_runs import NOW, run_mirror
from tests.support.search_api import found_item, search_api, search_source

BOX = (9.0, 49.0, 11.0, 51.0)
FAR = {"bbox": [80.0, 0.0, 81.0, 1.0], "geometry": {"type": "Point", "coordinates": [80.5, 0.5]}}
LATE = {"properties": {"datetime": "2026-07-01T00:00:00Z"}}
GOOD = found_item("good")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("criteria", "bad"),
    [
        (Criteria(collections=("things",)), found_item("bad", "others")),
        (Criteria(ids=("good",)), found_item("bad")),
        (Criteria(bbox=BOX), found_item("bad", **FAR)),
        (Criteria(datetime="2026-06"), found_item("bad", **LATE)),
    ],
    ids=["collections", "ids", "bbox", "datetime"],
)
async def test_items_outside_of_ignored_criterion_are_not_mirrored(
    method: str, criteria: Criteria, bad: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id.rpartition("-")[0].partition("-")[0] or "collections"
    name = next(field for field in ("collections", "ids", "bbox", "datetime") if field in name)
    items = [bad, GOOD, bad | {"id": "bad-2"}]
    with search_api(items, methods=(method,), ignored={name}) as api:
        result = await search_source(api.url, criteria)
        assert (result.ids, result.source.is_complete) == (["good"], True)
        (line,) = result.notices
        assert f"do not match `search.{name}`, which are not mirrored (2 times)" in line
        assert "item 'bad' of collection" in line


async def test_search_that_loses_criteria_is_incomplete() -> None:
    items = [GOOD, found_item("other", "others"), found_item("last")]
    with search_api(items, lost={"collections"}) as api:
        result = await search_source(api.url, Criteria(collections=("things",), page_size=1))
        assert result.ids == ["good", "last"]
        assert not result.source.is_complete
        assert "do not match `search.collections`" in result.notices[0]


async def test_ignored_criteria_do_not_fool_removal_and_window(tmp_path: Path) -> None:
    criteria = Criteria(collections=("things",), datetime="last 10 days", overlap="0 days")
    others = [found_item(f"other-{number}", "others") for number in range(3)]
    with search_api([GOOD, found_item("gone"), *others], ignored={"collections", "ids"}) as api:
        assert (await run_mirror(tmp_path, api.url, criteria)).found_ids == {"good", "gone"}
        api.items = [GOOD, *others]
        later = NOW + timedelta(days=1)
        result = await run_mirror(tmp_path, api.url, criteria, "delete", now=later)
        assert (result.removed_ids, result.found_ids) == ({"gone"}, {"good"})
        # The window moved, and only unrelated items are left.
        api.items = others
        result = await run_mirror(tmp_path, api.url, criteria, "delete", now=later)
        assert (result.removed_ids, result.found_ids) == (set(), set())


WINDOW = Criteria(datetime="2026-06").window(NOW)


@pytest.mark.parametrize(
    ("changes", "criteria", "reason"),
    [
        ({"bbox": None, "geometry": None}, Criteria(bbox=BOX), None),
        ({"bbox": [80, 0, 81, 1]}, Criteria(bbox=BOX), None),
        (FAR, Criteria(intersects={"type": "Point", "coordinates": [10, 50]}), "intersects"),
        ({"properties": {"datetime": None}}, Criteria(), None),
        ({"properties": None}, Criteria(), None),
        (
            {
                "properties": {
                    "datetime": "2026-06-30T23:59:59.9995Z",
                    "start_datetime": "2026-07-01T00:00:00Z",
                    "end_datetime": "2026-07-02T00:00:00Z",
                }
            },
            Criteria(),
            None,
        ),
        ({"properties": {"datetime": "2026-07-01T00:00:00Z"}}, Criteria(), "datetime"),
        ({"collection": None}, Criteria(collections=("things",)), None),
        ({"id": None}, Criteria(ids=("a",)), None),
    ],
)
def test_only_clear_contradictions_are_rejected(
    changes: dict[str, Any], criteria: Criteria, reason: str | None
) -> None:
    criteria = replace(criteria, datetime="2026-06")
    assert mismatch(found_item("a", **changes), criteria, WINDOW) == reason


@pytest.mark.parametrize("document", [None, [], "text", {}, {"id": 1}])
def test_documents_that_are_no_items_are_accepted(document: Any) -> None:
    assert mismatch(document, Criteria(ids=("a",)), Window()) is None
