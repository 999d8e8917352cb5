"""Documents that changed at the source are updated without a download."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stac_asset.notices import collect_notices
from stac_asset.testing import Origin
from tests.support.checksums import sha256_multihash
from tests.support.mirror_runs import (
    CONFIG,
    MirrorRun,
    build_collection,
    build_item,
    check_catalog,
    count_api_requests,
    read_item_documents,
    run_mirror,
    serve_api,
    serve_items,
)


async def mirror_items(
    origin: Origin, directory: Path, **fields: Any
) -> tuple[str, dict[str, Any]]:
    """Mirror two items, and forget the requests.

    Returns:
        The href of the source, and the first item.
    """
    item = build_item(origin, "item", "a", "b") | fields
    href = serve_items(origin, [item, build_item(origin, "other")])
    await run_mirror(directory, href)
    origin.forget()
    return href, copy.deepcopy(item)


async def run_again(
    origin: Origin, directory: Path, item: dict[str, Any], **options: Any
) -> MirrorRun:
    """Run the mirror with another document of the item, and check that no asset is requested."""
    href = serve_items(origin, [item, build_item(origin, "other")])
    result = await run_mirror(directory, href, **options)
    assert [*origin.gets("*.tif"), *origin.heads("*.tif")] == []
    assert (result.reasons, result.failed_ids) == ({}, [])
    return result


@pytest.mark.parametrize(
    "path",
    [
        ("properties", "eo:cloud_cover"),
        ("geometry", "coordinates"),
        ("bbox",),
        ("assets", "a", "x"),
    ],
)
async def test_corrected_metadata_is_updated_without_download(
    origin: Origin, tmp_path: Path, path: tuple[str, ...]
) -> None:
    _, item = await mirror_items(origin, tmp_path)
    before = read_item_documents(tmp_path)
    *parents, last = path
    fields: Any = item
    for name in parents:
        fields = fields[name]
    fields[last] = [10.5, 50.5, 10.5, 50.5][: 2 if last == "coordinates" else 4]
    assert (await run_again(origin, tmp_path, item)).metadata_ids == {"item"}
    document: Any = read_item_documents(tmp_path)["item"]
    checksum = document["assets"]["a"]["file:checksum"]
    assert checksum == before["item"]["assets"]["a"]["file:checksum"]
    assert read_item_documents(tmp_path)["other"] == before["other"]
    for name in path:
        document = document[name]
    assert document == fields[last]
    check_catalog(tmp_path, {"item", "other"})
    again = await run_again(origin, tmp_path, item)
    assert (again.metadata_ids, again.mirror.changes.unchanged) == (set(), 2)


async def test_other_form_of_document_changes_nothing(origin: Origin, tmp_path: Path) -> None:
    properties = {"datetime": "2026-06-05T12:00:00Z", "updated": "2026-06-06T00:00:00Z", "n": 1}
    _, item = await mirror_items(origin, tmp_path, properties=properties)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    item["properties"] = {
        "n": 1.0,
        "updated": "2026-06-06T00:00:00.000+00:00",
        "datetime": "2026-06-05T14:00:00+02:00",
    }
    item["links"] = [{"rel": "alternate", "href": "https://e.com/?token=x"}]
    item["assets"]["a"]["href"] += "&X-Amz-Signature=abc"
    assert (await run_again(origin, tmp_path, item)).metadata_ids == set()
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def without_digests(directory: Path) -> None:
    """Change the state of a mirror to that of a release that recorded no digests of metadata."""
    for path in directory.glob("things/*/*.json"):
        document = json.loads(path.read_bytes())
        version = document["links"][-1]["mirror:version"]
        version.pop("metadata", None)
        version.pop("asset_metadata", None)
        path.write_text(json.dumps(document))
    (directory / ".mirror/index.ndjson").unlink()


async def test_mirror_of_earlier_release_is_not_downloaded_again(
    origin: Origin, tmp_path: Path
) -> None:
    _, item = await mirror_items(origin, tmp_path)
    without_digests(tmp_path)
    documents = read_item_documents(tmp_path)
    result = await run_again(origin, tmp_path, item)
    assert (result.metadata_ids, result.mirror.changes.unchanged) == (set(), 2)
    assert read_item_documents(tmp_path) == documents
    item["properties"]["eo:cloud_cover"] = 5
    assert (await run_again(origin, tmp_path, item)).metadata_ids == {"item"}
    without_digests(tmp_path)
    item["properties"]["eo:cloud_cover"] = 6
    assert (await run_again(origin, tmp_path, item)).metadata_ids == {"item"}
    assert read_item_documents(tmp_path)["item"]["properties"]["eo:cloud_cover"] == 6


async def test_assets_that_are_no_longer_selected_are_kept(origin: Origin, tmp_path: Path) -> None:
    _, item = await mirror_items(origin, tmp_path)
    item["properties"]["eo:cloud_cover"] = 5
    only_a = replace(CONFIG, include=["a"])
    assert (await run_again(origin, tmp_path, item, config=only_a)).metadata_ids == {"item"}
    assert set(read_item_documents(tmp_path)["item"]["assets"]) == {"a", "b"}
    assert (await run_again(origin, tmp_path, item)).metadata_ids == set()
    del item["assets"]["b"]
    item["properties"]["eo:cloud_cover"] = 6
    assert (await run_again(origin, tmp_path, item, config=only_a)).metadata_ids == {"item"}
    document = read_item_documents(tmp_path)["item"]
    assert document["links"][-1]["mirror:files"] == ["b.tif"]
    serve_items(origin, [build_item(origin, "other")])
    await run_mirror(tmp_path, origin.href("/items.json"), on_removed="delete")
    assert not (tmp_path / "things/item").exists()


async def test_invalid_document_keeps_earlier_metadata(origin: Origin, tmp_path: Path) -> None:
    _, item = await mirror_items(origin, tmp_path)
    before = read_item_documents(tmp_path)["item"]
    item["properties"]["datetime"] = None
    with collect_notices() as notices:
        assert (await run_again(origin, tmp_path, item)).metadata_ids == set()
    assert read_item_documents(tmp_path)["item"] == before
    (line,) = notices.lines()
    assert line.startswith("Items keep their earlier metadata: item 'item': ")


async def test_failed_asset_does_not_download_others_again(origin: Origin, tmp_path: Path) -> None:
    origin.remove("/item/b.tif")
    _, item = await mirror_items(origin, tmp_path)
    item["properties"]["eo:cloud_cover"] = 5
    href = serve_items(origin, [item, build_item(origin, "other")])
    assert (await run_mirror(tmp_path, href)).reasons == {"item": "RETRY"}
    assert [request.path for request in origin.gets("*.tif")] == ["/item/b.tif"]
    assert read_item_documents(tmp_path)["item"]["properties"]["eo:cloud_cover"] == 5


async def test_changed_collection_is_updated_without_new_items(
    origin: Origin, tmp_path: Path
) -> None:
    href = serve_api(origin, [build_item(origin, "item")])
    await run_mirror(tmp_path, href)
    path = tmp_path / "things/collection.json"
    changed = build_collection("things") | {"title": "Corrected"}
    origin.put("/api/collections/things", json.dumps(changed).encode())
    result = await run_mirror(tmp_path, href)
    assert (result.reasons, result.mirror.changed_collections) == ({}, 1)
    assert json.loads(path.read_bytes())["title"] == "Corrected"
    origin.remove("/api/collections/things")
    result = await run_mirror(tmp_path, href)
    assert result.mirror.changed_collections == 0
    assert json.loads(path.read_bytes())["title"] == "Corrected"
    assert count_api_requests(origin)["/api/collections/things"] == 3
    check_catalog(tmp_path, {"item"})


@pytest.mark.parametrize(
    "names", [("file:size",), ("file:checksum",), ("file:size", "file:checksum")]
)
@pytest.mark.parametrize("is_right", [True, False])
async def test_newly_declared_size_or_checksum_verifies_the_existing_file(
    origin: Origin, tmp_path: Path, names: tuple[str, ...], is_right: bool
) -> None:
    _, item = await mirror_items(origin, tmp_path)
    content = origin.content("/item/a.tif?size=100")
    if not is_right:
        content = content[::-1] + b"x"
        origin.put("/item/a.tif", content)
    facts = {"file:size": len(content), "file:checksum": sha256_multihash(content)}
    item["assets"]["a"] |= {name: facts[name] for name in names}
    result = await run_mirror(tmp_path, serve_items(origin, [item, build_item(origin, "other")]))
    assert (result.reasons, result.failed_ids) == ({"item": "CHANGED"}, [])
    assert len(origin.gets("*.tif")) == (0 if is_right else 1)
    document = read_item_documents(tmp_path)["item"]
    assert document["assets"]["a"]["file:size"] == len(content)
    assert (tmp_path / "things/item/a.tif").read_bytes() == content
