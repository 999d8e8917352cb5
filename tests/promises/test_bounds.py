"""No more is fetched of a file than it can have, and nothing of one that has the wrong size."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.destinations import Declared, LocalDestination
from stac_asset.errors import RangeError, SizeError
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Truncate
from tests.make_item import item_document
from tests.promises.raw_origin import Asked, chunk, head, serving

MIB = 1024 * 1024
ENDLESS = 256 * MIB


def item_of(document: dict[str, Any]) -> Any:
    return stac_of(document, "http://127.0.0.1/item.json", "item")


def only_error(raised: pytest.ExceptionInfo[DownloadError]) -> Exception:
    (error,) = raised.value.exceptions
    return error


@pytest.mark.parametrize("stream", [None, False])
async def test_source_that_does_not_end_is_left_at_the_first_byte_too_many(
    origin: Origin, tmp_path: Path, config: Config, stream: bool | None
) -> None:
    sent = 0

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(head(200))
        while sent < ENDLESS:
            writer.write(chunk(bytes(65_536)))
            await writer.drain()
            sent += 65_536

    async with serving(answer) as raw:
        document = item_document(origin, "a")
        document["assets"]["a"] = {"href": f"{raw.url}/a.tif", "file:size": 10}
        with pytest.raises(DownloadError, match=r"more than the 10 bytes that file:size declares") as raised:
            await download_item(
                item_of(document), tmp_path, config=config, infer_file_name=False, stream=stream
            )
        assert len(raw.asked) == 1
    assert isinstance(only_error(raised), SizeError)
    assert sent < ENDLESS / 2  # What the sockets hold.
    assert list(tmp_path.iterdir()) == []


async def test_announced_size_that_is_wrong_is_not_fetched(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=50 * MIB)
    document = item_document(origin, "a")
    document["assets"]["a"]["file:size"] = 10
    with pytest.raises(DownloadError, match=f"{50 * MIB} bytes, but file:size declares 10") as raised:
        await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    assert isinstance(only_error(raised), SizeError)
    (get,) = origin.gets()
    assert get.body_sent < 50 * MIB  # What the sockets hold.
    assert list(tmp_path.iterdir()) == []


async def test_alternate_of_the_right_size_takes_its_place(
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


async def test_part_of_a_file_of_another_size_is_not_continued(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    origin.put("/a.tif", size=2 * MIB)
    origin.fault("/a.tif", Truncate(MIB))
    document = item_document(origin, "a")
    config.http_max_attempts = 1
    with pytest.raises(DownloadError):
        await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    data = b"of another size, as the item says by now"
    origin.put("/a.tif", data)
    document["assets"]["a"] |= {
        "file:size": len(data),
        "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
    }
    await download_item(item_of(document), tmp_path, config=config, infer_file_name=False)
    assert (tmp_path / "a.tif").read_bytes() == data
    assert [get.range for get in origin.gets()] == [None, None]


async def test_client_that_gives_more_than_it_announced(tmp_path: Path) -> None:
    destination = LocalDestination(tmp_path)
    async with destination.open_upload("a.tif", "source", Declared()) as upload:
        await upload.begin(0, None, 4)
        await upload.write(b"123")
        with pytest.raises(RangeError, match="more bytes"):
            await upload.write(b"45")
    assert list(tmp_path.iterdir()) == []
