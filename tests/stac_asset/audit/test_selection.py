"""Items that the search of a mirror does not select, and sources that give no definite answer."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config
from stac_asset.audit import AuditSummary, Criteria, audit_mirror
from stac_asset.errors import ConfigError, SourceError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.audits import found_of_row
from tests.support.mirror_runs import CONFIG, build_item, run_mirror, serve_items
from tests.support.search_api import Reply, SearchRequest, json_reply, search_api
from tests.support.stac_api import real_items, with_origin_assets

NOW = datetime.now(UTC)


async def audit(
    href: str, directory: Path, search: Criteria | None = None, config: Config = CONFIG
) -> tuple[set[tuple[str, str, str | None]], AuditSummary]:
    """Audit a mirror, and return the differences and the summary."""
    rows: list[Any] = []
    summary = await audit_mirror(href, directory, search, config, on_row=rows.append)
    found = [found_of_row(row) for row in rows]
    assert len(found) == len(set(found))
    return set(found), summary


def build_items(origin: Origin, *names: str) -> list[dict[str, Any]]:
    return [build_item(origin, name) for name in names]


def days_ago(item: dict[str, Any], days: int) -> dict[str, Any]:
    """Return an item of an earlier day."""
    when = (NOW - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = copy.deepcopy(item)
    changed["properties"]["datetime"] = when
    return changed


async def test_relative_window_includes_all_mirrored_items_and_no_older_ones(
    origin: Origin, tmp_path: Path
) -> None:
    search = Criteria(datetime="last 10 days", overlap="0 days")
    ages = {"old": 45, "mid": 30, "young": 2, "late": 39}
    items = [days_ago(build_item(origin, name), days) for name, days in ages.items()]
    with search_api(items[:3]) as api:
        for days in (40, 28, 0):
            await run_mirror(tmp_path, api.url, search, now=NOW - timedelta(days=days))
        api.items.append(items[3])
        found, summary = await audit(api.url, tmp_path, search)
        assert (found, summary.found, summary.complete) == (set(), 3, True)
        # A run of the mirror would not search for these changes any more.
        api.items[0] = copy.deepcopy(items[0])
        api.items[0]["properties"]["updated"] = "2026-06-01T00:00:00Z"
        (tmp_path / "things/mid/mid.json").unlink()
        found, summary = await audit(api.url, tmp_path, search)
        assert found == {("outdated", "old", None), ("missing", "mid", None)}
        del api.items[1]
        found, _ = await audit(api.url, tmp_path, search)
        assert found == {("outdated", "old", None), ("inconsistent", "mid", None)}


async def test_items_and_assets_outside_of_the_selection_are_not_missing(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name, "a", "b") for name in ("one", "two", "three")]
    items[2]["collection"] = "others"
    with search_api(items) as api:
        search, config = Criteria(collections=("things",)), replace(CONFIG, include=["a"])
        await run_mirror(tmp_path, api.url, search, config=config)
        assert (await audit(api.url, tmp_path, search, config))[0] == set()
        found, _ = await audit(api.url, tmp_path, None, config)
        assert found == {("missing", "three", None)}
        found, _ = await audit(api.url, tmp_path, search)
        assert found == {("missing", "one", "b"), ("missing", "two", "b")}


async def test_items_that_no_longer_match_the_search_are_not_extra(
    origin: Origin, tmp_path: Path
) -> None:
    items = build_items(origin, "one", "two")
    search = Criteria(bbox=(0.0, 40.0, 20.0, 60.0))
    with search_api(items) as api:
        await run_mirror(tmp_path, api.url, search)
        moved = copy.deepcopy(items[1])
        moved["bbox"] = [100.0, 0.0, 100.0, 0.0]
        moved["geometry"]["coordinates"] = [100.0, 0.0]
        api.items[1] = moved
        assert (await audit(api.url, tmp_path, search))[0] == set()
        del api.items[1]
        assert (await audit(api.url, tmp_path, search))[0] == {("extra", "two", None)}


async def test_items_marked_as_removed_are_kept_until_they_are_back(
    origin: Origin, tmp_path: Path
) -> None:
    items = build_items(origin, "one", "two")
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href)
    serve_items(origin, items[:1])
    found, summary = await audit(href, tmp_path)
    assert (found, summary.complete) == ({("extra", "two", None)}, True)
    await run_mirror(tmp_path, href, on_removed="mark")
    assert (await audit(href, tmp_path))[0] == set()
    serve_items(origin, items)
    found, summary = await audit(href, tmp_path)
    assert (found, summary.complete) == ({("outdated", "two", None)}, False)


async def test_items_of_another_source_are_not_extra(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, build_items(origin, "one"))
    await run_mirror(tmp_path, href)
    with search_api(build_items(origin, "two")) as api:
        await run_mirror(tmp_path, api.url)
        (tmp_path / "things/two/data.tif").unlink()
        for source in (href, api.url):
            found, summary = await audit(source, tmp_path)
            assert found == {("missing", "two", "data")}
            assert (summary.found, summary.mirrored) == (1, 2)


async def test_failing_api_invents_no_missing_and_no_extra_items(
    origin: Origin, tmp_path: Path
) -> None:
    names = [f"item-{number}" for number in range(6)]
    with search_api(build_items(origin, *names)) as api:
        search = Criteria(page_size=2)
        await run_mirror(tmp_path, api.url, search)
        del api.items[0]
        api.items[2]["properties"]["updated"] = "2026-07-01T00:00:00Z"

        def fail(request: SearchRequest) -> Reply | None:
            is_late = request.path == "/search" and (request.offset or "datetime" in request.fields)
            return json_reply({"message": "broken"}, 500) if is_late else None

        api.hook = fail
        found, summary = await audit(api.url, tmp_path, search)
        assert found == set()
        assert (summary.is_source_complete, summary.complete) == (False, False)
        assert "the source did not return all items: The search ended" in str(summary.error)
        api.hook = None
        found, summary = await audit(api.url, tmp_path, search)
        assert found == {("extra", "item-0", None), ("outdated", "item-3", None)}

        api.hook = lambda request: json_reply({"message": "broken"}, 500)
        with pytest.raises(SourceError):
            await audit(api.url, tmp_path, search)


async def test_empty_search_is_not_complete_and_makes_no_item_extra(
    origin: Origin, tmp_path: Path
) -> None:
    with search_api(build_items(origin, "one", "two")) as api:
        await run_mirror(tmp_path, api.url)
        api.items.clear()
        with collect_notices() as notices:
            found, summary = await audit(api.url, tmp_path)
        assert found == set()
        assert (summary.complete, summary.is_source_complete) == (False, False)
        assert "found no items at all" in notices.lines()[0]
        assert "found nothing" in str(summary.error)


async def test_search_that_selects_no_item_of_the_mirror_is_not_complete(
    origin: Origin, tmp_path: Path
) -> None:
    with search_api(build_items(origin, "one", "two")) as api:
        await run_mirror(tmp_path, api.url)
        with search_api([]) as other:
            for source, search in ((api.url, Criteria(ids=("three",))), (other.url, Criteria())):
                found, summary = await audit(source, tmp_path, search)
                assert (found, summary.found, summary.mirrored) == (set(), 0, 2)
                assert (summary.complete, summary.is_source_complete) == (False, False)
                assert "the search ended early or found nothing" in str(summary.error)


async def test_item_without_definite_answer_is_undecided(origin: Origin, tmp_path: Path) -> None:
    with search_api(build_items(origin, "one", "two")) as api:
        await run_mirror(tmp_path, api.url)
        del api.items[1]

        def refuse(request: SearchRequest) -> Reply | None:
            is_own = request.path.endswith("/items/two")
            return json_reply({"message": "no"}, 403) if is_own else None

        api.hook = refuse
        found, summary = await audit(api.url, tmp_path)
        assert (found, summary.undecided) == (set(), 1)
        assert "1 without a definite answer of the source" in str(summary)


async def test_items_removed_or_published_during_the_search_are_judged_by_their_final_state(
    origin: Origin, tmp_path: Path
) -> None:
    names = [f"item-{number}" for number in range(4)]
    with search_api(build_items(origin, *names)) as api:
        search = Criteria(page_size=2)
        await run_mirror(tmp_path, api.url, search)

        def change(request: SearchRequest) -> Reply | None:
            if request.path == "/search" and request.offset == 2 and len(api.items) == 4:
                # The items of later pages move by one: the second page misses `item-2`.
                del api.items[0]
            return None

        api.hook = change
        found, _ = await audit(api.url, tmp_path, search)
        # The first page had `item-0`, and the item by id is there.
        assert found == set()
        api.hook = None
        assert (await audit(api.url, tmp_path, search))[0] == {("extra", "item-0", None)}


async def test_failed_and_interrupted_downloads_are_missing(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, name, "a", "b") for name in ("half", "none", "fine", "late")]
    origin.remove("/half/a.tif")
    for key in ("a", "b"):
        origin.remove(f"/none/{key}.tif")
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href, stop_after=3)
    found, summary = await audit(href, tmp_path)
    assert found == {
        ("missing", "half", "a"),
        ("missing", "none", None),
        ("missing", "late", None),
        # The killed run wrote no catalog.
        ("missing", "catalog.json", None),
        ("missing", "things/collection.json", None),
    }
    reasons = {row["item"]: row["reason"] for row in summary.first if row["item"] is not None}
    assert reasons == {
        "half": "the last download failed",
        "none": "the download of the item did not end, or is in progress",
        "late": "the download of the item did not end, or is in progress",
    }
    await run_mirror(tmp_path, href)
    found, summary = await audit(href, tmp_path)
    assert found == {("missing", "half", "a"), ("missing", "none", None)}
    reasons = {row["item"]: row["reason"] for row in summary.first}
    assert reasons["none"] == "the download of the item failed"


async def test_collection_and_catalog_documents_are_compared(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_items(origin, build_items(origin, "one"))
    await run_mirror(tmp_path, href)
    (tmp_path / "catalog.json").unlink()
    (tmp_path / "things/collection.json").write_text("{")
    assert (await audit(href, tmp_path))[0] == {
        ("missing", "catalog.json", None),
        ("corrupt", "things/collection.json", None),
    }


async def test_directory_without_mirror_is_an_error(origin: Origin, tmp_path: Path) -> None:
    href = serve_items(origin, build_items(origin, "one"))
    for directory in (tmp_path, tmp_path / "not there"):
        with pytest.raises(SourceError, match=r"`directory` '.*' has no files"):
            await audit(href, directory)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "catalog.json").write_text("{}")
    with pytest.raises(ConfigError, match="was not written by a mirror"):
        await audit(href, tmp_path)


async def test_mirrors_of_real_items_have_no_invented_differences(
    origin: Origin, tmp_path: Path, shared_data: Path
) -> None:
    items = [with_origin_assets(item, origin) for item in real_items(shared_data)[::50]]
    items[0]["assets"]["without-href"] = {"title": "No href"}
    items[1]["assets"]["empty-href"] = {"href": " "}
    items[2]["assets"]["same"] = dict(items[2]["assets"]["B04"])
    items[3]["id"] = "../a b/ü#?%"
    items[4]["geometry"] = items[4]["bbox"] = None
    with search_api(items) as api:
        for config in (CONFIG, replace(CONFIG, include=["B04"]), replace(CONFIG, exclude=["B04"])):
            directory = tmp_path / f"{config.include}{config.exclude}"
            await run_mirror(directory, api.url, config=config)
            found, summary = await audit(api.url, directory, None, config)
            assert (found, summary.complete) == (set(), True)


async def test_mirrors_of_earlier_releases_are_compared_by_their_documents(
    origin: Origin, tmp_path: Path
) -> None:
    items = build_items(origin, "one", "two")
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href)
    for path in tmp_path.glob("things/*/*.json"):
        document = json.loads(path.read_bytes())
        version = document["links"][-1]["mirror:version"]
        del version["metadata"], version["asset_metadata"]
        path.write_text(json.dumps(document))
    shutil.rmtree(tmp_path / ".mirror")
    assert (await audit(href, tmp_path))[0] == set()
    items[0]["properties"]["title"] = "New"
    serve_items(origin, items)
    assert (await audit(href, tmp_path))[0] == {("outdated", "one", None)}
