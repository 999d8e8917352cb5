"""The caller's clients stay open after successful, failed and cancelled downloads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest

from stac_asset import (
    Config,
    HttpClient,
    StacAssetError,
    assert_asset_exists,
    download_asset,
    download_file,
    download_item,
    plan_item,
    read_href,
)
from stac_asset.clients import Clients
from stac_asset.testing import Delay, Origin, Status
from tests.support.items import item_document


class TestClients:
    @pytest.fixture
    async def client(self) -> AsyncIterator[HttpClient]:
        async with aiohttp.ClientSession(headers={"X-Mine": "yes"}) as session:
            yield HttpClient(session)
            assert not session.closed

    async def test_client_can_be_reused(
        self, origin: Origin, tmp_path: Path, config: Config, client: HttpClient
    ) -> None:
        item = pystac.Item.from_dict(item_document(origin, "a"))
        calls: list[Callable[[], Any]] = [
            lambda: download_item(item, tmp_path / "1", config=config, clients=[client]),
            lambda: download_file(origin.href("/a.tif"), tmp_path / "a.tif", config, [client]),
            lambda: read_href(origin.href("/a.tif"), config, [client]),
            lambda: plan_item(item, tmp_path / "2", config=config, clients=[client]),
            lambda: assert_asset_exists(item.assets["a"], config, [client]),
        ]
        for call in calls * 2:
            await call()
        assert all(request.headers.get("x-mine") == "yes" for request in origin.requests)

    @pytest.mark.parametrize("fail_fast", [False, True])
    async def test_client_stays_open_after_failed_downloads(
        self,
        origin: Origin,
        tmp_path: Path,
        config: Config,
        client: HttpClient,
        fail_fast: bool,
    ) -> None:
        config.fail_fast = fail_fast
        origin.fault("/a.tif", Status(404), times=0)
        item = pystac.Item.from_dict(item_document(origin, "a", "b"))
        for _ in range(2):
            with pytest.raises(StacAssetError):
                await download_item(item, tmp_path, config=config, clients=[client])
            assert not client.session.closed

    async def test_client_stays_open_after_cancelled_download(
        self, origin: Origin, tmp_path: Path, config: Config, client: HttpClient
    ) -> None:
        origin.fault("/a.tif", Delay(30))
        item = pystac.Item.from_dict(item_document(origin, "a"))
        task = asyncio.create_task(download_item(item, tmp_path, config=config, clients=[client]))
        while not origin.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await download_item(item, tmp_path, config=config, clients=[client])

    async def test_client_registry_stays_open_between_downloads(
        self, origin: Origin, tmp_path: Path, config: Config
    ) -> None:
        item = pystac.Item.from_dict(item_document(origin, "a"))
        async with Clients(config) as clients:
            await download_asset("a", item.assets["a"], tmp_path / "1", config, clients=clients)
            client = await clients.get_client(origin.href("/"))
            assert isinstance(client, HttpClient)
            await download_asset("a", item.assets["a"], tmp_path / "2", config, clients=clients)
            assert not client.session.closed
            assert await clients.get_client(origin.href("/")) is client
        assert client.session.closed
