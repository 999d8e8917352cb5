"""Items that left the source are kept, marked or deleted."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.mirror_runs import (
    NOW,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_items,
)

NAMES = ["one", "two", "three"]


async def mirror_three_items(origin: Origin, directory: Path) -> str:
    href = serve_items(origin, [build_item(origin, name) for name in NAMES])
    await run_mirror(directory, href)
    serve_items(origin, [build_item(origin, name) for name in NAMES[:2]])
    return href


async def test_removed_item_is_kept_by_default(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three_items(origin, tmp_path)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    check_catalog(tmp_path, set(NAMES))


@pytest.mark.filterwarnings("ignore:The item 'three' is deprecated")
async def test_removed_item_is_marked_and_restored(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three_items(origin, tmp_path)
    assert (await run_mirror(tmp_path, href, on_removed="mark")).removed_ids == {"three"}
    properties = read_item_documents(tmp_path)["three"]["properties"]
    assert properties["deprecated"] is True
    assert properties["mirror:removed"] == "2026-06-10T00:00:00Z"
    extensions = read_item_documents(tmp_path)["three"]["stac_extensions"]
    assert "https://stac-extensions.github.io/version/v1.2.0/schema.json" in extensions
    check_catalog(tmp_path, set(NAMES))
    assert (await run_mirror(tmp_path, href, on_removed="mark")).removed_ids == set()
    origin.forget()
    serve_items(origin, [build_item(origin, name) for name in NAMES])
    assert (await run_mirror(tmp_path, href, on_removed="mark")).reasons == {"three": "RESTORED"}
    assert origin.gets("*.tif") == []
    assert "deprecated" not in read_item_documents(tmp_path)["three"]["properties"]
    check_catalog(tmp_path, set(NAMES))


async def test_marked_item_is_deleted_by_later_run(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three_items(origin, tmp_path)
    await run_mirror(tmp_path, href, on_removed="mark")
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"three"}
    check_catalog(tmp_path, {"one", "two"})


@pytest.mark.filterwarnings("ignore:The item 'three' is deprecated")
async def test_removal_marks_are_not_mirrored(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three_items(origin, tmp_path / "first")
    await run_mirror(tmp_path / "first", href, on_removed="mark")
    mirror = str(tmp_path / "first/catalog.json")
    assert len((await run_mirror(tmp_path / "second", mirror)).reasons) == 3
    assert (await run_mirror(tmp_path / "second", mirror)).reasons == {}


async def test_removed_item_is_deleted_without_unrelated_files(
    origin: Origin, tmp_path: Path
) -> None:
    href = await mirror_three_items(origin, tmp_path)
    (tmp_path / "things/three/mine.txt").write_text("mine")
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"three"}
    assert [path.name for path in (tmp_path / "things/three").iterdir()] == ["mine.txt"]
    check_catalog(tmp_path, {"one", "two"})
    serve_items(origin, [build_item(origin, "one")])
    await run_mirror(tmp_path, href, on_removed="delete")
    assert not (tmp_path / "things/two").exists()


async def test_collection_without_items_is_removed(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, "one"), build_item(origin, "two", collection="others")]
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href)
    serve_items(origin, items[:1])
    await run_mirror(tmp_path, href, on_removed="delete")
    assert not (tmp_path / "others").exists()
    check_catalog(tmp_path, {"one"})


@pytest.mark.parametrize("on_removed", ["mark", "delete"])
async def test_empty_search_removes_no_items(
    origin: Origin, tmp_path: Path, on_removed: OnRemoved
) -> None:
    href = await mirror_three_items(origin, tmp_path)
    serve_items(origin, [])
    assert (await run_mirror(tmp_path, href, on_removed=on_removed)).removed_ids == set()
    check_catalog(tmp_path, set(NAMES))


@pytest.mark.parametrize(
    "criteria",
    [
        Criteria(datetime="last 2 days", overlap="0 days"),
        Criteria(datetime="../2026-06-04"),
        Criteria(bbox=(0, 0, 5, 5)),
        Criteria(ids=("one", "two")),
        Criteria(collections=("others",)),
    ],
)
async def test_item_outside_search_is_kept(
    origin: Origin, tmp_path: Path, criteria: Criteria
) -> None:
    href = await mirror_three_items(origin, tmp_path)
    inside = build_item(origin, "one", day=9, collection="others") | {"bbox": [1, 1, 2, 2]}
    old = build_item(origin, "one", day=3) | {"bbox": [1, 1, 2, 2]}
    serve_items(origin, [inside, old | {"id": "two"}, old])
    result = await run_mirror(tmp_path, href, criteria, "delete")
    assert result.found_ids
    assert "three" not in result.removed_ids
    assert "three" in read_item_documents(tmp_path)


async def test_item_that_only_left_the_search_is_kept(origin: Origin, tmp_path: Path) -> None:
    # The run requests the item by id, and the source still has the item with another datetime.
    href = await mirror_three_items(origin, tmp_path)
    moved = build_item(origin, "three", day=1)
    serve_items(origin, [build_item(origin, "one"), build_item(origin, "two"), moved])
    window = Criteria(datetime="2026-06-04/..")
    result = await run_mirror(tmp_path, href, window, "delete")
    assert (result.found_ids, result.removed_ids) == ({"one", "two"}, set())
    check_catalog(tmp_path, set(NAMES))


async def test_items_of_another_source_are_kept(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three_items(origin, tmp_path)
    feature = json.dumps({"type": "FeatureCollection", "features": [build_item(origin, "four")]})
    other_href = origin.put("/others.json", feature.encode())
    assert (await run_mirror(tmp_path, other_href, on_removed="delete")).removed_ids == set()
    check_catalog(tmp_path, {*NAMES, "four"})
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"three"}


async def test_partly_unreadable_static_catalog_removes_no_items(
    origin: Origin, tmp_path: Path
) -> None:
    links = [{"rel": "item", "href": f"./{name}.json"} for name in NAMES]
    for name in NAMES:
        origin.put(
            f"/c/{name}.json", json.dumps(build_item(origin, name, collection=None)).encode()
        )
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    href = origin.put("/c/catalog.json", json.dumps(root | {"links": links}).encode())
    assert len((await run_mirror(tmp_path, href)).reasons) == 3
    origin.remove("/c/two.json")
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == set()
    check_catalog(tmp_path, set(NAMES))
    origin.put("/c/catalog.json", json.dumps(root | {"links": [links[0], links[2]]}).encode())
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"two"}


async def test_interrupted_deletion_is_completed_by_next_run(
    origin: Origin, tmp_path: Path
) -> None:
    href = await mirror_three_items(origin, tmp_path)
    (tmp_path / "things/three/data.tif").unlink()
    later = NOW + timedelta(days=1)
    assert (
        await run_mirror(tmp_path, href, replace(Criteria()), "delete", now=later)
    ).removed_ids == {"three"}
    assert not (tmp_path / "things/three").exists()
    check_catalog(tmp_path, {"one", "two"})


async def test_empty_search_of_a_mirror_with_items_is_reported(
    origin: Origin, tmp_path: Path
) -> None:
    href = await mirror_three_items(origin, tmp_path)
    serve_items(origin, [])
    with collect_notices() as notices:
        assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == set()
    (line,) = notices.lines()
    assert line.startswith("The search found no items at all, so this run does not detect removed")
    assert line.endswith(": 3 items of the mirror match the search")
    check_catalog(tmp_path, set(NAMES))
