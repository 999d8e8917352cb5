"""Free disk space is checked before the first request."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, download_item, plan_item
from stac_asset.destinations.part_names import part_paths
from stac_asset.destinations.space import bytes_on_disk, check_space
from stac_asset.errors import DestinationError, DownloadError
from stac_asset.testing import Origin
from stac_asset.types import Candidate, Transfer
from tests.support.remote_items import remote_item


def item_of_size(origin: Origin, *sizes: int) -> pystac.Item:
    """Return an item whose assets `a`, `b` … declare sizes."""
    keys = "abcdef"[: len(sizes)]
    item = remote_item(origin, *keys)
    for key, size in zip(keys, sizes, strict=True):
        item.assets[key].extra_fields["file:size"] = size
    return item


def transfer(path: Path, size: int | None) -> Transfer:
    return Transfer("", path.name, (Candidate("", str(path)),), str(path.parent), size=size)


async def test_download_that_does_not_fit_is_refused_before_any_request(
    origin: Origin, tmp_path: Path
) -> None:
    # Other programs may free space during the test, but never more than the whole disk.
    whole = shutil.disk_usage(tmp_path).total
    item = item_of_size(origin, whole, whole)
    with pytest.raises(DestinationError, match=r"more bytes, but only .* are free in directory"):
        await download_item(item, tmp_path / "data")
    assert origin.requests == []
    assert list(tmp_path.iterdir()) == []
    plan = await plan_item(item, tmp_path / "data")
    assert plan.fits is False
    assert "more bytes, but only" in plan.problems[0]


async def test_check_of_free_space_can_be_switched_off(origin: Origin, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    item = item_of_size(origin, free, free)
    with pytest.raises(DownloadError):  # The declared sizes are wrong.
        await download_item(item, tmp_path, config=Config(check_free_space=False))
    assert origin.gets("/a.tif")


async def test_size_larger_than_the_disk_fails_only_its_own_asset(
    origin: Origin, tmp_path: Path
) -> None:
    item = item_of_size(origin, 2**62, 1)
    item.assets["b"].extra_fields["file:size"] = len(origin.content("/b.tif"))
    with pytest.raises(DownloadError) as error_info:
        await download_item(item, tmp_path)
    assert [error.key for error in error_info.value.exceptions] == ["a"]
    assert (tmp_path / "b.tif").is_file()


def test_existing_files_and_part_files_are_subtracted(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    file = tmp_path / "a.tif"
    part, _ = part_paths(file)
    file.write_bytes(b"x" * 2**20)
    part.write_bytes(b"x" * 2**20)
    assert bytes_on_disk(str(file)) == 2**21
    asked = list[Any]()

    def transfers() -> list[Transfer]:
        asked.append(None)
        return [transfer(file, 2**20), transfer(file, 2**20), transfer(tmp_path / "b", None)]

    check_space(free // 2, transfers, tmp_path)
    assert asked == []  # The files are not examined if the total fits.
    check_space(2 * free, transfers, tmp_path)
    assert asked == [None]


def test_holes_of_part_files_are_no_received_bytes(tmp_path: Path) -> None:
    part, _ = part_paths(tmp_path / "a.tif")
    with part.open("wb") as file:
        file.truncate(2**30)
    assert bytes_on_disk(str(tmp_path / "a.tif")) < 2**20
