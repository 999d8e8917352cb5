"""Files of an item stay on record until they are removed: earlier versions, and part files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.output.removal import OnRemoved
from stac_asset.testing import Origin, Status, Truncate
from tests.support.mirror_runs import (
    CONFIG,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_items,
)

STATE = {
    *("catalog.json", "collection.json", "items.parquet"),
    *("index.ndjson", "begun.ndjson", "parquet.json"),
}
SIZE = 1_000_000
"""Size of an asset in bytes. Large enough for a resume note."""


def file_names(directory: Path) -> set[str]:
    """Return the names of all files of items, and of folders of items."""
    folders = {path.name for path in directory.glob("things/*") if path.is_dir()}
    files = {path.name for path in directory.rglob("*") if path.is_file()}
    return (folders | files) - STATE


def moved(origin: Origin, item: dict[str, Any], key: str, name: str) -> dict[str, Any]:
    """Return the item with another file for an asset."""
    asset = {"href": origin.href(f"/{item['id']}/{name}")}
    return item | {"assets": item["assets"] | {key: asset}}


async def mirror_then_fail(origin: Origin, directory: Path) -> tuple[str, dict[str, Any]]:
    """Mirror an item, and run again with a new version of a file that the origin does not have.

    Returns:
        The href of the source, and the new version of the item.
    """
    item, other = build_item(origin, "x", "red", "blue"), build_item(origin, "other")
    href = serve_items(origin, [item, other])
    await run_mirror(directory, href)
    new = moved(origin, item, "red", "red_v2.tif")
    origin.remove("/x/red_v2.tif")
    serve_items(origin, [new, other])
    assert (await run_mirror(directory, href)).failed_ids == ["x"]
    assert file_names(directory) >= {"red.tif", "blue.tif"}
    assert "red_v2.tif" not in file_names(directory)
    check_catalog(directory, {"x", "other"})
    assert read_item_documents(directory)["x"]["assets"]["red"]["href"] == "./red.tif"
    return href, new


OTHER = {"other", "other.json", "data.tif"}


async def test_old_file_is_removed_when_new_version_arrives_after_failure(
    origin: Origin, tmp_path: Path
) -> None:
    href, _ = await mirror_then_fail(origin, tmp_path)
    assert (await run_mirror(tmp_path, href)).failed_ids == ["x"]
    origin.put("/x/red_v2.tif", size=100)
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert file_names(tmp_path) == {"x", "x.json", "blue.tif", "red_v2.tif"} | OTHER
    assert "mirror:files" not in read_item_documents(tmp_path)["x"]["links"][-1]


@pytest.mark.parametrize("lost_list", [False, True])
async def test_old_file_is_removed_when_asset_leaves_after_failure(
    origin: Origin, tmp_path: Path, lost_list: bool
) -> None:
    href, new = await mirror_then_fail(origin, tmp_path)
    if lost_list:  # The document names the file as well.
        (tmp_path / ".mirror/begun.ndjson").unlink()
        (tmp_path / ".mirror/index.ndjson").unlink()
    del new["assets"]["red"]
    serve_items(origin, [new, build_item(origin, "other")])
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert file_names(tmp_path) == {"x", "x.json", "blue.tif"} | OTHER


@pytest.mark.parametrize("lost_list", [False, True])
async def test_old_file_is_removed_when_item_is_deleted_after_failure(
    origin: Origin, tmp_path: Path, lost_list: bool
) -> None:
    href, _ = await mirror_then_fail(origin, tmp_path)
    if lost_list:
        (tmp_path / ".mirror/begun.ndjson").unlink()
        (tmp_path / ".mirror/index.ndjson").unlink()
    serve_items(origin, [build_item(origin, "other")])
    assert (await run_mirror(tmp_path, href, on_removed="delete")).removed_ids == {"x"}
    assert file_names(tmp_path) == OTHER
    check_catalog(tmp_path, {"other"})


async def test_old_file_survives_several_new_names_that_fail(
    origin: Origin, tmp_path: Path
) -> None:
    href, new = await mirror_then_fail(origin, tmp_path)
    for number in range(3, 6):
        new = moved(origin, new, "red", f"red_v{number}.tif")
        origin.put(f"/x/red_v{number}.tif", size=SIZE)
        origin.fault(f"/x/red_v{number}.tif", Truncate(after=100_000), times=0)
        serve_items(origin, [new, build_item(origin, "other")])
        assert (await run_mirror(tmp_path, href)).failed_ids == ["x"]
    parts = {".red_v5.tif.part", ".red_v5.tif.part.json"}
    assert file_names(tmp_path) == {"x", "x.json", "red.tif", "blue.tif"} | parts | OTHER
    kept = read_item_documents(tmp_path)["x"]["links"][-1]["mirror:files"]
    assert kept == ["red_v5.tif"]
    assert read_item_documents(tmp_path)["x"]["assets"]["red"]["href"] == "./red.tif"
    origin.heal()
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert file_names(tmp_path) == {"x", "x.json", "blue.tif", "red_v5.tif"} | OTHER


@pytest.mark.parametrize("on_removed", ["keep", "mark", "delete"])
@pytest.mark.parametrize("others", [[], ["other"]])
async def test_part_file_of_item_that_left_the_source_is_removed(
    origin: Origin, tmp_path: Path, on_removed: OnRemoved, others: list[str]
) -> None:
    item = build_item(origin, "broken")
    item["assets"]["data"]["href"] = origin.put("/broken/data.tif", size=SIZE)
    origin.fault("/broken/data.tif", Truncate(after=100_000), times=0)
    rest = [build_item(origin, name) for name in others]
    href = serve_items(origin, [item, *rest])
    assert (await run_mirror(tmp_path, href)).failed_ids == ["broken"]
    assert {".data.tif.part", ".data.tif.part.json"} <= file_names(tmp_path)
    serve_items(origin, rest)
    await run_mirror(tmp_path, href, on_removed=on_removed)
    assert file_names(tmp_path) == (OTHER if others else set())


async def test_part_file_of_mirrored_item_that_left_the_source_is_removed(
    origin: Origin, tmp_path: Path
) -> None:
    href, new = await mirror_then_fail(origin, tmp_path)
    origin.put("/x/red_v2.tif", size=SIZE)
    origin.fault("/x/red_v2.tif", Truncate(after=100_000), times=0)
    await run_mirror(tmp_path, href)
    assert ".red_v2.tif.part" in file_names(tmp_path)
    serve_items(origin, [build_item(origin, "other")])
    await run_mirror(tmp_path, href, on_removed="keep")
    assert file_names(tmp_path) == {"x", "x.json", "red.tif", "blue.tif"} | OTHER
    serve_items(origin, [new, build_item(origin, "other")])
    origin.heal()
    assert (await run_mirror(tmp_path, href)).reasons == {"x": "RETRY"}
    assert file_names(tmp_path) == {"x", "x.json", "red_v2.tif", "blue.tif"} | OTHER


async def test_files_of_killed_first_run_are_removed_with_their_items(
    origin: Origin, tmp_path: Path
) -> None:
    items = [build_item(origin, name) for name in ("one", "two", "three")]
    href = serve_items(origin, items)
    await run_mirror(tmp_path, href, stop_after=1)
    folder = tmp_path / "things/two"
    folder.mkdir(parents=True)
    (folder / "data.tif").write_bytes(b"complete")
    (folder / "mine.txt").write_text("A file of the user.")
    serve_items(origin, [items[2]])
    await run_mirror(tmp_path, href)
    assert file_names(tmp_path) == {"one", "one.json", "two", "mine.txt", "three", "three.json"} | {
        "data.tif"
    }
    assert not (folder / "data.tif").exists()
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_files_stay_on_record_while_the_source_is_incomplete(
    origin: Origin, tmp_path: Path
) -> None:
    root = {"type": "Catalog", "stac_version": "1.1.0", "id": "c", "description": "c"}
    links = [{"rel": "item", "href": f"./{name}.json"} for name in ("one", "two")]
    href = origin.put("/c/catalog.json", json.dumps(root | {"links": links}).encode())
    for name in ("one", "two"):
        item = build_item(origin, name)
        item["assets"]["data"]["href"] = origin.put(f"/{name}/data.tif", size=SIZE)
        origin.put(f"/c/{name}.json", json.dumps(item).encode())
    origin.fault("/one/data.tif", Truncate(after=100_000), times=0)
    assert (await run_mirror(tmp_path, href)).failed_ids == ["one"]
    origin.fault("/c/one.json", Status(503), times=0)
    await run_mirror(tmp_path, href, on_removed="delete")
    assert ".data.tif.part" in file_names(tmp_path)
    origin.heal()
    assert (await run_mirror(tmp_path, href)).reasons == {"one": "RETRY"}
    check_catalog(tmp_path, {"one", "two"})
    assert ".data.tif.part" not in file_names(tmp_path)


async def test_item_with_only_failed_assets_leaves_no_folder(
    origin: Origin, tmp_path: Path
) -> None:
    origin.remove("/bad/data.tif")
    href = serve_items(origin, [build_item(origin, "bad")])
    await run_mirror(tmp_path, href)
    assert list(tmp_path.glob("things")) == []
    serve_items(origin, [build_item(origin, "bad"), build_item(origin, "other")])
    await run_mirror(tmp_path, href)
    assert file_names(tmp_path) == OTHER


async def test_files_outside_of_the_folder_are_never_removed(
    origin: Origin, tmp_path: Path
) -> None:
    directory = tmp_path / "m"
    href, _ = await mirror_then_fail(origin, directory)
    (tmp_path / "mine.tif").write_bytes(b"mine")
    path = directory / "things/x/x.json"
    document = json.loads(path.read_bytes())
    names = ["../../../mine.tif", "..", "", "a/b", 5, str(tmp_path / "mine.tif"), "x.json"]
    document["links"][-1]["mirror:files"] += names
    path.write_text(json.dumps(document))
    origin.put("/x/red_v2.tif", size=100)
    assert (await run_mirror(directory, href)).failed_ids == []
    assert (tmp_path / "mine.tif").read_bytes() == b"mine"
    check_catalog(directory, {"x", "other"})


async def test_removal_of_old_files_is_completed_after_a_kill(
    origin: Origin, tmp_path: Path
) -> None:
    href, _ = await mirror_then_fail(origin, tmp_path)
    begun = (tmp_path / ".mirror/begun.ndjson").read_bytes()
    origin.put("/x/red_v2.tif", size=100)
    await run_mirror(tmp_path, href)
    # A run that is killed after the document was written has not removed the old file.
    (tmp_path / "things/x/red.tif").write_bytes(b"old")
    (tmp_path / ".mirror/begun.ndjson").write_bytes(begun)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert file_names(tmp_path) == {"x", "x.json", "blue.tif", "red_v2.tif"} | OTHER
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_asset_that_lost_its_href_keeps_its_file(origin: Origin, tmp_path: Path) -> None:
    item = build_item(origin, "x", "red", "blue")
    href = serve_items(origin, [item])
    await run_mirror(tmp_path, href)
    red = item["assets"]["red"]
    serve_items(origin, [item | {"assets": item["assets"] | {"red": red | {"href": None}}}])
    for _ in range(2):
        assert (await run_mirror(tmp_path, href)).failed_ids == []
        assert read_item_documents(tmp_path)["x"]["assets"]["red"]["href"] == "./red.tif"
        assert "red.tif" in file_names(tmp_path)
    assert (await run_mirror(tmp_path, href)).reasons == {}
    serve_items(origin, [item | {"assets": {"blue": item["assets"]["blue"]}}])
    await run_mirror(tmp_path, href)
    assert "red.tif" not in file_names(tmp_path)


async def test_mirror_with_absolute_hrefs_keeps_its_files(origin: Origin, tmp_path: Path) -> None:
    config = CONFIG.copy()
    config.absolute_hrefs = True
    href = serve_items(origin, [build_item(origin, "x", "red")])
    for _ in range(2):
        await run_mirror(tmp_path, href, config=config)
        assert file_names(tmp_path) == {"x", "x.json", "red.tif"}
        (tmp_path / ".mirror/index.ndjson").unlink()
    [document] = read_item_documents(tmp_path).values()
    assert document["assets"]["red"]["href"] == str(tmp_path / "things/x/red.tif")
    serve_items(origin, [build_item(origin, "y")])
    await run_mirror(tmp_path, href, config=config, on_removed="delete")
    assert not (tmp_path / "things/x").exists()
