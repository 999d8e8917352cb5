"""Pipes, devices, folders and links that the filesystem client opens."""

from __future__ import annotations

import os
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, asset_exists, download_file, read_href
from stac_asset.clients import FilesystemClient
from stac_asset.errors import NotFoundError, TransferError


@pytest.fixture(params=["pipe", "device", "folder"])
def irregular_path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the path of a pipe, a device or a folder."""
    path = tmp_path / "source.tif"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to(os.devnull)
    else:
        path.mkdir()
    return path


@pytest.mark.timeout(60)  # A read that waits for the pipe never ends.
async def test_irregular_file_is_an_error(irregular_path: Path, config: Config) -> None:
    target = irregular_path.with_name("target.tif")
    pipe = rf"File {irregular_path} cannot be read: it is a pipe or a device$"
    message = rf"{pipe}|{irregular_path} is a directory, not a file"
    for href in (str(irregular_path), irregular_path.as_uri()):
        with pytest.raises(TransferError, match=message) as raised:
            await read_href(href, config)
        assert not raised.value.transient
        with pytest.raises(TransferError, match=message):
            await download_file(href, target, config)
        assert not await asset_exists(pystac.Asset(href), config)
    assert os.listdir(irregular_path.parent) == [irregular_path.name]


async def test_link_is_followed_and_broken_link_is_missing(tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(b"pixels")
    (tmp_path / "link.tif").symlink_to("a.tif")
    (tmp_path / "broken.tif").symlink_to("missing.tif")
    async with FilesystemClient() as client:
        chunks = [chunk async for chunk in client.open_href(str(tmp_path / "link.tif"))]
    assert chunks == [b"pixels"]
    with pytest.raises(NotFoundError, match=r"File .*broken\.tif does not exist"):
        await read_href(str(tmp_path / "broken.tif"), config)


async def test_error_about_a_relative_path_names_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    (tmp_path / "removed").mkdir()
    monkeypatch.chdir(tmp_path / "removed")
    with pytest.raises(NotFoundError) as raised:
        await read_href("item.json", config)
    folder = f"{tmp_path}/removed"
    assert str(raised.value) == f"File item.json does not exist in the working directory {folder}"
    (tmp_path / "removed").rmdir()
    with pytest.raises(NotFoundError, match=r"does not exist, because the working directory was"):
        await read_href("item.json", config)
