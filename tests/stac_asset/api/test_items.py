"""Downloads of items: files, documents, selections, errors and warnings."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import aiohttp
import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    FileNameStrategy,
    HttpClient,
    UnsafePathError,
    download_item,
)
from stac_asset.errors import LocalHrefError, NotFoundError
from stac_asset.testing import Delay, Origin, Stall, Status
from tests.support.files import relative_files
from tests.support.remote_items import asset_hrefs, remote_item


async def test_item_and_assets_are_written(origin: Origin, config: Config, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "directory"
    downloaded = await download_item(remote_item(origin, "a", "b"), directory, config=config)
    assert relative_files(directory) == ["a.tif", "b.tif", "the-item.json"]
    for key in "ab":
        assert (directory / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")
    assert downloaded.get_self_href() == str(directory / "the-item.json")
    assert asset_hrefs(downloaded) == {"a": "./a.tif", "b": "./b.tif"}

    written = json.loads((directory / "the-item.json").read_text())
    assert written == downloaded.to_dict(transform_hrefs=False)
    assert {link["rel"]: link["href"] for link in written["links"]} == {
        "self": str(directory / "the-item.json"),
        "license": origin.href("/LICENSE.txt"),
        "derived_from": origin.href("/items/the-item.json"),
    }
    read = pystac.Item.from_file(directory / "the-item.json")
    assert read.assets["a"].get_absolute_href() == str(directory / "a.tif")


async def test_document_name_can_be_set_or_omitted(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    named = await download_item(item, tmp_path / "1", file_name="sub/item.json", config=config)
    assert relative_files(tmp_path / "1") == ["a.tif", "sub/item.json"]
    assert asset_hrefs(named) == {"a": "../a.tif"}

    unsaved = await download_item(item, tmp_path / "2", infer_file_name=False, config=config)
    assert relative_files(tmp_path / "2") == ["a.tif"]
    assert asset_hrefs(unsaved) == {"a": str(tmp_path / "2" / "a.tif")}
    assert unsaved.get_self_href() is None

    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(item, tmp_path / "3", file_name="../item.json", config=config)


async def test_item_without_assets_raises_error(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item 'the-item' has no assets"):
        await download_item(remote_item(origin), tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_file_names_come_from_hrefs_or_keys(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b")
    item.assets["a"].href = origin.href("/deep/picture.tif?size=10&sig=x")
    await download_item(item, tmp_path / "file", config=config)
    assert relative_files(tmp_path / "file") == ["b.tif", "picture.tif", "the-item.json"]
    config.file_name_strategy = FileNameStrategy.KEY
    item.assets["b"].href = origin.href("/elsewhere/picture.tif")
    await download_item(item, tmp_path / "key", config=config)
    assert relative_files(tmp_path / "key") == ["a.tif", "b.tif", "the-item.json"]


async def test_assets_with_same_file_name_have_distinct_files(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b")
    item.assets["b"].href = origin.href("/elsewhere/a.tif")
    new = await download_item(item, tmp_path, config=config)
    assert asset_hrefs(new) == {"a": "./a_a.tif", "b": "./a_b.tif"}
    assert relative_files(tmp_path) == ["a_a.tif", "a_b.tif", "the-item.json"]
    assert (tmp_path / "a_b.tif").read_bytes() == origin.content("/elsewhere/a.tif")


async def test_include_and_exclude_select_assets(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b", "c")
    config.include = ["a", "nonsense"]
    assert set((await download_item(item, tmp_path / "1", config=config)).assets) == {"a"}
    config.include, config.exclude = [], ["a"]
    assert set((await download_item(item, tmp_path / "2", config=config)).assets) == {"b", "c"}
    kept = await download_item(item, tmp_path / "3", config=config, keep_non_downloaded=True)
    assert asset_hrefs(kept) == {"a": origin.href("/a.tif"), "b": "./b.tif", "c": "./c.tif"}
    assert not (tmp_path / "3" / "a.tif").exists()


async def test_error_strategy_keeps_or_deletes_failed_assets(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    item = remote_item(origin, "a", "b")
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path / "delete", config=config, keep_non_downloaded=True)
    written = pystac.Item.from_file(tmp_path / "delete" / "the-item.json")
    assert asset_hrefs(written) == {"a": "./a.tif"}
    config.error_strategy = ErrorStrategy.KEEP
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path / "keep", config=config)
    written = pystac.Item.from_file(tmp_path / "keep" / "the-item.json")
    assert asset_hrefs(written) == {"a": "./a.tif", "b": origin.href("/b.tif")}


async def test_download_error_lists_failed_assets_without_queries(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b")
    origin.remove("/b.tif")
    item.assets["b"].href += "?sig=hunter2"
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert str(raised.value) == (
        "1 of 2 assets failed\n"
        f"- asset 'b' of item 'the-item': 404 Not Found for {origin.href('/b.tif')}?…"
    )
    (error,) = raised.value.exceptions
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, aiohttp.ClientResponseError)
    assert error.status == 404

    keys = [f"x{number}" for number in range(12)]
    for key in keys:
        origin.remove(f"/{key}.tif")
    with pytest.raises(DownloadError) as raised:
        await download_item(remote_item(origin, *keys), tmp_path, config=config)
    lines = str(raised.value).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("12 of 12 assets failed", 12, "- and 2 more")
    assert len(raised.value.exceptions) == 12


async def test_warning_location_is_the_caller(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    config.warn = True
    with pytest.warns(DownloadWarning, match="asset 'b' of item 'the-item': 404") as caught:
        downloaded = await download_item(remote_item(origin, "a", "b"), tmp_path, config=config)
    assert [warning.filename for warning in caught] == [__file__]
    assert set(downloaded.assets) == {"a"}


async def test_fail_fast_raises_first_error_and_cancels_other_downloads(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.fault("/a.tif", Stall())
    origin.fault("/b.tif", Delay(0.05), Status(404))
    config.fail_fast = True
    with pytest.raises(NotFoundError, match="asset 'b'"):
        await download_item(remote_item(origin, "a", "b"), tmp_path, config=config)
    assert relative_files(tmp_path) == []


async def test_fail_fast_raises_plan_errors_before_first_request(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b")
    item.assets["b"].href = "file:///etc/hostname"
    config.fail_fast = True
    with pytest.raises(LocalHrefError):
        await download_item(item, tmp_path, config=config)
    assert origin.requests == []


async def test_item_of_catalog_and_config_are_not_changed(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    catalog = pystac.Catalog("root", "The parent of the item.")
    item = remote_item(origin, "a", "b")
    item.assets["a"].extra_fields["alternate"] = {"near": {"href": "../near/n.tif"}}
    catalog.add_item(item)
    catalog.normalize_hrefs(origin.href("/catalog"))
    origin.remove("/b.tif")
    config.write_checksums = True
    before, settings = item.to_dict(transform_hrefs=False), copy.deepcopy(config)
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path, config=config)
    assert item.to_dict(transform_hrefs=False) == before
    assert (item.get_parent(), item.get_root()) == (catalog, catalog)
    assert all(asset.owner is item for asset in item.assets.values())
    assert config == settings


async def test_given_clients_are_used_and_stay_open(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        for name in ("1", "2"):
            await download_item(
                remote_item(origin, "a"), tmp_path / name, config=config, clients=[client]
            )
            assert not client.session.closed
    assert [request.headers["x-key"] for request in origin.gets()] == ["abc", "abc"]


async def test_relative_assets_of_local_item_are_copied(shared_data: Path, tmp_path: Path) -> None:
    item = pystac.Item.from_file(shared_data / "simple-item-with-image.json")
    downloaded = await download_item(item, tmp_path)
    image = "20201211_223832_CS2.jpg"
    assert (tmp_path / image).read_bytes() == (shared_data / image).read_bytes()
    assert list(asset_hrefs(downloaded).values()) == [f"./{image}"]


async def test_file_hrefs_require_permission(origin: Origin, tmp_path: Path) -> None:
    source = tmp_path / "a #1.tif"
    source.write_bytes(b"local")
    item = remote_item(origin, "a")
    item.assets["a"].href = source.as_uri()
    with pytest.raises(DownloadError, match="references local file"):
        await download_item(item, tmp_path / "out")
    await download_item(item, tmp_path / "out", config=Config(allow_local_hrefs=True))
    assert (tmp_path / "out" / "a #1.tif").read_bytes() == b"local"
