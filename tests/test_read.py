"""The functions for single files: download, open, read, and ask whether they exist."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from pathlib import Path

import aiohttp
import pystac
import pytest

from stac_asset import (
    Config,
    HttpClient,
    assert_asset_exists,
    asset_exists,
    download_asset,
    download_file,
    open_href,
    read_href,
)
from stac_asset.clients import Clients
from stac_asset.errors import NotFoundError, ResponseError, SchemeError, StacAssetError
from stac_asset.testing import NoHead, Origin, Redirect, Stall, Status, Truncate, WrongType
from tests.make_item import item_document

# download_asset


async def test_download_asset(origin: Origin, config: Config, tmp_path: Path) -> None:
    asset = pystac.Asset(origin.href("/a.tif"), title="A", roles=["data"])
    before = asset.to_dict()
    downloaded = await download_asset("a", asset, tmp_path / "sub" / "x.tif", config)
    assert downloaded.href == str(tmp_path / "sub" / "x.tif")
    assert (downloaded.title, downloaded.roles) == ("A", ["data"])
    assert (tmp_path / "sub" / "x.tif").read_bytes() == origin.content("/a.tif")
    assert asset.to_dict() == before


async def test_download_asset_of_an_item_with_relative_hrefs(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": origin.href("/items/item.json")}]
    document["assets"]["a"]["href"] = "../a.tif"
    item = pystac.Item.from_dict(document)
    await download_asset("a", item.assets["a"], tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_download_asset_needs_an_absolute_href(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot resolve relative href"):
        await download_asset("a", pystac.Asset("./a.tif"), tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []


async def test_download_asset_raises_why(origin: Origin, config: Config, tmp_path: Path) -> None:
    origin.remove("/a.tif")
    with pytest.raises(FileNotFoundError, match="asset 'a': 404"):
        await download_asset("a", pystac.Asset(origin.href("/a.tif")), tmp_path / "a.tif", config)


async def test_download_asset_writes_checksums(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    config.write_checksums = True
    asset = pystac.Asset(origin.href("/a.tif"))
    downloaded = await download_asset("a", asset, tmp_path / "a.tif", config)
    data = origin.content("/a.tif")
    assert downloaded.extra_fields == {
        "file:size": len(data),
        "file:checksum": f"1220{hashlib.sha256(data).hexdigest()}",
    }
    assert asset.extra_fields == {}


async def test_download_asset_shares_clients_and_leaves_them_open(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    async with Clients(config) as clients:
        for key in "ab":
            asset = pystac.Asset(origin.href(f"/{key}.tif"))
            await download_asset(key, asset, tmp_path / f"{key}.tif", config, clients=clients)
            client = await clients.get_client(asset.href)
            assert isinstance(client, HttpClient)
            assert not client.session.closed
        assert len(clients.clients) == 1
    assert origin.connections == 1
    assert client.session.closed


# download_file


async def test_download_file_replaces_what_is_there(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"old")
    await download_file(origin.href("/a.tif"), str(tmp_path / "a.tif"), config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert config.overwrite is False


async def test_download_file_without_success_leaves_what_is_there(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"old")
    origin.remove("/a.tif")
    with pytest.raises(NotFoundError):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


async def test_download_file_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"local")
    await download_file(str(tmp_path / "from"), tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == b"local"


# open_href and read_href


async def test_open_href_yields_chunks(origin: Origin, config: Config) -> None:
    href = origin.put("/a.tif", size=2_000_000)
    chunks = [chunk async for chunk in open_href(href, config)]
    assert len(chunks) > 1
    assert b"".join(chunks) == origin.content("/a.tif")


async def test_open_href_can_be_left_early(origin: Origin, config: Config) -> None:
    origin.put("/a.tif", size=1_000_000)
    origin.fault("/a.tif", Stall(after=100_000))
    async with aclosing(open_href(origin.href("/a.tif"), config)) as chunks:
        async for chunk in chunks:
            assert chunk
            break


async def test_open_href_raises_errors_of_ours(origin: Origin, config: Config) -> None:
    origin.fault("/a.tif", Status(500), times=0)
    with pytest.raises(aiohttp.ClientResponseError) as raised:
        _ = [chunk async for chunk in open_href(origin.href("/a.tif?sig=hunter2"), config)]
    assert isinstance(raised.value, StacAssetError)
    assert "hunter2" not in str(raised.value)
    assert len(origin.gets()) == 1
    with pytest.raises(SchemeError, match="No client claims 'gopher://"):
        _ = [chunk async for chunk in open_href("gopher://example.com/a", config)]


async def test_read_href(origin: Origin, config: Config, tmp_path: Path) -> None:
    assert await read_href(origin.href("/a.tif"), config) == origin.content("/a.tif")
    (tmp_path / "a #1?.tif").write_bytes(b"local")
    assert await read_href(str(tmp_path / "a #1?.tif")) == b"local"
    assert await read_href((tmp_path / "a #1?.tif").as_uri()) == b"local"
    with pytest.raises(FileNotFoundError):
        await read_href(str(tmp_path / "none"))


async def test_read_href_survives_a_transient_fault(origin: Origin, config: Config) -> None:
    origin.fault("/a.tif", Truncate(after=100))
    assert await read_href(origin.href("/a.tif"), config) == origin.content("/a.tif")


async def test_reading_leaves_the_callers_clients_open(origin: Origin, config: Config) -> None:
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        for _ in range(2):
            await read_href(origin.href("/a.tif"), config, [client])
            _ = [chunk async for chunk in open_href(origin.href("/a.tif"), config, [client])]
            assert not client.session.closed
    assert {request.headers["x-key"] for request in origin.requests} == {"abc"}


# Existence


async def test_an_asset_exists(origin: Origin, config: Config) -> None:
    asset = pystac.Asset(origin.href("/a.tif"))
    assert await asset_exists(asset, config)
    await assert_asset_exists(asset, config)
    assert {request.method for request in origin.requests} == {"HEAD"}


async def test_an_asset_that_does_not(origin: Origin, config: Config, tmp_path: Path) -> None:
    origin.remove("/a.tif")
    for href in (origin.href("/a.tif"), str(tmp_path / "a.tif"), "", "gopher://x/y", "./a.tif"):
        assert not await asset_exists(pystac.Asset(href), config)
    with pytest.raises(NotFoundError, match="404"):
        await assert_asset_exists(pystac.Asset(origin.href("/a.tif")), config)


@pytest.mark.parametrize("status", [403, 405])
async def test_a_server_that_forbids_head_is_asked_for_one_byte(
    origin: Origin, config: Config, status: int
) -> None:
    href = origin.put("/a.tif", size=1_000_000)
    origin.fault("*", NoHead(status), times=0)
    assert await asset_exists(pystac.Asset(href), config)
    (request,) = origin.gets()
    assert (request.range, request.body_sent) == ("bytes=0-0", 1)
    origin.remove("/a.tif")
    assert not await asset_exists(pystac.Asset(href), config)


async def test_what_is_forbidden_by_head_and_get_does_not_exist_for_us(
    origin: Origin, config: Config
) -> None:
    origin.fault("/a.tif", Status(403), times=0)
    with pytest.raises(PermissionError) as raised:
        await assert_asset_exists(pystac.Asset(origin.href("/a.tif")), config)
    assert isinstance(raised.value, ResponseError)
    assert raised.value.status == 403


async def test_existence_does_not_depend_on_the_content_type(
    origin: Origin, config: Config
) -> None:
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    assert await asset_exists(pystac.Asset(origin.href("/a.tif"), media_type="image/png"), config)


async def test_existence_survives_a_transient_fault_and_a_redirect(
    origin: Origin, config: Config
) -> None:
    origin.fault("/a.tif", Status(503))
    assert await asset_exists(pystac.Asset(origin.href("/a.tif")), config)
    origin.fault("/b.tif", Redirect("/a.tif"))
    assert await asset_exists(pystac.Asset(origin.href("/b.tif")), config)


async def test_an_asset_exists_where_one_of_its_alternates_does(
    origin: Origin, config: Config
) -> None:
    asset = pystac.Asset(
        origin.href("/a.tif"),
        extra_fields={"alternate": {"near": {"href": origin.href("/near.tif")}}},
    )
    config.alternate_assets = ["near"]
    assert await asset_exists(asset, config)
    assert [request.path for request in origin.requests] == ["/near.tif"]
    origin.remove("/near.tif")
    assert await asset_exists(asset, config)
    origin.remove("/a.tif")
    with pytest.raises(NotFoundError, match=r"near\.tif"):
        await assert_asset_exists(asset, config)
