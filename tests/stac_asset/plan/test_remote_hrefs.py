"""Remote items cannot reference local files."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from pathlib import Path

import pystac
import pytest

from stac_asset import (
    Config,
    DownloadError,
    download_asset,
    download_item,
    download_item_collection,
)
from stac_asset.clients import Clients
from stac_asset.errors import HrefError, LocalHrefError, SchemeError, SourceError
from stac_asset.stac.parse import Stac, stac_of
from stac_asset.stac.read import read_stac
from stac_asset.testing import Origin, Redirect
from tests.support.items import item_document
from tests.support.local_hrefs import (
    SECRET,
    contains_secret,
    document_with_href,
    failure_of_asset,
    write_local_item,
)

ABSOLUTE_HREFS = [
    "{path}",
    "file://{path}",
    "FILE://{path}",
    "file:{path}",
    "file://localhost{path}",
    " file://{path}",
    "\tfile://{path}",
    "fi\tle://{path}",
    "file\n://{path}",
    "/vsicurl{path}",
]
"""Hrefs with the absolute path of a local file."""

RELATIVE_HREFS = [
    "../../../../../../../../../../../../..{path}",
    "a/../../../../../../../../../../../../..{path}",
    "..\\..\\..\\..\\..\\..\\..\\..\\..\\..{path}",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{path}",
    "./{path}",
    "C:{path}",
    " {path}",
]
"""Hrefs that lead to a local file only from a local item."""


async def read_document(origin: Origin, config: Config, document: object) -> Stac:
    """Put a document on the origin, and return the object that the library reads."""
    href = origin.put("/folder/folder/item.json", json.dumps(document).encode())
    async with Clients(config) as clients:
        return await read_stac(href, clients, config)


async def read_item(origin: Origin, config: Config, document: object) -> pystac.Item:
    """Put an item on the origin, and return the item that the library reads."""
    item = await read_document(origin, config, document)
    assert isinstance(item, pystac.Item)
    return item


async def error_types(download: Awaitable[object]) -> set[type[Exception]]:
    """Return the error types of a download, if any asset failed."""
    try:
        await download
    except DownloadError as caught:
        return {type(error) for error in caught.exceptions}
    return set()


@pytest.mark.parametrize("href", ABSOLUTE_HREFS)
async def test_remote_item_cannot_reference_local_file(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    document = document_with_href(origin, href.format(path=secret))
    read = await read_item(origin, config, document)
    parsed = pystac.Item.from_dict(document, href=origin.href("/item.json"))
    for number, item in enumerate([read, parsed]):
        target = directory / str(number)
        errors = await error_types(download_item(item, target, config=config))
        assert errors <= {LocalHrefError, HrefError}
        if not errors:  # The href was resolved to a path of the origin.
            assert (target / "passwd").read_bytes() == origin.content(str(secret))
        assert not contains_secret(target)


@pytest.mark.parametrize("href", RELATIVE_HREFS)
async def test_relative_href_of_remote_item_stays_on_origin(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    document = document_with_href(origin, href.format(path=secret))
    item = await read_item(origin, config, document)
    await download_item(item, directory, config=config)
    assert not contains_secret(directory)
    (request,) = [request for request in origin.gets() if request.path.endswith("etc/passwd")]
    assert (directory / "passwd").read_bytes() == origin.content(request.path)


@pytest.mark.parametrize("self_href", ["{path}/item.json", "file://{path}/item.json", "item.json"])
@pytest.mark.parametrize("href", ["{path}", "file://{path}", "../../../../../../../../..{path}"])
async def test_local_self_link_does_not_make_remote_item_local(
    origin: Origin, config: Config, secret: Path, directory: Path, self_href: str, href: str
) -> None:
    document = document_with_href(origin, href.format(path=secret))
    document["links"] = [{"rel": "self", "href": self_href.format(path=secret.parent)}]
    collection = {"type": "FeatureCollection", "features": [document]}
    item = await read_item(origin, config, document)
    items = await read_document(origin, config, collection)
    assert isinstance(items, pystac.ItemCollection)
    for read in (item, items[0]):
        assert (read.get_self_href() or "").startswith(origin.url)
    for target, download in (
        (directory / "1", download_item(item, directory / "1", config=config)),
        (directory / "2", download_item_collection(items, directory / "2", config=config)),
    ):
        assert await error_types(download) <= {LocalHrefError}
        assert not contains_secret(target)


@pytest.mark.parametrize(
    "self_href", [None, "{path}/item.json", "file://{path}/item.json", "./i.json"]
)
async def test_document_of_unknown_origin_is_remote(
    origin: Origin, config: Config, secret: Path, directory: Path, self_href: str | None
) -> None:
    document = document_with_href(origin, str(secret))
    if self_href is not None:
        document["links"] = [{"rel": "self", "href": self_href.format(path=secret.parent)}]
    item = stac_of(document, None, "standard input")
    assert isinstance(item, pystac.Item)
    assert item.get_self_href() is None
    assert isinstance(await failure_of_asset(item, directory, config), LocalHrefError)
    (member,) = stac_of({"type": "FeatureCollection", "features": [document]}, None, "it")
    assert member.get_self_href() is None


async def test_document_of_unknown_origin_keeps_remote_self_link(origin: Origin) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": origin.href("/there/item.json")}]
    item = stac_of(document, None, "standard input")
    assert isinstance(item, pystac.Item)
    assert item.get_self_href() == origin.href("/there/item.json")


@pytest.mark.parametrize("existing", ["nothing", "other id", "other type", "no JSON", "folder"])
async def test_self_link_to_missing_or_other_file_does_not_make_item_local(
    origin: Origin, config: Config, secret: Path, directory: Path, existing: str
) -> None:
    """pystac trusts the self links of items, such as those of a hostile API."""
    document = document_with_href(origin, "./passwd")
    path = secret.parent / "item.json"
    document["links"] = [{"rel": "self", "href": str(path)}]
    match existing:
        case "other id":
            path.write_text(json.dumps({**document, "id": "another"}))
        case "other type":
            path.write_text(json.dumps({**document, "type": "Collection"}))
        case "no JSON":
            path.write_text("the-item")
        case "folder":
            path.mkdir()
    item = pystac.Item.from_dict(document)
    assert isinstance(await failure_of_asset(item, directory, config), LocalHrefError)
    assert not contains_secret(directory)


async def test_preferred_local_alternate_of_remote_item_is_ignored(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.alternate_assets = ["disk"]
    document = document_with_href(
        origin, origin.href("/a.tif"), alternate={"disk": {"href": secret.as_uri()}}
    )
    item = await read_item(origin, config, document)
    await download_item(item, directory, config=config)
    assert (directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert not (directory / "passwd").exists()


async def test_config_allows_local_hrefs_of_remote_item(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.allow_local_hrefs = True
    item = await read_item(origin, config, document_with_href(origin, secret.as_uri()))
    await download_item(item, directory, config=config)
    assert (directory / "passwd").read_bytes() == SECRET


async def test_config_forbids_local_hrefs_of_local_item(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.allow_local_hrefs = False
    item = write_local_item(origin, secret.parent, "./passwd")
    assert isinstance(await failure_of_asset(item, directory, config), LocalHrefError)
    assert not contains_secret(directory)


async def test_asset_of_remote_owner_cannot_reference_local_file(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = await read_item(origin, config, document_with_href(origin, secret.as_uri()))
    with pytest.raises(LocalHrefError):
        await download_asset("a", item.assets["a"], directory / "x", config)
    assert not directory.exists()
    # An asset without an owner was made by the caller.
    await download_asset("a", pystac.Asset(str(secret)), directory / "x", config)
    assert (directory / "x").read_bytes() == SECRET


@pytest.mark.parametrize("scheme", ["file://", "FILE://", "file:", ""])
async def test_redirect_to_local_file_is_refused(
    origin: Origin, config: Config, secret: Path, directory: Path, scheme: str
) -> None:
    origin.fault("/a.tif", Redirect(f"{scheme}{secret}"), times=0)
    item = await read_item(origin, config, document_with_href(origin, origin.href("/a.tif")))
    if scheme:
        assert isinstance(await failure_of_asset(item, directory, config), SchemeError)
    else:  # A location without a scheme is a path of the origin.
        await download_item(item, directory, config=config)
    assert not contains_secret(directory)


async def test_redirect_of_document_to_local_file_is_refused(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item_document(origin, "a")))
    origin.fault("/item.json", Redirect(path.as_uri()), times=0)
    async with Clients(config) as clients:
        with pytest.raises(SourceError, match="redirects to"):
            await read_stac(origin.href("/item.json"), clients, config)
