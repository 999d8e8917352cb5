"""Checks of existing files: which files are skipped, and which are downloaded again."""

from __future__ import annotations

from pathlib import Path

import pystac
import pytest

from stac_asset import Config, download_item
from stac_asset.destinations.part_names import part_paths
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin
from tests.support.checksums import sha256_multihash
from tests.support.items import item_document


def item_with(origin: Origin, **fields: object) -> pystac.Item:
    document = item_document(origin, "a")
    document["assets"]["a"] |= fields
    item = stac_of(document, origin.href("/item.json"), "item")
    assert isinstance(item, pystac.Item)
    return item


async def is_downloaded(origin: Origin, item: pystac.Item, directory: Path, config: Config) -> bool:
    """Download an item, and return whether the origin received requests for the asset."""
    origin.forget()
    await download_item(item, directory, config=config)
    if origin.requests:
        assert (directory / "a.tif").read_bytes() == origin.content("/a.tif")
    return bool(origin.requests)


async def test_existing_file_is_skipped(origin: Origin, tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(b"other data")
    assert not await is_downloaded(origin, item_with(origin), tmp_path, config)


async def test_existing_file_is_replaced_with_overwrite(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    config.overwrite = True
    assert await is_downloaded(origin, item_with(origin), tmp_path, config)


@pytest.mark.parametrize(
    ("verify_existing", "is_replaced"), [("size", True), ("checksum", True), ("none", False)]
)
async def test_existing_file_of_wrong_size_is_replaced_if_verified(
    origin: Origin, tmp_path: Path, config: Config, verify_existing: str, is_replaced: bool
) -> None:
    data = origin.content("/a.tif")
    (tmp_path / "a.tif").write_bytes(data[:-1])
    config.verify_existing = verify_existing  # type: ignore[assignment]
    item = item_with(origin, **{"file:size": len(data)})
    assert await is_downloaded(origin, item, tmp_path, config) is is_replaced
    assert not await is_downloaded(origin, item, tmp_path, config)


@pytest.mark.parametrize(
    ("verify_existing", "is_replaced"), [("size", False), ("checksum", True), ("none", False)]
)
async def test_existing_file_with_wrong_checksum_is_replaced_if_verified(
    origin: Origin, tmp_path: Path, config: Config, verify_existing: str, is_replaced: bool
) -> None:
    data = origin.content("/a.tif")
    (tmp_path / "a.tif").write_bytes(data[:-1] + b"?")
    config.verify_existing = verify_existing  # type: ignore[assignment]
    item = item_with(origin, **{"file:size": len(data), "file:checksum": sha256_multihash(data)})
    assert await is_downloaded(origin, item, tmp_path, config) is is_replaced
    assert not await is_downloaded(origin, item, tmp_path, config)


async def test_invalid_checksum_of_existing_file_is_ignored(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(b"other data")
    config.verify_existing = "checksum"
    item = item_with(origin, **{"file:checksum": "d41d8cd98f00b204e9800998ecf8427e"})
    assert not await is_downloaded(origin, item, tmp_path, config)


async def test_part_file_of_existing_file_is_removed(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(b"other data")
    for part_file in part_paths(tmp_path / "a.tif"):
        part_file.write_bytes(b"written by a killed run")
    assert not await is_downloaded(origin, item_with(origin), tmp_path, config)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tif", "the-item.json"]


async def test_directory_with_name_of_file_is_an_error(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").mkdir()
    with pytest.raises(Exception, match="a folder has this name"):
        await download_item(item_with(origin), tmp_path, config=config)
