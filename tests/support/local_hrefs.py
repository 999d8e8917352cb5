"""Items that reference a secret file on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest

from stac_asset import Config, DownloadError, download_item
from stac_asset.errors import StacAssetError
from stac_asset.testing import Origin
from tests.support.items import item_document, load_item

SECRET = b"root:x:0:0"
"""Content of the secret file."""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A local file that remote items must not reference."""
    path = tmp_path / "etc" / "passwd"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The destination directory."""
    return tmp_path / "downloads"


def document_with_href(origin: Origin, href: object, **fields: Any) -> dict[str, Any]:
    """Return an item with the assets `a` and `good`.

    Args:
        origin: The origin of the asset `good`.
        href: The href of the asset `a`.
        fields: Further fields of the asset `a`.
    """
    document = item_document(origin, "a", "good")
    document["assets"]["a"] |= {"href": href, **fields}
    return document


def write_local_item(origin: Origin, folder: Path, href: str) -> pystac.Item:
    """Write an item to `item.json` in a folder, and return the item read from this file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "item.json"
    path.write_text(json.dumps(document_with_href(origin, href)))
    return load_item(path)


def contains_secret(directory: Path) -> bool:
    """Return whether any downloaded file contains the secret."""
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert files, "no file was downloaded"
    return any(SECRET in file.read_bytes() for file in files)


async def failure_of_asset(item: pystac.Item, directory: Path, config: Config) -> StacAssetError:
    """Return the error of the asset `a`. The asset `good` must be downloaded."""
    with pytest.raises(DownloadError) as caught:
        await download_item(item, directory, config=config)
    (error,) = caught.value.exceptions
    assert (directory / "good.tif").is_file()
    assert isinstance(error, StacAssetError)
    assert (error.owner, error.key) == ("item 'the-item'", "a")
    return error
