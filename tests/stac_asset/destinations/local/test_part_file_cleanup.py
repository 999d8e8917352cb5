"""Removal of part files that are no longer needed. Files of other writers are kept."""

from __future__ import annotations

import os
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.destinations.part_names import part_paths
from stac_asset.testing import Origin, Truncate
from tests.support.files import entry_names
from tests.support.items import item_from_origin
from tests.support.part_file_locks import hold_part_file_lock

MIB = 1024 * 1024


@pytest.fixture
def item(origin: Origin) -> pystac.Item:
    """An item with an asset that has an alternate of another file name."""
    origin.put("/a.tif", size=MIB)
    origin.put("/m/b.tif", size=MIB)
    return item_from_origin(origin, "a", alternate={"mirror": {"href": origin.href("/m/b.tif")}})


@pytest.fixture
def config() -> Config:
    """A configuration that prefers the alternate and does not retry."""
    return Config(http_max_attempts=1, alternate_assets=["mirror"])


async def test_part_file_of_failed_alternate_is_removed(
    origin: Origin, item: pystac.Item, tmp_path: Path, config: Config
) -> None:
    origin.fault("/m/b.tif", Truncate(MIB // 2))
    await download_item(item, tmp_path, config=config, infer_file_name=False)
    assert entry_names(tmp_path) == ["a.tif"]
    assert [get.path for get in origin.gets()] == ["/m/b.tif", "/a.tif"]


async def test_part_files_of_previous_run_are_removed_when_asset_is_skipped(
    origin: Origin, item: pystac.Item, tmp_path: Path, config: Config
) -> None:
    for path in ("/m/b.tif", "/a.tif"):
        origin.fault(path, Truncate(MIB // 2))
    with pytest.raises(DownloadError):
        await download_item(item, tmp_path, config=config, infer_file_name=False)
    parts = [".a.tif.part", ".a.tif.part.json", ".b.tif.part", ".b.tif.part.json"]
    assert entry_names(tmp_path) == parts
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    await download_item(item, tmp_path, config=config, infer_file_name=False)
    assert entry_names(tmp_path) == ["a.tif"]


async def test_locked_part_file_is_kept(
    origin: Origin, item: pystac.Item, tmp_path: Path, config: Config
) -> None:
    (tmp_path / "a.tif").write_bytes(origin.content("/a.tif"))
    with hold_part_file_lock(tmp_path / "b.tif") as part:
        await download_item(item, tmp_path, config=config, infer_file_name=False)
        assert entry_names(tmp_path) == [part.name, "a.tif"]


async def test_hard_linked_part_file_is_not_written(
    origin: Origin, item: pystac.Item, tmp_path: Path
) -> None:
    linked = tmp_path / "other" / "precious"
    linked.parent.mkdir()
    linked.write_bytes(b"precious")
    directory = tmp_path / "out"
    directory.mkdir()
    part, _ = part_paths(directory / "a.tif")
    os.link(linked, part)
    await download_item(item, directory, infer_file_name=False)
    assert linked.read_bytes() == b"precious"
    assert (directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert entry_names(directory) == ["a.tif"]
