"""Files of this machine: what is none, though it has a path."""

from __future__ import annotations

import os
from pathlib import Path

import pystac
import pytest

from stac_asset import Config, asset_exists, download_file, read_href
from stac_asset.clients import FilesystemClient
from stac_asset.errors import NotFoundError, TransferError


@pytest.fixture(params=["pipe", "device", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of what has no bytes to copy."""
    path = tmp_path / "source.tif"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "device":
        path.symlink_to(os.devnull)
    else:
        path.mkdir()
    return path


@pytest.mark.timeout(60)  # Where a pipe is waited for, that is for ever.
async def test_what_is_no_regular_file_is_refused_at_once(path: Path, config: Config) -> None:
    target = path.with_name("target.tif")
    sentence = rf"File {path} cannot be read: (it is a pipe or a device|Is a directory)$"
    for href in (str(path), path.as_uri()):
        with pytest.raises(TransferError, match=sentence) as raised:
            await read_href(href, config)
        assert not raised.value.transient
        with pytest.raises(TransferError, match=sentence):
            await download_file(href, target, config)
        assert not await asset_exists(pystac.Asset(href), config)
    assert os.listdir(path.parent) == [path.name]


async def test_what_is_missing_or_a_link_is_told_from_it(tmp_path: Path, config: Config) -> None:
    (tmp_path / "a.tif").write_bytes(b"pixels")
    (tmp_path / "link.tif").symlink_to("a.tif")
    (tmp_path / "broken.tif").symlink_to("none.tif")
    async with FilesystemClient() as client:
        chunks = [chunk async for chunk in client.open_href(str(tmp_path / "link.tif"))]
    assert chunks == [b"pixels"]
    with pytest.raises(NotFoundError, match=r"File .*broken\.tif does not exist"):
        await read_href(str(tmp_path / "broken.tif"), config)
