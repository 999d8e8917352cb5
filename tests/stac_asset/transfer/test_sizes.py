"""Limits on received bytes: wrong sizes end a download early."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.errors import RangeError, SizeError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Truncate
from tests.support.checksums import sha256_multihash
from tests.support.items import item_document
from tests.support.raw_origin import RawRequest, chunk, raw_origin, response_head

MIB = 1024 * 1024
ENDLESS = 256 * MIB
"""Size of a response that stands for an endless response, in bytes."""


def item_of(document: dict[str, Any]) -> Any:
    return stac_of(document, "http://127.0.0.1/item.json", "item")


def single_error(raised: pytest.ExceptionInfo[DownloadError]) -> Exception:
    (error,) = raised.value.exceptions
    return error


@pytest.mark.parametrize("stream", [None, False])
async def test_download_stops_at_first_byte_after_declared_size(
    origin: Origin, tmp_path: Path, config: Config, stream: bool | None
) -> None:
    sent = 0

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(response_head(200))
        while sent < ENDLESS:
            writer.write(chunk(bytes(65_536)))
            await writer.drain()
            sent += 65_536

    async with raw_origin(respond) as raw:
        document = item_document(origin, "a")
        document["assets"]["a"] = {"href": f"{raw.url}/a.tif", "file:size": 10}
        with pytest.raises(
            DownloadError, match=r"more than the 10 bytes that file:size declares"
        ) as raised:
            await download_item(
                item_of(document), tmp_path, config=config, infer_file_name=False, stream=stream
            )
        assert len(raw.requests) == 1
    assert isinstance(single_error(raised), SizeError)
    assert sent < ENDLESS / 2  # Socket buffers hold some bytes.
    assert list(tmp_path.iterdir()) == []


async def test_file_of_wrong_announced_size_is_not_downloaded(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=50 * MIB)
    document = item_document(origin, "a")
    document["assets"]["a"]["file:size"] = 10
    with pytest.raises(
        DownloadError, match=f"{50 * MIB} bytes, but file:size declares 10"
    ) as raised:
        await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    assert isinstance(single_error(raised), SizeError)
    (get,) = origin.gets()
    assert get.body_sent < 50 * MIB  # Socket buffers hold some bytes.
    assert list(tmp_path.iterdir()) == []


async def test_alternate_of_declared_size_is_downloaded(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/m/b.tif", size=50 * MIB)
    origin.put("/a.tif", size=MIB)
    document = item_document(origin, "a")
    document["assets"]["a"] |= {
        "file:size": MIB,
        "alternate": {"mirror": {"href": origin.href("/m/b.tif")}},
    }
    config.alternate_assets = ["mirror"]
    await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tif"]
    assert [get.path for get in origin.gets()] == ["/m/b.tif", "/a.tif"]


async def test_part_file_of_another_size_is_not_resumed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=2 * MIB)
    origin.fault("/a.tif", Truncate(MIB))
    document = item_document(origin, "a")
    config.http_max_attempts = 1
    with pytest.raises(DownloadError):
        await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    data = b"a file of another size, which the item declares"
    origin.put("/a.tif", data)
    document["assets"]["a"] |= {
        "file:size": len(data),
        "file:checksum": sha256_multihash(data),
    }
    await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    assert (tmp_path / "a.tif").read_bytes() == data
    assert [get.range for get in origin.gets()] == [None, None]


async def test_response_longer_than_announced_raises_range_error(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        await upload.begin(0, None, 4)
        await upload.write(b"123")
        with pytest.raises(RangeError, match="more bytes"):
            await upload.write(b"45")
    assert list(tmp_path.iterdir()) == []
