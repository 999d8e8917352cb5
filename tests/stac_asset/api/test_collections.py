"""Downloads of collections and item collections."""

from __future__ import annotations

import json
from pathlib import Path

import pystac
import pytest

from stac_asset import (
    AssetOverwriteError,
    Config,
    DownloadError,
    UnsafePathError,
    download_collection,
    download_item_collection,
)
from stac_asset.testing import Origin
from tests.support.collections import collection_document
from tests.support.files import put_directory, relative_files
from tests.support.remote_items import asset_hrefs, remote_item


async def test_local_collection_assets_are_downloaded(shared_data: Path, tmp_path: Path) -> None:
    collection = pystac.Collection.from_file(shared_data / "collection-with-image.json")
    before = collection.to_dict(transform_hrefs=False)
    downloaded = await download_collection(collection, tmp_path)
    assert relative_files(tmp_path) == ["20201211_223832_CS2.jpg", "collection.json"]
    assert list(asset_hrefs(downloaded).values()) == ["./20201211_223832_CS2.jpg"]
    assert collection.to_dict(transform_hrefs=False) == before


async def test_collection_document_is_written_with_new_hrefs(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    document = collection_document(origin, "thumbnail", "other")
    document["links"] = [{"rel": "self", "href": origin.href("/c.json")}]
    collection = pystac.Collection.from_dict(document)
    config.exclude = ["other"]
    downloaded = await download_collection(
        collection, tmp_path, file_name="c.json", config=config, keep_non_downloaded=True
    )
    assert relative_files(tmp_path) == ["c.json", "thumbnail.png"]
    assert asset_hrefs(downloaded) == {
        "thumbnail": "./thumbnail.png",
        "other": origin.href("/other.png"),
    }
    link = downloaded.get_single_link(pystac.RelType.DERIVED_FROM)
    assert link is not None
    assert link.target == origin.href("/c.json")
    unsaved = await download_collection(collection, tmp_path / "2", file_name=None, config=config)
    assert asset_hrefs(unsaved) == {"thumbnail": str(tmp_path / "2" / "thumbnail.png")}
    assert relative_files(tmp_path / "2") == ["thumbnail.png"]


async def test_item_collection_is_written_with_folder_per_item(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection(
        [remote_item(origin, "a", name="first"), remote_item(origin, "a", "b", name="second")],
        extra_fields={"numberMatched": 2},
    )
    before = items.to_dict(transform_hrefs=False)
    downloaded = await download_item_collection(items, tmp_path, config=config)
    assert relative_files(tmp_path) == [
        "first/a.tif",
        "item-collection.json",
        "second/a.tif",
        "second/b.tif",
    ]
    written = json.loads((tmp_path / "item-collection.json").read_text())
    assert written["numberMatched"] == 2
    assert [item.id for item in downloaded] == ["first", "second"]
    for name, item, feature in zip(
        ("first", "second"), downloaded, written["features"], strict=True
    ):
        assert item.assets["a"].href == str(tmp_path / name / "a.tif")
        assert feature["assets"]["a"]["href"] == f"./{name}/a.tif"
        links = {link["rel"]: link["href"] for link in feature["links"]}
        assert links["derived_from"] == origin.href(f"/items/{name}.json")
    assert items.to_dict(transform_hrefs=False) == before


async def test_path_template_sets_item_folders(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    item.collection_id = "sentinel"
    items = pystac.ItemCollection([item])
    await download_item_collection(
        items, tmp_path, config=config, path_template="${collection}/${year}-${month}/${id}"
    )
    assert relative_files(tmp_path) == ["item-collection.json", "sentinel/2026-6/the-item/a.tif"]
    for template in ("../${id}", "/abs/${id}"):
        with pytest.raises(UnsafePathError):
            await download_item_collection(items, tmp_path, path_template=template)


async def test_items_with_same_folder_fail_for_files_of_other_items(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection(
        [remote_item(origin, "a", name="first"), remote_item(origin, "a", "b", name="second")]
    )
    items[1].assets["a"].href = origin.href("/other/a.tif")
    with pytest.raises(DownloadError, match=r"item 'first' and .* item 'second'") as caught:
        await download_item_collection(items, tmp_path, config=config, path_template="${year}")
    assert [type(error) for error in caught.value.exceptions] == [AssetOverwriteError]
    assert relative_files(tmp_path) == ["2026/a.tif", "2026/b.tif", "item-collection.json"]


async def test_item_collection_is_written_despite_failed_asset(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    items = pystac.ItemCollection(
        [remote_item(origin, "a", name="first"), remote_item(origin, "b", name="second")]
    )
    with pytest.raises(DownloadError, match=r"^1 of 2 assets failed\n- asset 'b' of item 'second'"):
        await download_item_collection(items, tmp_path, config=config, file_name="all.json")
    written = pystac.ItemCollection.from_file(str(tmp_path / "all.json"))
    assert [list(item.assets) for item in written] == [["a"], []]


async def test_served_item_collection_can_be_downloaded_again(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection(
        [remote_item(origin, "a", name="with space"), remote_item(origin, "a", name="50 %#b")]
    )
    await download_item_collection(items, tmp_path / "first", config=config, file_name="all/i.json")
    await download_item_collection(tmp_path / "first/all/i.json", tmp_path / "local", config=config)
    with Origin() as mirror:
        put_directory(mirror, tmp_path / "first")
        source = mirror.href("/all/i.json")
        await download_item_collection(source, tmp_path / "second", config=config)
    for copy in ("local", "second"):
        names = [name for name in relative_files(tmp_path / copy) if name.endswith(".tif")]
        assert len(names) == 2
        for name in names:
            same = (tmp_path / "first" / name).read_bytes()
            assert (tmp_path / copy / name).read_bytes() == same
