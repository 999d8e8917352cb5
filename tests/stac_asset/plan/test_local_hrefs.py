"""Local items can reference local files, relative to the item."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pystac
import pytest

from stac_asset import Config, DownloadError, download_item, download_item_collection
from stac_asset.errors import DestinationError, HrefError, NotFoundError
from stac_asset.stac.parse import load_stac
from stac_asset.testing import Origin
from tests.support.items import item_document, load_item
from tests.support.local_hrefs import (
    SECRET,
    contains_secret,
    document_with_href,
    failure_of_asset,
    write_local_item,
)

FILE_NAMES = [
    "plain.tif",
    "with space.tif",
    "a#b.tif",
    "a?b=c.tif",
    "50%.tif",
    "a%20b.tif",
    "%2e%2e.tif",
    "é日本.tif",
    "a:b.tif",
    "http:x.tif",
    "a;b&c.tif",
    "a+b.tif",
]
"""Valid names of local files."""


@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize(
    "form", ["relative", "parent folder", "absolute", "URL", "URL of localhost", "URL without host"]
)
async def test_local_item_references_local_file(
    origin: Origin, config: Config, tmp_path: Path, directory: Path, name: str, form: str
) -> None:
    data = tmp_path / "da#ta?" / name
    data.parent.mkdir()
    data.write_bytes(SECRET)
    href = {
        "relative": f"./{name}",
        "parent folder": f"../da#ta?/{name}",
        "absolute": str(data),
        "URL": data.as_uri(),
        "URL of localhost": data.as_uri().replace("file://", "file://localhost"),
        "URL without host": data.as_uri().replace("file://", "file:"),
    }[form]
    item = write_local_item(origin, data.parent, href)
    new = await download_item(item, directory, config=config)
    assert (directory / name).read_bytes() == SECRET
    assert unquote(new.assets["a"].href) == f"./{name}"
    written = load_item(directory / "the-item.json")
    await download_item(written, directory / "again", config=config)
    assert (directory / "again" / name).read_bytes() == SECRET


async def test_folder_names_may_contain_backslashes(
    origin: Origin, config: Config, tmp_path: Path, directory: Path
) -> None:
    item = write_local_item(origin, tmp_path / "a\\b", "./x.tif")
    (tmp_path / "a\\b" / "x.tif").write_bytes(SECRET)
    new = await download_item(item, directory / "c\\d", config=config)
    assert (directory / "c\\d" / "x.tif").read_bytes() == SECRET
    assert new.self_href == str(directory / "c\\d" / "the-item.json")


async def test_file_url_of_other_host_is_refused(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = write_local_item(origin, secret.parent, f"file://elsewhere{secret}")
    error = await failure_of_asset(item, directory, config)
    assert isinstance(error, HrefError)
    assert "another host" in str(error)


async def test_missing_local_file_is_reported(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = write_local_item(origin, secret.parent, "./nothing.tif")
    error = await failure_of_asset(item, directory, config)
    assert isinstance(error, NotFoundError)
    assert isinstance(error, FileNotFoundError)


@pytest.mark.parametrize("href", ["./pass\0wd", "file:///a%00b", "./pass\udc80wd"])
async def test_invalid_local_path_is_refused(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    item = write_local_item(origin, secret.parent, href)
    assert isinstance(await failure_of_asset(item, directory, config), HrefError)


async def test_hrefs_of_local_item_collection_are_relative_to_self_links(
    origin: Origin,
    config: Config,
    secret: Path,
    directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = item_document(origin, "a")
    document["assets"]["a"]["href"] = "./passwd"
    document["links"] = [{"rel": "self", "href": "./etc/item.json"}]
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [document]}))
    monkeypatch.chdir("/")
    items = load_stac(path)
    assert isinstance(items, pystac.ItemCollection)
    await download_item_collection(items, directory, config=config)
    assert (directory / "the-item" / "passwd").read_bytes() == SECRET


async def test_item_with_remote_self_link_in_local_item_collection_is_remote(
    origin: Origin, config: Config, secret: Path, directory: Path, tmp_path: Path
) -> None:
    document = document_with_href(origin, secret.as_uri())
    document["links"] = [{"rel": "self", "href": origin.href("/item.json")}]
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [document]}))
    items = load_stac(path)
    assert isinstance(items, pystac.ItemCollection)
    with pytest.raises(DownloadError, match="references local file"):
        await download_item_collection(items, directory, config=config)
    assert not contains_secret(directory)


@pytest.mark.parametrize("reader", ["pystac", "stac_asset", "clone"])
async def test_item_read_from_its_self_link_is_local(
    origin: Origin, config: Config, secret: Path, directory: Path, reader: str
) -> None:
    item = write_local_item(origin, secret.parent, "./passwd")
    if reader == "pystac":
        item = pystac.Item.from_file(secret.parent / "item.json")
    else:  # Items that the library has read stay local without the file.
        (secret.parent / "item.json").unlink()
    if reader == "clone":
        item = item.clone()
    await download_item(item, directory, config=config)
    assert (directory / "passwd").read_bytes() == SECRET


async def test_download_into_folder_of_item_keeps_asset(
    origin: Origin, config: Config, secret: Path
) -> None:
    config.overwrite = True
    item = write_local_item(origin, secret.parent, "./passwd")
    await download_item(item, secret.parent, "new.json", config=config)
    assert secret.read_bytes() == SECRET
    assert load_item(secret.parent / "new.json").assets["a"].href == "./passwd"


@pytest.mark.parametrize("name", ["item.json", "./x/../item.json"])
async def test_source_document_is_not_replaced(
    origin: Origin, config: Config, secret: Path, name: str
) -> None:
    item = write_local_item(origin, secret.parent, "./passwd")
    before = (secret.parent / "item.json").read_bytes()
    config.include = ["good"]
    with pytest.raises(DestinationError, match="the new document would replace this file"):
        await download_item(item, secret.parent, name, config=config)
    assert (secret.parent / "item.json").read_bytes() == before
    assert origin.requests == []
