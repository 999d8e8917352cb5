"""Items that left the source: kept, marked or deleted, and never taken for it by mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.testing import Origin
from tests.mirror.nights import (
    NOW,
    check_catalog,
    documents,
    item_of,
    put_items,
    run,
)

NAMES = ["one", "two", "three"]


async def mirror_three(origin: Origin, directory: Path) -> str:
    href = put_items(origin, [item_of(origin, name) for name in NAMES])
    await run(directory, href)
    put_items(origin, [item_of(origin, name) for name in NAMES[:2]])
    return href


async def test_kept(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three(origin, tmp_path)
    assert (await run(tmp_path, href)).taken == {}
    check_catalog(tmp_path, set(NAMES))


@pytest.mark.filterwarnings("ignore:The item 'three' is deprecated")
async def test_marked_and_back_again(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three(origin, tmp_path)
    assert (await run(tmp_path, href, on_removed="mark")).gone == {"three"}
    properties = documents(tmp_path)["three"]["properties"]
    assert properties["deprecated"] is True
    assert properties["mirror:removed"] == "2026-06-10T00:00:00Z"
    extensions = documents(tmp_path)["three"]["stac_extensions"]
    assert "https://stac-extensions.github.io/version/v1.2.0/schema.json" in extensions
    check_catalog(tmp_path, set(NAMES))
    assert (await run(tmp_path, href, on_removed="mark")).gone == set()
    origin.forget()
    put_items(origin, [item_of(origin, name) for name in NAMES])
    assert (await run(tmp_path, href, on_removed="mark")).taken == {"three": "RESTORED"}
    assert origin.gets("*.tif") == []
    assert "deprecated" not in documents(tmp_path)["three"]["properties"]
    check_catalog(tmp_path, set(NAMES))


async def test_marked_items_are_deleted_when_that_is_asked_for(
    origin: Origin, tmp_path: Path
) -> None:
    href = await mirror_three(origin, tmp_path)
    await run(tmp_path, href, on_removed="mark")
    assert (await run(tmp_path, href, on_removed="delete")).gone == {"three"}
    check_catalog(tmp_path, {"one", "two"})


@pytest.mark.filterwarnings("ignore:The item 'three' is deprecated")
async def test_marks_are_not_mirrored(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three(origin, tmp_path / "first")
    await run(tmp_path / "first", href, on_removed="mark")
    mirror = str(tmp_path / "first/catalog.json")
    assert len((await run(tmp_path / "second", mirror)).taken) == 3
    assert (await run(tmp_path / "second", mirror)).taken == {}


async def test_deleted_with_its_files_and_no_others(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three(origin, tmp_path)
    (tmp_path / "things/three/mine.txt").write_text("mine")
    assert (await run(tmp_path, href, on_removed="delete")).gone == {"three"}
    assert [path.name for path in (tmp_path / "things/three").iterdir()] == ["mine.txt"]
    check_catalog(tmp_path, {"one", "two"})
    put_items(origin, [item_of(origin, "one")])
    await run(tmp_path, href, on_removed="delete")
    assert not (tmp_path / "things/two").exists()


async def test_collection_without_items_is_taken_off(origin: Origin, tmp_path: Path) -> None:
    items = [item_of(origin, "one"), item_of(origin, "two", collection="others")]
    href = put_items(origin, items)
    await run(tmp_path, href)
    put_items(origin, items[:1])
    await run(tmp_path, href, on_removed="delete")
    assert not (tmp_path / "others").exists()
    check_catalog(tmp_path, {"one"})


@pytest.mark.parametrize("how", ["mark", "delete"])
async def test_search_without_results_removes_nothing(
    origin: Origin, tmp_path: Path, how: OnRemoved
) -> None:
    href = await mirror_three(origin, tmp_path)
    put_items(origin, [])
    assert (await run(tmp_path, href, on_removed=how)).gone == set()
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
async def test_item_outside_of_the_search_is_left_alone(
    origin: Origin, tmp_path: Path, criteria: Criteria
) -> None:
    href = await mirror_three(origin, tmp_path)
    inside = item_of(origin, "one", day=9, collection="others") | {"bbox": [1, 1, 2, 2]}
    old = item_of(origin, "one", day=3) | {"bbox": [1, 1, 2, 2]}
    put_items(origin, [inside, old | {"id": "two"}, old])
    ran = await run(tmp_path, href, criteria, "delete")
    assert ran.found
    assert "three" not in ran.gone
    assert "three" in documents(tmp_path)


async def test_item_that_only_left_the_search_is_left_alone(origin: Origin, tmp_path: Path) -> None:
    """The source is asked for it by its id: it has moved in time, but it is still there."""
    href = await mirror_three(origin, tmp_path)
    moved = item_of(origin, "three", day=1)
    put_items(origin, [item_of(origin, "one"), item_of(origin, "two"), moved])
    window = Criteria(datetime="2026-06-04/..")
    ran = await run(tmp_path, href, window, "delete")
    assert (ran.found, ran.gone) == ({"one", "two"}, set())
    check_catalog(tmp_path, set(NAMES))


async def test_items_of_another_source_are_left_alone(origin: Origin, tmp_path: Path) -> None:
    href = await mirror_three(origin, tmp_path)
    feature = json.dumps({"type": "FeatureCollection", "features": [item_of(origin, "four")]})
    other = origin.put("/others.json", feature.encode())
    assert (await run(tmp_path, other, on_removed="delete")).gone == set()
    check_catalog(tmp_path, {*NAMES, "four"})
    assert (await run(tmp_path, href, on_removed="delete")).gone == {"three"}


async def test_static_catalog_of_which_a_part_cannot_be_read_removes_nothing(
    origin: Origin, tmp_path: Path
) -> None:
    links = [{"rel": "item", "href": f"./{name}.json"} for name in NAMES]
    for name in NAMES:
        origin.put(f"/c/{name}.json", json.dumps(item_of(origin, name, collection=None)).encode())
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    href = origin.put("/c/catalog.json", json.dumps(root | {"links": links}).encode())
    assert len((await run(tmp_path, href)).taken) == 3
    origin.remove("/c/two.json")
    assert (await run(tmp_path, href, on_removed="delete")).gone == set()
    check_catalog(tmp_path, set(NAMES))
    origin.put("/c/catalog.json", json.dumps(root | {"links": [links[0], links[2]]}).encode())
    assert (await run(tmp_path, href, on_removed="delete")).gone == {"two"}


async def test_deletion_that_was_interrupted_is_ended_by_the_next_run(
    origin: Origin, tmp_path: Path
) -> None:
    href = await mirror_three(origin, tmp_path)
    (tmp_path / "things/three/data.tif").unlink()
    later = NOW + timedelta(days=1)
    assert (await run(tmp_path, href, replace(Criteria()), "delete", now=later)).gone == {"three"}
    assert not (tmp_path / "things/three").exists()
    check_catalog(tmp_path, {"one", "two"})
