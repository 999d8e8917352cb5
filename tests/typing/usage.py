"""Typical calls, which only the type checker reads.

Calls pass every argument by name and by position, so that a changed signature is an error.
"""

from __future__ import annotations

import asyncio
from asyncio import Queue
from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

import aiohttp
import pystac
from yarl import URL

import stac_asset
import stac_asset.blocking
import stac_asset.validate
from stac_asset import (
    Client,
    Config,
    EarthdataClient,
    ErrorAssetDownload,
    ErrorStrategy,
    FileNameStrategy,
    FilesystemClient,
    FinishAssetDownload,
    HttpClient,
    Message,
    OpenUrl,
    Plan,
    PlanetaryComputerClient,
    PlannedAsset,
    S3Client,
    SkipAssetDownload,
    StartAssetDownload,
    WriteChunk,
    blocking,
)
from stac_asset.clients import Clients
from stac_asset.destinations.location import StorePath
from stac_asset.settings import Settings
from stac_asset.types import MessageQueue


def configurations() -> None:
    config = Config(
        alternate_assets=["s3"],
        file_name_strategy=FileNameStrategy.KEY,
        warn=True,
        fail_fast=False,
        error_strategy=ErrorStrategy.KEEP,
        exclude=["thumbnail"],
        include=[],
        make_directory=True,
        clean=True,
        overwrite=True,
        earthdata_token="token",
        s3_region_name="us-west-2",
        s3_requester_pays=True,
        s3_retry_mode="standard",
        s3_max_attempts=3,
        client_override="http",
        http_client_timeout=60.0,
        http_headers={"Accept": "*/*"},
        http_check_content_type=False,
        write_checksums=True,
    )
    assert_type(config.validate(), None)
    assert_type(config.copy(), Config)
    assert_type(config.include, list[str])
    assert_type(config.error_strategy, ErrorStrategy)
    assert_type(Config.from_env(), Config)
    assert_type(Config.from_env(include=["B04"], overwrite=True), Config)
    assert_type(Settings.load(), Settings)
    assert_type(Settings.load().config(), Config)


async def items(
    item: pystac.Item, config: Config, messages: MessageQueue, clients: list[Client]
) -> None:
    assert_type(await stac_asset.download_item(item, "directory"), pystac.Item)
    assert_type(
        await stac_asset.download_item(
            item,
            Path("directory"),
            file_name="item.json",
            infer_file_name=False,
            config=config,
            messages=messages,
            clients=clients,
            keep_non_downloaded=True,
            max_concurrent_downloads=10,
            stream=True,
        ),
        pystac.Item,
    )
    assert_type(
        await stac_asset.download_item(
            item, "directory", None, True, config, messages, clients, False, 10, None
        ),
        pystac.Item,
    )
    plan = await stac_asset.plan_item(
        item,
        "directory",
        file_name=None,
        infer_file_name=True,
        config=config,
        clients=clients,
        max_concurrent_downloads=10,
    )
    assert_type(plan, Plan)
    assert_type(plan.fits, bool | None)
    assert_type(plan.rows, tuple[PlannedAsset, ...])
    assert_type([row.size for row in plan.rows], list[int | None])


async def collections(
    collection: pystac.Collection,
    item_collection: pystac.ItemCollection,
    config: Config,
    messages: MessageQueue,
    clients: list[Client],
) -> None:
    assert_type(
        await stac_asset.download_collection(
            collection,
            "directory",
            file_name="collection.json",
            config=config,
            messages=messages,
            clients=clients,
            keep_non_downloaded=False,
            max_concurrent_downloads=10,
            stream=None,
        ),
        pystac.Collection,
    )
    assert_type(
        await stac_asset.download_item_collection(
            item_collection,
            Path("directory"),
            file_name=None,
            config=config,
            messages=messages,
            clients=clients,
            keep_non_downloaded=False,
            path_template="${year}/${id}",
            max_concurrent_downloads=10,
            stream=False,
        ),
        pystac.ItemCollection,
    )
    assert_type(
        await stac_asset.plan_collection(
            collection,
            "directory",
            file_name="collection.json",
            config=config,
            clients=clients,
            max_concurrent_downloads=10,
        ),
        Plan,
    )
    assert_type(
        await stac_asset.plan_item_collection(
            item_collection,
            "directory",
            file_name="item-collection.json",
            config=config,
            clients=clients,
            path_template="${id}",
            max_concurrent_downloads=10,
        ),
        Plan,
    )


async def files(
    asset: pystac.Asset,
    config: Config,
    messages: MessageQueue,
    clients: list[Client],
    cache: Clients,
) -> None:
    assert_type(
        await stac_asset.download_asset(
            "B04", asset, Path("B04.tif"), config, messages=messages, clients=cache, stream=None
        ),
        pystac.Asset,
    )
    assert_type(
        await stac_asset.download_file(
            "https://example.com/B04.tif",
            "B04.tif",
            config=config,
            clients=clients,
            messages=messages,
            stream=True,
        ),
        None,
    )
    assert_type(await stac_asset.asset_exists(asset, config=config, clients=clients), bool)
    assert_type(await stac_asset.assert_asset_exists(asset, config, clients), None)
    assert_type(await stac_asset.read_href("item.json", config=config, clients=clients), bytes)
    chunks = stac_asset.open_href("item.json", config=config, clients=clients)
    assert_type(chunks, AsyncIterator[bytes])
    async for chunk in chunks:
        assert_type(chunk, bytes)


def synchronously(
    item: pystac.Item,
    collection: pystac.Collection,
    item_collection: pystac.ItemCollection,
    asset: pystac.Asset,
    config: Config,
    messages: MessageQueue,
    cache: Clients,
) -> None:
    clients: list[Client] = [FilesystemClient()]
    assert_type(
        blocking.download_item(
            item,
            "directory",
            file_name="item.json",
            infer_file_name=False,
            config=config,
            messages=messages,
            clients=clients,
            keep_non_downloaded=True,
            max_concurrent_downloads=10,
            stream=True,
        ),
        pystac.Item,
    )
    assert_type(
        stac_asset.blocking.download_collection(
            collection, "directory", file_name=None, config=config, keep_non_downloaded=True
        ),
        pystac.Collection,
    )
    assert_type(
        blocking.download_item_collection(
            item_collection, "directory", config=config, path_template="${id}"
        ),
        pystac.ItemCollection,
    )
    assert_type(
        blocking.download_asset("B04", asset, Path("B04.tif"), config, messages, cache),
        pystac.Asset,
    )
    assert_type(blocking.download_file("B04.tif", "copy.tif", config=config), None)
    assert_type(blocking.asset_exists(asset, config=config, clients=clients), bool)
    assert_type(blocking.assert_asset_exists(asset, config=config), None)
    assert_type(blocking.read_href("item.json", config=config, clients=clients), bytes)
    assert_type(blocking.plan_item(item, "directory", config=config), Plan)
    assert_type(blocking.plan_collection(collection, "directory", config=config), Plan)
    assert_type(
        blocking.plan_item_collection(item_collection, "directory", path_template="${id}"), Plan
    )
    # Invalid calls. An unused ignore is an error, too.
    blocking.download_item(item)  # type: ignore[call-arg]
    blocking.download_item(item, "directory", confg=config)  # type: ignore[call-arg]
    blocking.read_href(1)  # type: ignore[arg-type]


async def clients(config: Config) -> None:
    assert_type(await S3Client.from_config(config), S3Client)
    assert_type(await EarthdataClient.from_config(config), EarthdataClient)
    assert_type(await EarthdataClient.login(token="token"), EarthdataClient)
    assert_type(await HttpClient.from_config(config), HttpClient)
    assert_type(await FilesystemClient.from_config(config), FilesystemClient)
    session = aiohttp.ClientSession()
    async with HttpClient(session, check_content_type=False) as http:
        assert_type(http, HttpClient)
        assert_type(await http.href_exists("https://example.com"), bool)
        assert_type(await http.assert_href_exists("https://example.com"), None)
        await http.download_href(
            "https://example.com",
            "path",
            clean=True,
            content_type="image/tiff",
            messages=Queue(),
        )
        async for chunk in http.open_href("https://example.com", content_type="image/tiff"):
            assert_type(chunk, bytes)
        async for chunk in http.open_url(URL("https://example.com"), messages=Queue()):
            assert_type(chunk, bytes)
    planetary_computer = PlanetaryComputerClient(session, sas_token_endpoint="https://example.com")
    assert_type(planetary_computer.session, aiohttp.ClientSession)
    s3 = S3Client(
        requester_pays=True, region_name="us-west-2", retry_mode="standard", max_attempts=3
    )
    assert_type(await s3.has_credentials(), bool)
    assert_type(s3.max_attempts, int)
    assert_type(stac_asset.get_client_classes(), list[type[Client]])
    async with Clients(config, [s3]) as cache:
        assert_type(await cache.get_client("s3://bucket/key"), Client)


class CustomClient(Client):
    """A user-defined client."""

    name = "custom"

    def claims(self, url: URL) -> bool:
        """Return whether the client downloads a URL."""
        return url.scheme == "custom"

    async def open_url(
        self,
        url: URL,
        content_type: str | None = None,
        messages: MessageQueue | None = None,
        stream: bool | None = None,
    ) -> AsyncIterator[bytes]:
        """Yield the content."""
        yield b"custom"


async def progress(messages: Queue[Message]) -> str:
    match await messages.get():
        case StartAssetDownload(key=key, owner_id=owner_id, href=href, path=path):
            assert_type((key, owner_id, href, path), tuple[str, str | None, str, Path | StorePath])
        case OpenUrl(url=url, size=size):
            assert_type((url, size), tuple[URL, int | None])
        case WriteChunk(href=href, path=path, size=received):
            assert_type((href, path, received), tuple[str, Path | StorePath, int])
        case FinishAssetDownload(key=key, href=href, path=path):
            assert_type((key, href, path), tuple[str, str, Path | StorePath])
        case SkipAssetDownload(key=key, path=path):
            assert_type((key, path), tuple[str, Path | StorePath])
        case ErrorAssetDownload(key=key, href=href, path=path, error=error):
            assert_type((key, href, path, error), tuple[str, str, Path | StorePath, Exception])
    return "done"


def errors(item: pystac.Item) -> None:
    try:
        asyncio.run(stac_asset.download_item(item, "directory"))
    except stac_asset.DownloadError as error:
        assert_type(error.exceptions, list[Exception])
    except stac_asset.AssetOverwriteError as overwrite:
        assert_type(overwrite.hrefs, list[str])
    assert_type(stac_asset.validate.content_type("image/tiff", expected="image/tiff"), None)
    raise stac_asset.ContentTypeError("image/png", "image/tiff")
