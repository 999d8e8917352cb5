"""One odd item holds nothing back: neither by its dates, nor by its depth, nor by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.state.index import read_state
from stac_asset.stac.geometry import bbox_of
from stac_asset.stac.item_files import read_items
from stac_asset.testing import Origin
from tests.mirror.nights import check_catalog, documents, item_of, put_api, put_items, run

BEFORE, AFTER = "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"
"""Moments that are outside of all years in UTC."""


def dated(origin: Origin, name: str, **properties: str) -> dict[str, Any]:
    item = item_of(origin, name)
    return item | {"properties": item["properties"] | properties}


@pytest.mark.parametrize("when", [BEFORE, AFTER])
async def test_item_outside_of_all_years_is_mirrored_with_the_others(
    origin: Origin, tmp_path: Path, when: str
) -> None:
    href = put_api(origin, [item_of(origin, "good"), dated(origin, "odd", datetime=when)])
    for taken in (2, 0):
        ran = await run(tmp_path, href, on_removed="delete")
        assert (len(ran.taken), ran.failed, ran.gone) == (taken, [], set())
        check_catalog(tmp_path, {"good", "odd"})
    assert documents(tmp_path)["odd"]["properties"]["datetime"] == when
    assert len(read_state(tmp_path).rows) == 2
    put_api(origin, [item_of(origin, "good")])
    assert (await run(tmp_path, href, on_removed="delete")).gone == {"odd"}


async def test_item_outside_of_all_years_has_no_time_that_a_window_could_miss(
    origin: Origin, tmp_path: Path
) -> None:
    items = [
        item_of(origin, "good"),
        dated(origin, "odd", datetime=BEFORE),
        dated(origin, "span", start_datetime=BEFORE, end_datetime=AFTER),
    ]
    ran = await run(tmp_path, put_items(origin, items), Criteria(datetime="2026-06"))
    assert ran.found == {"good", "odd", "span"}
    check_catalog(tmp_path, {"good", "odd", "span"})


async def test_odd_moments_leave_the_index_to_the_others(origin: Origin, tmp_path: Path) -> None:
    items = [
        dated(origin, "good", updated="2026-06-02T10:00:00.000001Z"),
        dated(origin, "after", datetime=AFTER),
        dated(origin, "fine", datetime="2026-06-01T00:00:00.1234567Z", created="long ago"),
    ]
    await run(tmp_path, put_api(origin, items))
    found = {one["id"]: one["properties"] for one in read_items(tmp_path / "items.parquet", "it")}
    assert found["good"]["updated"] == "2026-06-02T10:00:00.000001Z"
    assert found["after"].get("datetime") is None
    assert found["fine"]["datetime"] == "2026-06-01T00:00:00.123456Z"


async def test_item_that_cannot_be_copied_fails_alone(
    origin: Origin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deep = dated(origin, "deep", deep="@")
    href = put_items(origin, [deep, item_of(origin, "good")])
    nested = b"[" * 800 + b"]" * 800
    origin.put("/items.json", origin.content("/items.json").replace(b'"@"', nested))
    for reason in ("NEW", "RETRY"):
        assert (await run(tmp_path, href)).taken["deep"] == reason
        check_catalog(tmp_path, {"good"})
    assert "Item 'deep' cannot be mirrored: 'deep' cannot be copied" in caplog.text


@pytest.mark.parametrize("value", [10**400, float("nan"), "10", None])
def test_box_of_what_is_no_number_is_none(value: object) -> None:
    assert bbox_of({"bbox": [0, 0, value, 0]}) is None
    assert bbox_of({"bbox": [0, 0, 10, 0]}) == [0, 0, 10, 0]


@pytest.mark.parametrize("name", ["catalog.json", "items.parquet", "sync.report.ndjson"])
async def test_names_that_the_mirror_itself_has_are_nobody_elses(
    origin: Origin, tmp_path: Path, name: str
) -> None:
    items = [
        item_of(origin, "good"),
        item_of(origin, "plain", collection=None) | {"id": name},
        item_of(origin, "inside", collection=name.upper()),
    ]
    for _ in range(2):
        ran = await run(tmp_path, put_api(origin, items))
        assert set(ran.failed) == {name, "inside"}
        check_catalog(tmp_path, {"good"})
        assert not any((tmp_path / one).is_dir() for one in (name, name.upper()))


@pytest.mark.parametrize("field", ["links", "mirror:failed"])
async def test_document_that_somebody_broke_is_made_anew(
    origin: Origin, tmp_path: Path, field: str
) -> None:
    href = put_api(origin, [item_of(origin, "one"), item_of(origin, "two")])
    await run(tmp_path, href)
    path = tmp_path / "things/one/one.json"
    broken = json.loads(path.read_bytes())
    (broken if field == "links" else broken["links"][-1])[field] = 5
    path.write_text(json.dumps(broken))
    ran = await run(tmp_path, href)
    assert ran.taken == ({"one": "NEW"} if field == "links" else {})
    check_catalog(tmp_path, {"one", "two"})
