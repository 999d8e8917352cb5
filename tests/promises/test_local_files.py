"""An item that came over the network cannot name files of this machine; a local one can."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

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
from stac_asset.errors import (
    DestinationError,
    HrefError,
    LocalHrefError,
    NotFoundError,
    SchemeError,
    SourceError,
    StacAssetError,
)
from stac_asset.stac.parse import Stac, load_stac, stac_of
from stac_asset.stac.read import read_stac
from stac_asset.testing import Origin, Redirect
from tests.make_item import item_document

SECRET = b"root:x:0:0"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this machine that is nobody's business."""
    path = tmp_path / "etc" / "passwd"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where downloads go."""
    return tmp_path / "downloads"


LOCAL = [
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
"""Hrefs of a local file, as an absolute path."""

RELATIVE = [
    "../../../../../../../../../../../../..{path}",
    "a/../../../../../../../../../../../../..{path}",
    "..\\..\\..\\..\\..\\..\\..\\..\\..\\..{path}",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e{path}",
    "./{path}",
    "C:{path}",
    " {path}",
]
"""Hrefs that are a local file's only for a local item."""


def document_with(origin: Origin, href: object, **more: Any) -> dict[str, Any]:
    """Returns an item with an asset of that href, and a good one."""
    document = item_document(origin, "a", "good")
    document["assets"]["a"] |= {"href": href, **more}
    return document


async def read(origin: Origin, config: Config, document: object) -> Stac:
    """Returns what the library reads when the origin has a document."""
    href = origin.put("/deep/er/item.json", json.dumps(document).encode())
    async with Clients(config) as clients:
        return await read_stac(href, clients, config)


async def read_item(origin: Origin, config: Config, document: object) -> pystac.Item:
    item = await read(origin, config, document)
    assert isinstance(item, pystac.Item)
    return item


def is_secret_in(directory: Path) -> bool:
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert files, "nothing was downloaded at all"
    return any(SECRET in file.read_bytes() for file in files)


async def failure(item: pystac.Item, directory: Path, config: Config) -> StacAssetError:
    """Returns the error of the one asset that fails; the good one must be there."""
    with pytest.raises(DownloadError) as caught:
        await download_item(item, directory, config=config)
    (error,) = caught.value.exceptions
    assert (directory / "good.tif").is_file()
    assert isinstance(error, StacAssetError)
    assert (error.owner, error.key) == ("item 'the-item'", "a")
    return error


@pytest.mark.parametrize("href", LOCAL)
async def test_remote_item_cannot_name_a_local_file(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    document = document_with(origin, href.format(path=secret))
    item = await read_item(origin, config, document)
    by_hand = pystac.Item.from_dict(document, href=origin.href("/item.json"))
    for number, one in enumerate([item, by_hand]):
        target = directory / str(number)
        refused = await refusals(download_item(one, target, config=config))
        assert refused <= {LocalHrefError, HrefError}
        if not refused:  # It was taken for a path of the origin.
            assert (target / "passwd").read_bytes() == origin.content(str(secret))
        assert not is_secret_in(target)


@pytest.mark.parametrize("href", RELATIVE)
async def test_relative_href_climbs_on_the_origin_only(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    item = await read_item(origin, config, document_with(origin, href.format(path=secret)))
    await download_item(item, directory, config=config)
    assert not is_secret_in(directory)
    (request,) = [request for request in origin.gets() if request.path.endswith("etc/passwd")]
    assert (directory / "passwd").read_bytes() == origin.content(request.path)


@pytest.mark.parametrize("claim", ["{path}/item.json", "file://{path}/item.json", "item.json"])
@pytest.mark.parametrize("href", ["{path}", "file://{path}", "../../../../../../../../..{path}"])
async def test_remote_item_cannot_claim_to_be_local(
    origin: Origin, config: Config, secret: Path, directory: Path, claim: str, href: str
) -> None:
    document = document_with(origin, href.format(path=secret))
    document["links"] = [{"rel": "self", "href": claim.format(path=secret.parent)}]
    collected = {"type": "FeatureCollection", "features": [document]}
    item = await read_item(origin, config, document)
    items = await read(origin, config, collected)
    assert isinstance(items, pystac.ItemCollection)
    for one in (item, items[0]):
        assert (one.get_self_href() or "").startswith(origin.url)
    for target, work in (
        (directory / "1", download_item(item, directory / "1", config=config)),
        (directory / "2", download_item_collection(items, directory / "2", config=config)),
    ):
        assert await refusals(work) <= {LocalHrefError}
        assert not is_secret_in(target)


async def refusals(work: Awaitable[object]) -> set[type[Exception]]:
    """Returns what kinds of errors a download ends with."""
    try:
        await work
    except DownloadError as caught:
        return {type(error) for error in caught.exceptions}
    return set()


@pytest.mark.parametrize("claim", [None, "{path}/item.json", "file://{path}/item.json", "./i.json"])
async def test_document_of_unknown_origin_is_not_local(
    origin: Origin, config: Config, secret: Path, directory: Path, claim: str | None
) -> None:
    document = document_with(origin, str(secret))
    if claim is not None:
        document["links"] = [{"rel": "self", "href": claim.format(path=secret.parent)}]
    item = stac_of(document, None, "standard input")
    assert isinstance(item, pystac.Item)
    assert item.get_self_href() is None
    assert isinstance(await failure(item, directory, config), LocalHrefError)
    (items,) = stac_of({"type": "FeatureCollection", "features": [document]}, None, "it")
    assert items.get_self_href() is None


async def test_document_of_unknown_origin_may_claim_to_be_remote(origin: Origin) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": origin.href("/there/item.json")}]
    assert stac_of(document, None, "it").get_self_href() == origin.href("/there/item.json")  # type: ignore[union-attr]


async def test_preferred_alternate_that_is_local_is_passed_over(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.alternate_assets = ["disk"]
    document = document_with(
        origin, origin.href("/a.tif"), alternate={"disk": {"href": secret.as_uri()}}
    )
    item = await read_item(origin, config, document)
    await download_item(item, directory, config=config)
    assert (directory / "a.tif").read_bytes() == origin.content("/a.tif")
    assert not (directory / "passwd").exists()


async def test_local_files_are_allowed_where_the_caller_says_so(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.allow_local_hrefs = True
    item = await read_item(origin, config, document_with(origin, secret.as_uri()))
    await download_item(item, directory, config=config)
    assert (directory / "passwd").read_bytes() == SECRET


def local_item(origin: Origin, folder: Path, href: str) -> pystac.Item:
    """Writes an item to a folder, and returns it as it is read from there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "item.json"
    path.write_text(json.dumps(document_with(origin, href)))
    item = load_stac(path)
    assert isinstance(item, pystac.Item)
    return item


async def test_local_files_are_forbidden_where_the_caller_says_so(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    config.allow_local_hrefs = False
    item = local_item(origin, secret.parent, "./passwd")
    assert isinstance(await failure(item, directory, config), LocalHrefError)
    assert not is_secret_in(directory)


NAMES = [
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
"""Names that a file of a local disk may have."""


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "form", ["relative", "climbing", "absolute", "url", "url of localhost", "short url"]
)
async def test_local_item_names_local_files(
    origin: Origin, config: Config, tmp_path: Path, directory: Path, name: str, form: str
) -> None:
    data = tmp_path / "da#ta?" / name
    data.parent.mkdir()
    data.write_bytes(SECRET)
    href = {
        "relative": f"./{name}",
        "climbing": f"../da#ta?/{name}",
        "absolute": str(data),
        "url": data.as_uri(),
        "url of localhost": data.as_uri().replace("file://", "file://localhost"),
        "short url": data.as_uri().replace("file://", "file:"),
    }[form]
    item = local_item(origin, data.parent, href)
    new = await download_item(item, directory, config=config)
    assert (directory / name).read_bytes() == SECRET
    assert new.assets["a"].href == f"./{name}"
    again = load_stac(directory / "the-item.json")
    assert isinstance(again, pystac.Item)
    await download_item(again, directory / "again", config=config)
    assert (directory / "again" / name).read_bytes() == SECRET


async def test_folder_with_a_backslash(
    origin: Origin, config: Config, tmp_path: Path, directory: Path
) -> None:
    item = local_item(origin, tmp_path / "a\\b", "./x.tif")
    (tmp_path / "a\\b" / "x.tif").write_bytes(SECRET)
    new = await download_item(item, directory / "c\\d", config=config)
    assert (directory / "c\\d" / "x.tif").read_bytes() == SECRET
    assert new.self_href == str(directory / "c\\d" / "the-item.json")


async def test_file_url_of_another_host_is_refused(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = local_item(origin, secret.parent, f"file://elsewhere{secret}")
    error = await failure(item, directory, config)
    assert isinstance(error, HrefError)
    assert "another host" in str(error)


async def test_missing_local_file(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = local_item(origin, secret.parent, "./nothing.tif")
    error = await failure(item, directory, config)
    assert isinstance(error, NotFoundError)
    assert isinstance(error, FileNotFoundError)


@pytest.mark.parametrize("href", ["./pass\0wd", "file:///a%00b", "./pass\udc80wd"])
async def test_path_that_no_file_can_have(
    origin: Origin, config: Config, secret: Path, directory: Path, href: str
) -> None:
    assert isinstance(
        await failure(local_item(origin, secret.parent, href), directory, config), HrefError
    )


async def test_items_of_a_local_collection_are_where_they_say_below_it(
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


async def test_item_of_a_local_collection_that_says_it_is_remote_is(
    origin: Origin, config: Config, secret: Path, directory: Path, tmp_path: Path
) -> None:
    document = document_with(origin, secret.as_uri())
    document["links"] = [{"rel": "self", "href": origin.href("/item.json")}]
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [document]}))
    items = load_stac(path)
    assert isinstance(items, pystac.ItemCollection)
    with pytest.raises(DownloadError, match="references local file"):
        await download_item_collection(items, directory, config=config)
    assert not is_secret_in(directory)


async def test_item_downloaded_to_where_it_is_stays_whole(
    origin: Origin, config: Config, secret: Path
) -> None:
    config.overwrite = True
    item = local_item(origin, secret.parent, "./passwd")
    await download_item(item, secret.parent, "new.json", config=config)
    assert secret.read_bytes() == SECRET
    assert load_stac(secret.parent / "new.json").assets["a"].href == "./passwd"  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["item.json", "./x/../item.json"])
async def test_document_that_was_read_is_not_replaced(
    origin: Origin, config: Config, secret: Path, name: str
) -> None:
    item = local_item(origin, secret.parent, "./passwd")
    before = (secret.parent / "item.json").read_bytes()
    config.include = ["good"]
    with pytest.raises(DestinationError, match="the new document would replace this file"):
        await download_item(item, secret.parent, name, config=config)
    assert (secret.parent / "item.json").read_bytes() == before
    assert origin.requests == []


@pytest.mark.parametrize("stands", ["nothing", "another", "other type", "no JSON", "folder"])
async def test_item_that_only_says_that_it_is_local_is_not(
    origin: Origin, config: Config, secret: Path, directory: Path, stands: str
) -> None:
    """As the items of a hostile API may, of which pystac believes each word."""
    document = document_with(origin, "./passwd")
    path = secret.parent / "item.json"
    document["links"] = [{"rel": "self", "href": str(path)}]
    match stands:
        case "another":
            path.write_text(json.dumps({**document, "id": "another"}))
        case "other type":
            path.write_text(json.dumps({**document, "type": "Collection"}))
        case "no JSON":
            path.write_text("the-item")
        case "folder":
            path.mkdir()
    item = pystac.Item.from_dict(document)
    assert isinstance(await failure(item, directory, config), LocalHrefError)
    assert not is_secret_in(directory)


@pytest.mark.parametrize("how", ["pystac", "ours", "clone"])
async def test_item_that_stands_where_it_says_is_local(
    origin: Origin, config: Config, secret: Path, directory: Path, how: str
) -> None:
    item = local_item(origin, secret.parent, "./passwd")
    if how == "pystac":
        item = pystac.Item.from_file(secret.parent / "item.json")
    else:  # What was read here needs no second look.
        (secret.parent / "item.json").unlink()
    if how == "clone":
        item = item.clone()
    await download_item(item, directory, config=config)
    assert (directory / "passwd").read_bytes() == SECRET


async def test_single_asset_goes_by_its_owner(
    origin: Origin, config: Config, secret: Path, directory: Path
) -> None:
    item = await read_item(origin, config, document_with(origin, secret.as_uri()))
    with pytest.raises(LocalHrefError):
        await download_asset("a", item.assets["a"], directory / "x", config)
    assert not directory.exists()
    await download_asset("a", pystac.Asset(str(secret)), directory / "x", config)
    assert (directory / "x").read_bytes() == SECRET


@pytest.mark.parametrize("scheme", ["file://", "FILE://", "file:", ""])
async def test_redirect_to_a_local_file_is_refused(
    origin: Origin, config: Config, secret: Path, directory: Path, scheme: str
) -> None:
    origin.fault("/a.tif", Redirect(f"{scheme}{secret}"), times=0)
    item = await read_item(origin, config, document_with(origin, origin.href("/a.tif")))
    if scheme:
        assert isinstance(await failure(item, directory, config), SchemeError)
    else:  # A path, and so one of the origin's.
        await download_item(item, directory, config=config)
    assert not is_secret_in(directory)


async def test_document_that_redirects_to_a_local_file_is_refused(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item_document(origin, "a")))
    origin.fault("/item.json", Redirect(path.as_uri()), times=0)
    async with Clients(config) as clients:
        with pytest.raises(SourceError, match="redirects to"):
            await read_stac(origin.href("/item.json"), clients, config)
