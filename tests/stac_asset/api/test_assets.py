"""Functions for single files: download, open, read and check existence."""

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
from tests.support.items import item_document


async def test_download_asset_writes_file_and_returns_new_asset(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    asset = pystac.Asset(origin.href("/a.tif"), title="A", roles=["data"])
    before = asset.to_dict()
    downloaded = await download_asset("a", asset, tmp_path / "sub" / "x.tif", config)
    assert downloaded.href == str(tmp_path / "sub" / "x.tif")
    assert (downloaded.title, downloaded.roles) == ("A", ["data"])
    assert (tmp_path / "sub" / "x.tif").read_bytes() == origin.content("/a.tif")
    assert asset.to_dict() == before


@pytest.mark.parametrize("path", ["../b.tif", "../new/../b.tif"])
async def test_destination_may_be_above_the_working_directory(
    origin: Origin, config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    await download_file(origin.href("/a.tif"), path, config)
    assert (tmp_path / "b.tif").read_bytes() == origin.content("/a.tif")
    asset = await download_asset("a", pystac.Asset(origin.href("/a.tif")), path, config)
    assert asset.href == str(tmp_path / "b.tif")


async def test_download_asset_resolves_relative_href_of_item_asset(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    document = item_document(origin, "a")
    document["links"] = [{"rel": "self", "href": origin.href("/items/item.json")}]
    document["assets"]["a"]["href"] = "../a.tif"
    item = pystac.Item.from_dict(document)
    await download_asset("a", item.assets["a"], tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


async def test_download_asset_rejects_relative_href_without_item(
    config: Config, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="cannot resolve relative href"):
        await download_asset("a", pystac.Asset("./a.tif"), tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []


async def test_download_asset_error_contains_key_and_status(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/a.tif")
    with pytest.raises(FileNotFoundError, match="asset 'a': 404"):
        await download_asset("a", pystac.Asset(origin.href("/a.tif")), tmp_path / "a.tif", config)


async def test_download_asset_writes_size_and_checksum(
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


async def test_download_asset_shares_given_clients_and_keeps_them_open(
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


async def test_download_file_replaces_existing_file(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"old")
    await download_file(origin.href("/a.tif"), str(tmp_path / "a.tif"), config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert config.overwrite is False


async def test_failed_download_file_keeps_existing_file(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"old")
    origin.remove("/a.tif")
    with pytest.raises(NotFoundError):
        await download_file(origin.href("/a.tif"), tmp_path / "a.tif", config)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


async def test_download_file_copies_local_file(tmp_path: Path) -> None:
    (tmp_path / "from").write_bytes(b"local")
    await download_file(str(tmp_path / "from"), tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == b"local"


async def test_open_href_yields_chunks(origin: Origin, config: Config) -> None:
    href = origin.put("/a.tif", size=2_000_000)
    chunks = [chunk async for chunk in open_href(href, config)]
    assert len(chunks) > 1
    assert b"".join(chunks) == origin.content("/a.tif")


async def test_open_href_can_be_closed_early(origin: Origin, config: Config) -> None:
    origin.put("/a.tif", size=1_000_000)
    origin.fault("/a.tif", Stall(after=100_000))
    async with aclosing(open_href(origin.href("/a.tif"), config)) as chunks:
        async for chunk in chunks:
            assert chunk
            break


async def test_open_href_raises_library_errors_without_retry(
    origin: Origin, config: Config
) -> None:
    origin.fault("/a.tif", Status(500), times=0)
    with pytest.raises(aiohttp.ClientResponseError) as raised:
        _ = [chunk async for chunk in open_href(origin.href("/a.tif?sig=hunter2"), config)]
    assert isinstance(raised.value, StacAssetError)
    assert "hunter2" not in str(raised.value)
    assert len(origin.gets()) == 1
    with pytest.raises(SchemeError, match="No client claims 'gopher://"):
        _ = [chunk async for chunk in open_href("gopher://example.com/a", config)]


async def test_read_href_reads_urls_and_local_paths(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    assert await read_href(origin.href("/a.tif"), config) == origin.content("/a.tif")
    (tmp_path / "a #1?.tif").write_bytes(b"local")
    assert await read_href(str(tmp_path / "a #1?.tif")) == b"local"
    assert await read_href((tmp_path / "a #1?.tif").as_uri()) == b"local"
    with pytest.raises(FileNotFoundError):
        await read_href(str(tmp_path / "missing"))


async def test_read_href_retries_after_transient_error(origin: Origin, config: Config) -> None:
    origin.fault("/a.tif", Truncate(after=100))
    assert await read_href(origin.href("/a.tif"), config) == origin.content("/a.tif")


async def test_reads_keep_given_clients_open(origin: Origin, config: Config) -> None:
    async with HttpClient(aiohttp.ClientSession(headers={"X-Key": "abc"})) as client:
        for _ in range(2):
            await read_href(origin.href("/a.tif"), config, [client])
            _ = [chunk async for chunk in open_href(origin.href("/a.tif"), config, [client])]
            assert not client.session.closed
    assert {request.headers["x-key"] for request in origin.requests} == {"abc"}


async def test_existence_check_sends_only_head_requests(origin: Origin, config: Config) -> None:
    asset = pystac.Asset(origin.href("/a.tif"))
    assert await asset_exists(asset, config)
    await assert_asset_exists(asset, config)
    assert {request.method for request in origin.requests} == {"HEAD"}


async def test_missing_or_invalid_asset_does_not_exist(
    origin: Origin, config: Config, tmp_path: Path
) -> None:
    origin.remove("/a.tif")
    for href in (origin.href("/a.tif"), str(tmp_path / "a.tif"), "", "gopher://x/y", "./a.tif"):
        assert not await asset_exists(pystac.Asset(href), config)
    with pytest.raises(NotFoundError, match="404"):
        await assert_asset_exists(pystac.Asset(origin.href("/a.tif")), config)


@pytest.mark.parametrize("status", [403, 405])
async def test_existence_check_requests_first_byte_if_head_is_rejected(
    origin: Origin, config: Config, status: int
) -> None:
    href = origin.put("/a.tif", size=1_000_000)
    origin.fault("*", NoHead(status), times=0)
    assert await asset_exists(pystac.Asset(href), config)
    (request,) = origin.gets()
    assert (request.range, request.body_sent) == ("bytes=0-0", 1)
    origin.remove("/a.tif")
    assert not await asset_exists(pystac.Asset(href), config)


async def test_forbidden_asset_raises_permission_error(origin: Origin, config: Config) -> None:
    origin.fault("/a.tif", Status(403), times=0)
    with pytest.raises(PermissionError) as raised:
        await assert_asset_exists(pystac.Asset(origin.href("/a.tif")), config)
    assert isinstance(raised.value, ResponseError)
    assert raised.value.status == 403


async def test_existence_check_ignores_content_type(origin: Origin, config: Config) -> None:
    origin.fault("/a.tif", WrongType("text/html"), times=0)
    assert await asset_exists(pystac.Asset(origin.href("/a.tif"), media_type="image/png"), config)


async def test_existence_check_retries_and_follows_redirects(
    origin: Origin, config: Config
) -> None:
    origin.fault("/a.tif", Status(503))
    assert await asset_exists(pystac.Asset(origin.href("/a.tif")), config)
    origin.fault("/b.tif", Redirect("/a.tif"))
    assert await asset_exists(pystac.Asset(origin.href("/b.tif")), config)


async def test_asset_exists_if_an_alternate_exists(origin: Origin, config: Config) -> None:
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
