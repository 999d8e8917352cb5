"""The caller's items, collections, assets, documents and configurations are not changed."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    FileNameStrategy,
    StacAssetError,
    assert_asset_exists,
    download_asset,
    download_collection,
    download_item,
    download_item_collection,
    plan_item,
)
from stac_asset.stac.parse import load_stac, stac_of
from stac_asset.testing import Delay, Origin, Status
from tests.support.collections import collection_document
from tests.support.items import item_document
from tests.support.pystac_snapshots import snapshot
from tests.support.remote_items import UNREACHABLE_HREF


def full_document(origin: Origin) -> dict[str, Any]:
    """Return an item document with nested fields, relative hrefs and malformed assets."""
    document = item_document(origin, "a", "b", "bad")
    document["properties"] |= {"nested": {"list": [1, {"deep": True}]}, "created": "2026-06-02"}
    document["links"] = [
        {"rel": "self", "href": origin.href("/items/the-item.json")},
        {"rel": "root", "href": UNREACHABLE_HREF},
        {"rel": "parent", "href": "../collection.json"},
        {"rel": "license", "href": "./license.txt", "more": {"nested": [1]}},
    ]
    document["stac_extensions"] = ["https://example.com/extension/v1.0.0/schema.json"]
    document["assets"]["a"] |= {
        "href": "./a.tif",
        "roles": ["data"],
        "alternate": {"mirror": {"href": "./mirror/a.tif"}, "broken": {"href": ""}},
        "file:checksum": "invalid",
    }
    document["assets"]["bad"] |= {"href": "gopher://host/bad", "nested": {"list": [1]}}
    document["extra"] = {"nested": [1]}
    return document


def full_item(origin: Origin) -> pystac.Item:
    return pystac.Item.from_dict(full_document(origin))


CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep": {"error_strategy": ErrorStrategy.KEEP},
    "fail fast": {"fail_fast": True},
    "warn": {"warn": True},
    "checksums": {"write_checksums": True, "file_name_strategy": FileNameStrategy.KEY},
    "alternates": {"alternate_assets": ["broken", "mirror"]},
    "include": {"include": ["a"]},
    "exclude": {"exclude": ["bad"], "overwrite": True},
}


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS)
def any_config(request: pytest.FixtureRequest, config: Config) -> Config:
    for name, value in request.param.items():
        setattr(config, name, value)
    return config


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
@pytest.mark.parametrize("keep", [False, True])
async def test_item_is_not_changed(
    origin: Origin, tmp_path: Path, any_config: Config, keep: bool
) -> None:
    item = full_item(origin)
    before, config_before = snapshot(item), copy.deepcopy(vars(any_config))
    for attempt in range(2):  # The second run skips the files of the first.
        try:
            new = await download_item(item, tmp_path, config=any_config, keep_non_downloaded=keep)
        except StacAssetError:
            continue
        finally:
            assert snapshot(item) == before, attempt
            assert vars(any_config) == config_before
        clear_values(new)
        assert snapshot(item) == before
    await plan_item(item, tmp_path, config=any_config)
    assert snapshot(item) == before
    assert item.to_dict(transform_hrefs=False) == full_item(origin).to_dict(transform_hrefs=False)


def clear_values(item: pystac.Item) -> None:
    """Clear all mutable values of a rewritten item."""
    item.properties.clear()
    item.extra_fields.clear()
    item.stac_extensions.clear()
    for link in item.links:
        for value in link.extra_fields.values():
            value.clear()
        link.extra_fields.clear()
    for asset in item.assets.values():
        for value in asset.extra_fields.values():
            if isinstance(value, dict):
                for inner in value.values():
                    inner.clear()
                value.clear()
        asset.extra_fields.clear()
        asset.href = "changed"


async def test_item_is_not_changed_by_failed_download(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("/items/b.tif", Status(404), times=0)
    document = full_document(origin)
    del document["assets"]["bad"]
    document["assets"]["b"]["href"] = "./b.tif"
    item = pystac.Item.from_dict(document)
    before = snapshot(item)
    for _ in range(2):  # A retry must fail again, with all assets still in the source.
        with pytest.raises(DownloadError, match="asset 'b' of item 'the-item'"):
            await download_item(item, tmp_path, config=config)
        assert snapshot(item) == before
    origin.heal()
    new = await download_item(item, tmp_path, config=config)
    assert sorted(new.assets) == ["a", "b"]


async def test_item_is_not_changed_by_cancelled_download(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.fault("*", Delay(30), times=0)
    item = full_item(origin)
    before, config_before = snapshot(item), copy.deepcopy(vars(config))
    task = asyncio.create_task(download_item(item, tmp_path, config=config))
    while not origin.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert snapshot(item) == before
    assert vars(config) == config_before


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
async def test_collection_is_not_changed(
    origin: Origin, tmp_path: Path, any_config: Config
) -> None:
    document = collection_document(origin, "a", "bad")
    document |= {"keywords": ["x"], "providers": [{"name": "provider"}], "nested": {"list": [1]}}
    document["assets"]["bad"]["href"] = ""
    document["links"] = [{"rel": "root", "href": UNREACHABLE_HREF}]
    collection = pystac.Collection.from_dict(document)
    before, config_before = snapshot(collection), copy.deepcopy(vars(any_config))
    for _ in range(2):
        try:
            new = await download_collection(collection, tmp_path, config=any_config)
        except StacAssetError:
            pass
        else:
            new.extra_fields.clear()
            (new.keywords or []).clear()
        assert snapshot(collection) == before
    assert vars(any_config) == config_before


@pytest.mark.filterwarnings("ignore::stac_asset.DownloadWarning")
async def test_item_collection_is_not_changed(
    origin: Origin, tmp_path: Path, any_config: Config
) -> None:
    context = {"context": {"matched": [2]}}
    first, second = full_item(origin), full_item(origin)
    second.id = "another-item"
    items = pystac.ItemCollection([first, second], extra_fields=context, clone_items=False)
    before, config_before = [snapshot(item) for item in items], copy.deepcopy(vars(any_config))
    for _ in range(2):
        try:
            new = await download_item_collection(items, tmp_path, config=any_config)
        except StacAssetError:
            pass
        else:
            new.extra_fields["context"]["matched"].clear()
            for item in new:
                clear_values(item)
        assert items.items == [first, second]
        assert [snapshot(item) for item in items] == before
        assert context == {"context": {"matched": [2]}} == items.extra_fields
    assert vars(any_config) == config_before


async def test_asset_is_not_changed(origin: Origin, tmp_path: Path, config: Config) -> None:
    config.write_checksums = True
    item = full_item(origin)
    before, config_before = snapshot(item), copy.deepcopy(vars(config))
    new = await download_asset("a", item.assets["a"], tmp_path / "a", config)
    await assert_asset_exists(item.assets["a"], config)
    assert new is not item.assets["a"]
    assert new.href == str(tmp_path / "a")
    new.extra_fields["alternate"].clear()
    origin.remove("/items/a.tif")
    with pytest.raises(StacAssetError):
        await download_asset("a", item.assets["a"], tmp_path / "b", config)
    assert snapshot(item) == before
    assert vars(config) == config_before


async def test_local_document_and_its_files_are_not_changed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    source, directory = tmp_path / "source", tmp_path / "directory"
    source.mkdir()
    (source / "a.tif").write_bytes(b"bytes")
    document = item_document(origin, "a")
    document["assets"]["a"]["href"] = "a.tif"
    (source / "item.json").write_text(json.dumps(document))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()}
    item = load_stac(source / "item.json")
    assert isinstance(item, pystac.Item)
    await download_item(item, directory, config=config)
    assert item.assets["a"].href == "a.tif"
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.iterdir()}
    assert after == before


def test_parsed_document_is_not_changed(origin: Origin) -> None:
    item = full_document(origin)
    item["assets"] |= {"null": None, "empty": {}, "text": "text"}
    collection = collection_document(origin, "a") | {"assets": {"null": None}}
    for document in (item, collection, {"type": "FeatureCollection", "features": [item]}):
        before = copy.deepcopy(document)
        stac_of(document, origin.href("/document.json"), "document")
        stac_of(document, None, "document")
        assert document == before


async def test_warning_is_attributed_to_calling_file(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    config.warn = True
    with pytest.warns(DownloadWarning) as caught:
        await download_item(full_item(origin), tmp_path, config=config)
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
