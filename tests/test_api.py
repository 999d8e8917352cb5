"""What the download functions do with items, collections and item collections."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest

import stac_asset
from stac_asset import (
    AssetOverwriteError,
    CannotIncludeAndExclude,
    Config,
    ConfigError,
    ContentTypeError,
    DownloadError,
    DownloadWarning,
    ErrorStrategy,
    FileNameStrategy,
    HttpClient,
    UnsafePathError,
    download_collection,
    download_item,
    download_item_collection,
)
from stac_asset.errors import DestinationError, LocalHrefError, NotFoundError, SizeError
from stac_asset.testing import Delay, Origin, Stall, Status, WrongType
from tests.make_collection import collection_document
from tests.make_item import item_document


def make(origin: Origin, *keys: str, name: str = "the-item") -> pystac.Item:
    """Returns an item that was read from the origin, with an asset for each key."""
    document = item_document(origin, *keys, name=name)
    document["links"] = [
        {"rel": "self", "href": origin.href(f"/items/{name}.json")},
        {"rel": "license", "href": "../LICENSE.txt"},
    ]
    return pystac.Item.from_dict(document)


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*.*"))


def hrefs(stac: pystac.Item | pystac.Collection) -> dict[str, str]:
    return {key: asset.href for key, asset in stac.assets.items()}


# Items


async def test_an_item_with_its_assets(origin: Origin, config: Config, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "directory"
    downloaded = await download_item(make(origin, "a", "b"), directory, config=config)
    assert files(directory) == ["a.tif", "b.tif", "the-item.json"]
    for key in "ab":
        assert (directory / f"{key}.tif").read_bytes() == origin.content(f"/{key}.tif")
    assert downloaded.get_self_href() == str(directory / "the-item.json")
    assert hrefs(downloaded) == {"a": "./a.tif", "b": "./b.tif"}

    written = json.loads((directory / "the-item.json").read_text())
    assert written == downloaded.to_dict(transform_hrefs=False)
    assert {link["rel"]: link["href"] for link in written["links"]} == {
        "self": str(directory / "the-item.json"),
        "license": origin.href("/LICENSE.txt"),
        "derived_from": origin.href("/items/the-item.json"),
    }
    read = pystac.Item.from_file(directory / "the-item.json")
    assert read.assets["a"].get_absolute_href() == str(directory / "a.tif")


async def test_the_document_may_have_a_name_or_none(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    named = await download_item(item, tmp_path / "1", file_name="sub/item.json", config=config)
    assert files(tmp_path / "1") == ["a.tif", "sub/item.json"]
    assert hrefs(named) == {"a": "../a.tif"}

    unsaved = await download_item(item, tmp_path / "2", infer_file_name=False, config=config)
    assert files(tmp_path / "2") == ["a.tif"]
    assert hrefs(unsaved) == {"a": str(tmp_path / "2" / "a.tif")}
    assert unsaved.get_self_href() is None

    with pytest.raises(UnsafePathError, match="outside of the directory"):
        await download_item(item, tmp_path / "3", file_name="../item.json", config=config)


async def test_an_item_without_assets(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item 'the-item' has no assets"):
        await download_item(make(origin), tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_files_are_named_after_hrefs_or_keys(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    item.assets["a"].href = origin.href("/deep/picture.tif?size=10&sig=x")
    await download_item(item, tmp_path / "file", config=config)
    assert files(tmp_path / "file") == ["b.tif", "picture.tif", "the-item.json"]
    config.file_name_strategy = FileNameStrategy.KEY
    item.assets["b"].href = origin.href("/elsewhere/picture.tif")
    await download_item(item, tmp_path / "key", config=config)
    assert files(tmp_path / "key") == ["a.tif", "b.tif", "the-item.json"]


async def test_assets_that_would_share_a_file(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    item.assets["b"].href = origin.href("/elsewhere/a.tif")
    with pytest.raises(AssetOverwriteError, match=r"asset 'a' .* and asset 'b' .* would share"):
        await download_item(item, tmp_path, config=config)
    assert origin.requests == []
    assert files(tmp_path) == []


async def test_include_and_exclude(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = make(origin, "a", "b", "c")
    config.include = ["a", "nonsense"]
    assert set((await download_item(item, tmp_path / "1", config=config)).assets) == {"a"}
    config.include, config.exclude = [], ["a"]
    assert set((await download_item(item, tmp_path / "2", config=config)).assets) == {"b", "c"}
    kept = await download_item(item, tmp_path / "3", config=config, keep_non_downloaded=True)
    assert hrefs(kept) == {"a": origin.href("/a.tif"), "b": "./b.tif", "c": "./c.tif"}
    assert not (tmp_path / "3" / "a.tif").exists()


async def test_failed_assets_are_kept_or_deleted(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    item = make(origin, "a", "b")
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path / "delete", config=config, keep_non_downloaded=True)
    written = pystac.Item.from_file(tmp_path / "delete" / "the-item.json")
    assert hrefs(written) == {"a": "./a.tif"}
    config.error_strategy = ErrorStrategy.KEEP
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path / "keep", config=config)
    written = pystac.Item.from_file(tmp_path / "keep" / "the-item.json")
    assert hrefs(written) == {"a": "./a.tif", "b": origin.href("/b.tif")}


async def test_a_download_error_says_how_many_and_which(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
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
        await download_item(make(origin, *keys), tmp_path, config=config)
    lines = str(raised.value).splitlines()
    assert (lines[0], len(lines), lines[-1]) == ("12 of 12 assets failed", 12, "- and 2 more")
    assert len(raised.value.exceptions) == 12


async def test_warn_warns_where_it_was_called(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    config.warn = True
    with pytest.warns(DownloadWarning, match="asset 'b' of item 'the-item': 404") as caught:
        downloaded = await download_item(make(origin, "a", "b"), tmp_path, config=config)
    assert [warning.filename for warning in caught] == [__file__]
    assert set(downloaded.assets) == {"a"}


async def test_fail_fast_raises_the_first_error_and_ends_the_others(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.fault("/a.tif", Stall())
    origin.fault("/b.tif", Delay(0.05), Status(404))
    config.fail_fast = True
    with pytest.raises(NotFoundError, match="asset 'b'"):
        await download_item(make(origin, "a", "b"), tmp_path, config=config)
    assert files(tmp_path) == []


async def test_fail_fast_is_faster_than_the_first_byte_where_the_plan_fails(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    item.assets["b"].href = "file:///etc/hostname"
    config.fail_fast = True
    with pytest.raises(LocalHrefError):
        await download_item(item, tmp_path, config=config)
    assert origin.requests == []


async def test_contradictory_options_are_an_error(tmp_path: Path, origin: Origin) -> None:
    with pytest.raises(ConfigError, match="warn and fail_fast are mutually exclusive"):
        await download_item(make(origin, "a"), tmp_path, config=Config(warn=True, fail_fast=True))


async def test_what_is_there_is_skipped_unless_overwritten(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    (tmp_path / "a.tif").write_bytes(b"already there")
    downloaded = await download_item(item, tmp_path, config=config)
    assert hrefs(downloaded) == {"a": "./a.tif"}
    assert (tmp_path / "a.tif").read_bytes() == b"already there"
    config.overwrite = True
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_what_is_there_with_another_size_is_fetched_again(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    item.assets["a"].extra_fields["file:size"] = len(origin.content("/a.tif"))
    (tmp_path / "a.tif").write_bytes(b"cut off")
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_an_error_leaves_what_stood_there(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a", "b")
    for key in "ab":
        (tmp_path / f"{key}.tif").write_bytes(b"what stood there")
    origin.remove("/a.tif")
    item.assets["b"].extra_fields["file:size"] = 1
    config.overwrite = True
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert {type(error) for error in raised.value.exceptions} >= {SizeError}
    for key in "ab":
        assert (tmp_path / f"{key}.tif").read_bytes() == b"what stood there"
    assert files(tmp_path) == ["a.tif", "b.tif", "the-item.json"]


async def test_the_directory_is_made_unless_forbidden(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    config.make_directory = False
    with pytest.raises(DestinationError, match=r"does not exist\. Create it"):
        await download_item(make(origin, "a"), tmp_path / "new", config=config)
    assert origin.requests == []
    await download_item(make(origin, "a"), tmp_path, config=config)
    assert files(tmp_path) == ["a.tif", "the-item.json"]
    items = pystac.ItemCollection([make(origin, "a", name="one"), make(origin, "a", name="two")])
    await download_item_collection(items, tmp_path, config=config)
    for folder in ("one", "two"):
        assert files(tmp_path / folder) == ["a.tif"]


@pytest.mark.parametrize("stream", [True, False, None])
async def test_stream(origin: Origin, config: Config, tmp_path: Path, stream: bool | None) -> None:
    origin.put("/a.tif", size=300_000)
    await download_item(make(origin, "a"), tmp_path, config=config, stream=stream)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_max_concurrent_downloads(origin: Origin, config: Config, tmp_path: Path) -> None:
    origin.fault("*.tif", Delay(0.01), times=0)
    keys = [f"a{number}" for number in range(9)]
    item = make(origin, *keys)
    await download_item(item, tmp_path, config=config, max_concurrent_downloads=3)
    assert origin.in_flight_max <= 3
    assert len(origin.gets()) == 9


# Content types


async def test_a_wrong_content_type_is_an_error(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    item.assets["a"].media_type = "image/tiff; application=geotiff"
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    (error,) = raised.value.exceptions
    assert isinstance(error, ContentTypeError)
    assert (error.actual, error.expected) == ("text/html", "image/tiff; application=geotiff")
    assert len(origin.gets()) == 1


async def test_a_wrong_content_type_is_a_warning_in_the_log_if_wanted(
    origin: Origin, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    item = make(origin, "a")
    item.assets["a"].media_type = "image/tiff"
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    config.http_check_content_type = False
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    (record,) = caplog.records
    assert (record.levelname, record.name.partition(".")[0]) == ("WARNING", "stac_asset")
    assert "text/html" in record.getMessage()


# Alternates


async def test_alternates_are_preferred_in_their_order(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    item.assets["a"].extra_fields["alternate"] = {
        "near": {"href": "../near/n.tif"},
        "far": {"href": origin.href("/far/f.tif")},
    }
    config.alternate_assets = ["missing", "near", "far"]
    downloaded = await download_item(item, tmp_path / "1", config=config)
    # A relative one is relative to the item's source, and the file is named after what came.
    assert (tmp_path / "1" / "n.tif").read_bytes() == origin.content("/near/n.tif")
    assert hrefs(downloaded) == {"a": "./n.tif"}

    origin.remove("/near/n.tif")
    await download_item(item, tmp_path / "2", config=config)
    assert (tmp_path / "2" / "f.tif").read_bytes() == origin.content("/far/f.tif")

    origin.remove("/far/f.tif")
    downloaded = await download_item(item, tmp_path / "3", config=config)
    assert (tmp_path / "3" / "a.tif").read_bytes() == origin.content("/a.tif")
    assert downloaded.assets["a"].extra_fields["alternate"]["near"] == {
        "href": origin.href("/near/n.tif")
    }

    origin.remove("/a.tif")
    with pytest.raises(DownloadError, match=r"near/n\.tif"):
        await download_item(item, tmp_path / "4", config=config)


# Checksums


async def test_checksums_are_written_when_asked(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = make(origin, "a")
    assert (
        "file:size"
        not in (await download_item(item, tmp_path, config=config)).assets["a"].extra_fields
    )
    config.write_checksums = config.overwrite = True
    downloaded = await download_item(item, tmp_path, config=config)
    data = origin.content("/a.tif")
    written = json.loads((tmp_path / "the-item.json").read_text())
    assert written["assets"]["a"]["file:size"] == len(data)
    digest = hashlib.sha256(data).hexdigest()
    assert written["assets"]["a"]["file:checksum"] == f"1220{digest}"
    assert any("/file/" in uri for uri in written["stac_extensions"])
    assert downloaded.stac_extensions == written["stac_extensions"]


# The caller's own


async def test_the_callers_objects_stay_as_they_are(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    catalog = pystac.Catalog("root", "The item's parent, which is no concern of a download.")
    item = make(origin, "a", "b")
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


async def test_the_callers_clients_are_used_and_left_open(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        for name in ("1", "2"):
            await download_item(make(origin, "a"), tmp_path / name, config=config, clients=[client])
            assert not client.session.closed
    assert [request.headers["x-key"] for request in origin.gets()] == ["abc", "abc"]


# Local items


async def test_a_local_item_with_relative_assets(shared_data: Path, tmp_path: Path) -> None:
    item = pystac.Item.from_file(shared_data / "simple-item-with-image.json")
    downloaded = await download_item(item, tmp_path)
    image = "20201211_223832_CS2.jpg"
    assert (tmp_path / image).read_bytes() == (shared_data / image).read_bytes()
    assert list(hrefs(downloaded).values()) == [f"./{image}"]


async def test_a_collections_own_assets(shared_data: Path, tmp_path: Path) -> None:
    collection = pystac.Collection.from_file(shared_data / "collection-with-image.json")
    before = collection.to_dict(transform_hrefs=False)
    downloaded = await download_collection(collection, tmp_path)
    assert files(tmp_path) == ["20201211_223832_CS2.jpg", "collection.json"]
    assert list(hrefs(downloaded).values()) == ["./20201211_223832_CS2.jpg"]
    assert collection.to_dict(transform_hrefs=False) == before


async def test_file_hrefs(origin: Origin, tmp_path: Path) -> None:
    source = tmp_path / "a #1.tif"
    source.write_bytes(b"local")
    item = make(origin, "a")
    item.assets["a"].href = source.as_uri()
    with pytest.raises(DownloadError, match="references local file"):
        await download_item(item, tmp_path / "out")
    await download_item(item, tmp_path / "out", config=Config(allow_local_hrefs=True))
    assert (tmp_path / "out" / "a #1.tif").read_bytes() == b"local"


# Collections and item collections


async def test_a_collection(origin: Origin, config: Config, tmp_path: Path) -> None:
    document = collection_document(origin, "thumbnail", "other")
    document["links"] = [{"rel": "self", "href": origin.href("/c.json")}]
    collection = pystac.Collection.from_dict(document)
    config.exclude = ["other"]
    downloaded = await download_collection(
        collection, tmp_path, file_name="c.json", config=config, keep_non_downloaded=True
    )
    assert files(tmp_path) == ["c.json", "thumbnail.png"]
    assert hrefs(downloaded) == {
        "thumbnail": "./thumbnail.png",
        "other": origin.href("/other.png"),
    }
    link = downloaded.get_single_link(pystac.RelType.DERIVED_FROM)
    assert link is not None
    assert link.target == origin.href("/c.json")
    unsaved = await download_collection(collection, tmp_path / "2", file_name=None, config=config)
    assert hrefs(unsaved) == {"thumbnail": str(tmp_path / "2" / "thumbnail.png")}
    assert files(tmp_path / "2") == ["thumbnail.png"]


async def test_an_item_collection(origin: Origin, config: Config, tmp_path: Path) -> None:
    items = pystac.ItemCollection(
        [make(origin, "a", name="one"), make(origin, "a", "b", name="two")],
        extra_fields={"numberMatched": 2},
    )
    before = items.to_dict(transform_hrefs=False)
    downloaded = await download_item_collection(items, tmp_path, config=config)
    assert files(tmp_path) == ["item-collection.json", "one/a.tif", "two/a.tif", "two/b.tif"]
    written = json.loads((tmp_path / "item-collection.json").read_text())
    assert written["numberMatched"] == 2
    assert [item.id for item in downloaded] == ["one", "two"]
    for name, feature in zip(("one", "two"), written["features"], strict=True):
        assert feature["assets"]["a"]["href"] == str(tmp_path / name / "a.tif")
        links = {link["rel"]: link["href"] for link in feature["links"]}
        assert links["derived_from"] == origin.href(f"/items/{name}.json")
    assert items.to_dict(transform_hrefs=False) == before


async def test_path_template(origin: Origin, config: Config, tmp_path: Path) -> None:
    item = make(origin, "a")
    item.collection_id = "sentinel"
    items = pystac.ItemCollection([item])
    await download_item_collection(
        items, tmp_path, config=config, path_template="${collection}/${year}-${month}/${id}"
    )
    assert files(tmp_path) == ["item-collection.json", "sentinel/2026-6/the-item/a.tif"]
    for template in ("../${id}", "/abs/${id}"):
        with pytest.raises(UnsafePathError):
            await download_item_collection(items, tmp_path, path_template=template)


async def test_items_that_would_share_a_folder(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    items = pystac.ItemCollection([make(origin, "a", name="one"), make(origin, "a", name="two")])
    with pytest.raises(AssetOverwriteError, match=r"item 'one' and .* item 'two'"):
        await download_item_collection(items, tmp_path, config=config, path_template="${year}")
    assert origin.requests == []


async def test_one_failure_does_not_keep_the_item_collection_from_being_written(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/b.tif")
    items = pystac.ItemCollection([make(origin, "a", name="one"), make(origin, "b", name="two")])
    with pytest.raises(DownloadError, match=r"^1 of 2 assets failed\n- asset 'b' of item 'two'"):
        await download_item_collection(items, tmp_path, config=config, file_name="all.json")
    written = pystac.ItemCollection.from_file(str(tmp_path / "all.json"))
    assert [list(item.assets) for item in written] == [["a"], []]


# Contradictions

ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "x",
    "geometry": None,
    "properties": {"datetime": "2026-06-01T00:00:00Z"},
    "links": [],
    "assets": {"a": {"href": "http://127.0.0.1:9/a.tif"}},
}


async def iterate(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


def calls(directory: Path) -> dict[str, Callable[[Config], Awaitable[Any]]]:
    """Returns a call of each public function that takes a configuration."""
    item = pystac.Item.from_dict(ITEM)
    items = pystac.ItemCollection([item])
    asset, href = item.assets["a"], item.assets["a"].href
    extent = pystac.Extent(
        pystac.SpatialExtent([[-1, -1, 1, 1]]), pystac.TemporalExtent([[None, None]])
    )
    collection = pystac.Collection("c", "d", extent)
    api = stac_asset
    return {
        "download_item": lambda c: api.download_item(item, directory, config=c),
        "download_collection": lambda c: api.download_collection(collection, directory, config=c),
        "download_item_collection": lambda c: api.download_item_collection(
            items, directory, config=c
        ),
        "download_asset": lambda c: api.download_asset("a", asset, directory / "a.tif", c),
        "download_file": lambda c: api.download_file(href, directory / "a.tif", c),
        "asset_exists": lambda c: api.asset_exists(asset, c),
        "assert_asset_exists": lambda c: api.assert_asset_exists(asset, c),
        "open_href": lambda c: iterate(api.open_href(href, c)),
        "read_href": lambda c: api.read_href(href, c),
        "plan_item": lambda c: api.plan_item(item, directory, config=c),
        "plan_collection": lambda c: api.plan_collection(collection, directory, config=c),
        "plan_item_collection": lambda c: api.plan_item_collection(items, directory, config=c),
    }


@pytest.mark.parametrize("name", calls(Path()))
async def test_a_contradictory_config_is_refused(name: str, tmp_path: Path) -> None:
    call = calls(tmp_path)[name]
    with pytest.raises(CannotIncludeAndExclude):
        await call(Config(include=["a"], exclude=["b"]))
    with pytest.raises(ConfigError, match="warn and fail_fast"):
        await call(Config(warn=True, fail_fast=True))
    with pytest.raises(ConfigError, match="s3_max_attempts"):
        await call(Config(s3_max_attempts=0))
    with pytest.raises(ConfigError, match="no known client"):
        await call(Config(client_override="nonsense"))
    assert list(tmp_path.iterdir()) == []


def test_every_function_that_takes_a_config_is_asked() -> None:
    takes = {
        name
        for name in stac_asset.__all__
        if "config" in getattr(getattr(stac_asset, name), "__annotations__", {})
    }
    assert takes == set(calls(Path()))
