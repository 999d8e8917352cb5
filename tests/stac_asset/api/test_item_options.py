"""Options of `download_item`: overwrite, directories, concurrency, content types and sources."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pystac
import pytest

from stac_asset import (
    Config,
    ContentTypeError,
    DownloadError,
    download_item,
    download_item_collection,
)
from stac_asset.errors import DestinationError, SizeError
from stac_asset.testing import Delay, Origin, WrongType
from tests.support.files import relative_files
from tests.support.remote_items import asset_hrefs, remote_item


async def test_existing_file_is_skipped_unless_overwrite_is_set(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    (tmp_path / "a.tif").write_bytes(b"already there")
    downloaded = await download_item(item, tmp_path, config=config)
    assert asset_hrefs(downloaded) == {"a": "./a.tif"}
    assert (tmp_path / "a.tif").read_bytes() == b"already there"
    config.overwrite = True
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_existing_file_with_wrong_size_is_downloaded_again(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    item.assets["a"].extra_fields["file:size"] = len(origin.content("/a.tif"))
    (tmp_path / "a.tif").write_bytes(b"cut off")
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_failed_download_keeps_existing_file(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a", "b")
    for key in "ab":
        (tmp_path / f"{key}.tif").write_bytes(b"existing")
    origin.remove("/a.tif")
    item.assets["b"].extra_fields["file:size"] = 1
    config.overwrite = True
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    assert {type(error) for error in raised.value.exceptions} >= {SizeError}
    for key in "ab":
        assert (tmp_path / f"{key}.tif").read_bytes() == b"existing"
    assert relative_files(tmp_path) == ["a.tif", "b.tif", "the-item.json"]


async def test_directory_is_created_unless_disabled(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    config.make_directory = False
    with pytest.raises(DestinationError, match=r"does not exist\. Create it"):
        await download_item(remote_item(origin, "a"), tmp_path / "new", config=config)
    assert origin.requests == []
    await download_item(remote_item(origin, "a"), tmp_path, config=config)
    assert relative_files(tmp_path) == ["a.tif", "the-item.json"]
    items = pystac.ItemCollection(
        [remote_item(origin, "a", name="first"), remote_item(origin, "a", name="second")]
    )
    await download_item_collection(items, tmp_path, config=config)
    for folder in ("first", "second"):
        assert relative_files(tmp_path / folder) == ["a.tif"]


@pytest.mark.parametrize("stream", [True, False, None])
async def test_stream_option_does_not_change_file(
    origin: Origin, config: Config, tmp_path: Path, stream: bool | None
) -> None:
    origin.put("/a.tif", size=300_000)
    await download_item(remote_item(origin, "a"), tmp_path, config=config, stream=stream)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_max_concurrent_downloads_limits_requests(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.fault("*.tif", Delay(0.01), times=0)
    keys = [f"a{number}" for number in range(9)]
    item = remote_item(origin, *keys)
    await download_item(item, tmp_path, config=config, max_concurrent_downloads=3)
    assert origin.in_flight_max <= 3
    assert len(origin.gets()) == 9


async def test_wrong_content_type_fails_asset(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    item.assets["a"].media_type = "image/tiff; application=geotiff"
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    with pytest.raises(DownloadError) as raised:
        await download_item(item, tmp_path, config=config)
    (error,) = raised.value.exceptions
    assert isinstance(error, ContentTypeError)
    assert (error.actual, error.expected) == ("text/html", "image/tiff; application=geotiff")
    assert len(origin.gets()) == 1


async def test_wrong_content_type_is_logged_if_check_is_disabled(
    origin: Origin, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    item = remote_item(origin, "a")
    item.assets["a"].media_type = "image/tiff"
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    config.http_check_content_type = False
    await download_item(item, tmp_path, config=config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    (record,) = caplog.records
    assert (record.levelname, record.name.partition(".")[0]) == ("WARNING", "stac_asset")
    assert "text/html" in record.getMessage()


async def test_alternates_are_tried_in_configured_order(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
    item.assets["a"].extra_fields["alternate"] = {
        "near": {"href": "../near/n.tif"},
        "far": {"href": origin.href("/far/f.tif")},
    }
    config.alternate_assets = ["missing", "near", "far"]
    downloaded = await download_item(item, tmp_path / "1", config=config)
    # A relative alternate is resolved against the source of the item, and names the file.
    assert (tmp_path / "1" / "n.tif").read_bytes() == origin.content("/near/n.tif")
    assert asset_hrefs(downloaded) == {"a": "./n.tif"}

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


async def test_checksums_are_written_if_enabled(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    item = remote_item(origin, "a")
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
