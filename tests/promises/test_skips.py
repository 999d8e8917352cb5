"""A file that is there is skipped when nothing contradicts it, and fetched again when it does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, download_item
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.make_item import item_document


def described(origin: Origin, **fields: object) -> pystac.Item:
    document = item_document(origin, "a")
    document["assets"]["a"] |= fields
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item


def checksum(data: bytes) -> str:
    return "1220" + hashlib.sha256(data).hexdigest()


async def fetched(origin: Origin, item: pystac.Item, folder: Path, config: Config) -> bool:
    """Returns whether a run asked the origin for the asset, after which it is whole."""
    origin.forget()
    await download_item(item, folder, config=config)
    if origin.requests:
        assert (folder / "a.tif").read_bytes() == origin.content("/a.tif")
    return bool(origin.requests)


async def test_nothing_contradicts(origin: Origin, tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(b"whatever")
    assert not await fetched(origin, described(origin), tmp_path, config)


async def test_overwrite_fetches(origin: Origin, tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    config.overwrite = True
    assert await fetched(origin, described(origin), tmp_path, config)


@pytest.mark.parametrize(("look", "fetches"), [("size", True), ("checksum", True), ("none", False)])
async def test_size_contradicts(
    origin: Origin, tmp_path: Path, config: Config, look: str, fetches: bool
) -> None:
    data = origin.content("/a.tif")
    (tmp_path / "a.tif").write_bytes(data[:-1])
    config.verify_existing = look  # type: ignore[assignment]
    item = described(origin, **{"file:size": len(data)})
    assert await fetched(origin, item, tmp_path, config) is fetches
    assert not await fetched(origin, item, tmp_path, config)


@pytest.mark.parametrize(
    ("look", "fetches"), [("size", False), ("checksum", True), ("none", False)]
)
async def test_checksum_contradicts(
    origin: Origin, tmp_path: Path, config: Config, look: str, fetches: bool
) -> None:
    data = origin.content("/a.tif")
    (tmp_path / "a.tif").write_bytes(data[:-1] + b"?")
    config.verify_existing = look  # type: ignore[assignment]
    item = described(origin, **{"file:size": len(data), "file:checksum": checksum(data)})
    assert await fetched(origin, item, tmp_path, config) is fetches
    assert not await fetched(origin, item, tmp_path, config)


async def test_checksum_that_is_none_contradicts_nothing(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(b"whatever")
    config.verify_existing = "checksum"
    item = described(origin, **{"file:checksum": "d41d8cd98f00b204e9800998ecf8427e"})
    assert not await fetched(origin, item, tmp_path, config)


async def test_part_file_beside_a_finished_file_is_removed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(b"whatever")
    for leftover in part_paths(tmp_path / "a.tif"):
        leftover.write_bytes(b"left by a run that was killed")
    assert not await fetched(origin, described(origin), tmp_path, config)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tif", "the-item.json"]


async def test_directory_of_that_name_is_an_error_not_a_skip(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(Exception, match="a directory has this name"):
        await download_item(described(origin), tmp_path, config=config)
