"""What was received of a file in vain does not stay, and what is not ours is not touched."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Truncate
from tests.make_item import item_document

MIB = 1024 * 1024


@pytest.fixture
def item(origin: Origin) -> Any:
    """An item whose asset is at two places, under two names."""
    document = item_document(origin, "a")
    origin.put("/a.tif", size=MIB)
    origin.put("/m/b.tif", size=MIB)
    document["assets"]["a"]["alternate"] = {"mirror": {"href": origin.href("/m/b.tif")}}
    return stac_of(document, origin.href("/item.json"), "item")


@pytest.fixture
def config() -> Config:
    return Config(http_max_attempts=1, alternate_assets=["mirror"])


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_part_of_what_another_place_gave_is_removed(
    origin: Origin, item: Any, tmp_path: Path, config: Config
) -> None:
    origin.fault("/m/b.tif", Truncate(MIB // 2))
    await download_item(item, tmp_path, config=config, infer_file_name=False)
    assert names(tmp_path) == ["a.tif"]
    assert [get.path for get in origin.gets()] == ["/m/b.tif", "/a.tif"]


async def test_part_of_an_earlier_run_is_removed_with_a_skip(
    origin: Origin, item: Any, tmp_path: Path, config: Config
) -> None:
    for path in ("/m/b.tif", "/a.tif"):
        origin.fault(path, Truncate(MIB // 2))
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path, config=config, infer_file_name=False)
    assert names(tmp_path) == [".a.tif.part", ".a.tif.part.json", ".b.tif.part", ".b.tif.part.json"]
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    await download_item(item, tmp_path, config=config, infer_file_name=False)
    assert names(tmp_path) == ["a.tif"]


async def test_part_that_somebody_else_is_writing_stays(
    origin: Origin, item: Any, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    part, _ = part_paths(tmp_path / "b.tif")
    fd = os.open(part, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        await download_item(item, tmp_path, config=config, infer_file_name=False)
        assert names(tmp_path) == [part.name, "a.tif"]
    finally:
        os.close(fd)


async def test_part_file_that_is_a_file_elsewhere_too_is_not_written(
    origin: Origin, item: Any, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere" / "precious"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b"precious")
    directory = tmp_path / "out"
    directory.mkdir()
    part, _ = part_paths(directory / "a.tif")
    os.link(elsewhere, part)
    await download_item(item, directory, infer_file_name=False)
    assert elsewhere.read_bytes() == b"precious"
    assert (directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert names(directory) == ["a.tif"]
