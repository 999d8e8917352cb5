"""Detection of new, changed, failed and damaged items between two runs."""

from __future__ import annotations

import copy
import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stac_asset.mirror.changes import ChangeSet
from stac_asset.mirror.run_limits import RunSizeLimits
from stac_asset.mirror.search.criteria import Criteria
from stac_asset.mirror.source_item import SourceDocument
from stac_asset.testing import Origin
from stac_asset.transfer.rare_collections import MIN_NEW_OBJECTS
from tests.support.checksums import sha256_multihash
from tests.support.mirror_runs import (
    CONFIG,
    build_item,
    check_catalog,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)

LAST_DAYS = Criteria(collections=("things",), datetime="last 10 days")


def take_requested_paths(origin: Origin) -> list[str]:
    """Return the sorted paths of requested assets, and clear the requests of the origin."""
    origin_paths = [request.path for request in origin.gets("*.tif")]
    origin_paths += [request.path for request in origin.heads("*.tif")]
    origin.forget()
    return sorted(origin_paths)


def with_updated(item: dict[str, Any], when: str) -> dict[str, Any]:
    updated = copy.deepcopy(item)
    updated["properties"]["updated"] = when
    return updated


async def test_second_run_downloads_new_and_changed_items(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, f"item-{number}", "a", "b") for number in range(5)]
    href = serve_api(origin, items)
    first = await run_mirror(tmp_path / "m", href, LAST_DAYS)
    assert set(first.reasons.values()) == {"NEW"}
    assert len(take_requested_paths(origin)) == 10
    check_catalog(tmp_path / "m", {f"item-{number}" for number in range(5)})

    moved = copy.deepcopy(items[1])
    moved["assets"]["b"]["href"] = origin.href("/elsewhere/b.tif?size=70")
    serve_api(
        origin,
        [
            with_updated(items[0], "2026-06-06T00:00:00Z"),
            moved,
            *items[2:],
            build_item(origin, "new"),
        ],
    )
    second = await run_mirror(tmp_path / "m", href, LAST_DAYS)
    assert second.reasons == {"item-0": "CHANGED", "item-1": "CHANGED", "new": "NEW"}
    assert second.mirror.changes.unchanged == 3
    # A new `updated` value does not tell which assets changed, so all are downloaded again.
    assert take_requested_paths(origin) == [
        "/elsewhere/b.tif",
        "/item-0/a.tif",
        "/item-0/b.tif",
        "/new/data.tif",
    ]
    assert (tmp_path / "m/things/item-1/b.tif").read_bytes() == origin.content(
        "/elsewhere/b.tif?size=70"
    )
    check_catalog(tmp_path / "m", {f"item-{number}" for number in range(5)} | {"new"})

    third = await run_mirror(tmp_path / "m", href, LAST_DAYS)
    assert third.reasons == {}
    assert take_requested_paths(origin) == []


async def test_changed_file_is_downloaded_when_item_is_updated(
    origin: Origin, tmp_path: Path
) -> None:
    path = "/item/data.tif"
    origin.put(path, b"old bytes")
    item = build_item(origin, "item")
    item["assets"]["data"]["href"] = origin.href(path)
    href = serve_api(origin, [with_updated(item, "2026-06-01T00:00:00Z")])
    await run_mirror(tmp_path, href)
    origin.put(path, b"new bytes")
    await run_mirror(tmp_path, href)
    assert (tmp_path / "things/item/data.tif").read_bytes() == b"old bytes"
    serve_api(origin, [with_updated(item, "2026-06-02T00:00:00Z")])
    await run_mirror(tmp_path, href)
    assert (tmp_path / "things/item/data.tif").read_bytes() == b"new bytes"
    check_catalog(tmp_path, {"item"})


async def test_asset_with_same_checksum_is_not_downloaded_again(
    origin: Origin, tmp_path: Path
) -> None:
    item = build_item(origin, "item", "a", "b")
    content = origin.content("/item/a.tif?size=100")
    item["assets"]["a"]["file:checksum"] = sha256_multihash(content)
    href = serve_api(origin, [item])
    await run_mirror(tmp_path, href)
    take_requested_paths(origin)
    serve_api(origin, [with_updated(item, "2026-06-02T00:00:00Z")])
    assert (await run_mirror(tmp_path, href)).reasons == {"item": "CHANGED"}
    assert take_requested_paths(origin) == ["/item/b.tif"]
    check_catalog(tmp_path, {"item"})


async def test_assets_follow_changes_of_item_and_include(origin: Origin, tmp_path: Path) -> None:
    item = build_item(origin, "item", "a", "b", "c")
    href = serve_api(origin, [item])
    two_assets = replace(CONFIG, include=["a", "b"])
    await run_mirror(tmp_path, href, config=two_assets)
    assert take_requested_paths(origin) == ["/item/a.tif", "/item/b.tif"]
    assert (await run_mirror(tmp_path, href, config=CONFIG)).reasons == {"item": "CHANGED"}
    assert take_requested_paths(origin) == ["/item/c.tif"]
    assert (await run_mirror(tmp_path, href, config=two_assets)).reasons == {}
    reduced = copy.deepcopy(item)
    del reduced["assets"]["b"]
    serve_api(origin, [reduced])
    assert (await run_mirror(tmp_path, href)).reasons == {"item": "CHANGED"}
    assert take_requested_paths(origin) == []
    assert sorted(path.name for path in (tmp_path / "things/item").iterdir()) == [
        "a.tif",
        "c.tif",
        "item.json",
    ]
    check_catalog(tmp_path, {"item"})


async def test_failed_items_are_retried_after_new_items(origin: Origin, tmp_path: Path) -> None:
    items = [build_item(origin, f"item-{number}", "a", "b") for number in range(4)]
    for path in ("/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"):
        origin.remove(path)
    href = serve_api(origin, items)
    first = await run_mirror(tmp_path, href, LAST_DAYS)
    assert first.failed_ids == ["item-0", "item-2"]
    check_catalog(tmp_path, {"item-1", "item-2", "item-3"})
    assert set(read_item_documents(tmp_path)["item-2"]["assets"]) == {"a"}
    take_requested_paths(origin)

    again = await run_mirror(tmp_path, href, LAST_DAYS)
    assert again.reasons == {"item-0": "RETRY", "item-2": "RETRY"}
    assert again.failed_ids == ["item-0", "item-2"]
    assert take_requested_paths(origin) == ["/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"]

    for path in ("/item-0/a.tif", "/item-0/b.tif", "/item-2/b.tif"):
        origin.put(path, size=100)
    # New items come before failed items.
    serve_api(origin, [*items, build_item(origin, "new")])
    assert (await run_mirror(tmp_path, href, LAST_DAYS, limits=RunSizeLimits(1))).reasons == {
        "new": "NEW"
    }
    last = await run_mirror(tmp_path, href, LAST_DAYS)
    assert (last.reasons, last.failed_ids) == ({"item-0": "RETRY", "item-2": "RETRY"}, [])
    check_catalog(tmp_path, {f"item-{number}" for number in range(4)} | {"new"})
    assert (await run_mirror(tmp_path, href, LAST_DAYS)).reasons == {}


async def test_failed_item_that_left_the_source_is_not_retried(
    origin: Origin, tmp_path: Path
) -> None:
    origin.remove("/bad/data.tif")
    href = serve_items(origin, [build_item(origin, "good"), build_item(origin, "bad")])
    assert (await run_mirror(tmp_path, href)).failed_ids == ["bad"]
    assert (tmp_path / ".mirror/begun.ndjson").exists()
    serve_items(origin, [build_item(origin, "good")])
    assert (await run_mirror(tmp_path, href)).reasons == {}
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_failed_update_keeps_previous_item_document(origin: Origin, tmp_path: Path) -> None:
    item = with_updated(build_item(origin, "item"), "2026-06-01T00:00:00Z")
    href = serve_api(origin, [item])
    await run_mirror(tmp_path, href)
    before = read_item_documents(tmp_path)["item"]
    serve_api(origin, [with_updated(item, "2026-06-02T00:00:00Z")])
    origin.remove("/item/data.tif")
    failed = await run_mirror(tmp_path, href)
    assert (failed.reasons, failed.failed_ids) == ({"item": "CHANGED"}, ["item"])
    assert read_item_documents(tmp_path)["item"] == before
    check_catalog(tmp_path, {"item"})
    origin.put("/item/data.tif", size=50)
    assert (await run_mirror(tmp_path, href)).failed_ids == []
    assert (tmp_path / "things/item/data.tif").stat().st_size == 50


async def test_missing_or_truncated_file_is_downloaded_again(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_api(
        origin, [build_item(origin, name, "a", "b") for name in ("one", "two", "three")]
    )
    await run_mirror(tmp_path, href)
    take_requested_paths(origin)
    (tmp_path / "things/one/a.tif").unlink()
    (tmp_path / "things/two/b.tif").write_bytes(b"cut")
    repaired = await run_mirror(tmp_path, href)
    assert repaired.reasons == {"one": "FILES_MISSING", "two": "FILES_MISSING"}
    assert take_requested_paths(origin) == ["/one/a.tif", "/two/b.tif"]
    check_catalog(tmp_path, {"one", "two", "three"})


@pytest.mark.parametrize("changed", [False, True], ids=["unchanged", "changed"])
async def test_interrupted_run_is_resumed(origin: Origin, tmp_path: Path, changed: bool) -> None:
    items = [build_item(origin, f"item-{number}") for number in range(4)]
    href = serve_api(origin, items)
    await run_mirror(tmp_path, href, stop_after=2)
    # The interrupted run wrote the file of the third item, but not the document.
    folder = tmp_path / "things/item-2"
    folder.mkdir(parents=True)
    (folder / "data.tif").write_bytes(origin.content("/item-2/data.tif?size=100"))
    take_requested_paths(origin)
    if changed:
        items[2]["assets"]["data"]["href"] = origin.href("/item-2/data.tif?size=90")
        serve_api(origin, items)
    second = await run_mirror(tmp_path, href)
    assert second.reasons == {"item-2": "NEW", "item-3": "NEW"}
    expected = ["/item-2/data.tif", "/item-3/data.tif"] if changed else ["/item-3/data.tif"]
    assert take_requested_paths(origin) == expected
    assert (folder / "data.tif").stat().st_size == (90 if changed else 100)
    check_catalog(tmp_path, {f"item-{number}" for number in range(4)})
    assert not (tmp_path / ".mirror/begun.ndjson").exists()


async def test_unknown_file_at_asset_path_is_replaced(origin: Origin, tmp_path: Path) -> None:
    folder = tmp_path / "things/item"
    folder.mkdir(parents=True)
    (folder / "data.tif").write_bytes(b"whatever")
    await run_mirror(tmp_path, serve_api(origin, [build_item(origin, "item")]))
    assert (folder / "data.tif").read_bytes() == origin.content("/item/data.tif?size=100")


async def test_new_objects_are_searched_for_garbage_less_often_during_a_search(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    during, add, before = [], ChangeSet.add, gc.get_threshold()

    def add_and_record(changes: ChangeSet, item: SourceDocument) -> None:
        during.append(gc.get_threshold()[0])
        add(changes, item)

    monkeypatch.setattr(ChangeSet, "add", add_and_record)
    await run_mirror(tmp_path / "m", serve_api(origin, [build_item(origin, "item", "a")]))
    assert during == [MIN_NEW_OBJECTS]
    assert gc.get_threshold() == before
