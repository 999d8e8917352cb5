"""Timeouts and attempts of reads and existence checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pystac
import pytest
from yarl import URL

from prefect_stac_asset.blocks import HttpCredentials
from stac_asset import (
    Config,
    EarthdataClient,
    HttpClient,
    PlanetaryComputerClient,
    S3Client,
    assert_asset_exists,
    open_href,
    read_href,
)
from stac_asset.clients import Client, Clients, Request
from stac_asset.errors import ResponseError, SourceError, StalledError, TransferError
from stac_asset.stac.read import read_stac
from stac_asset.testing import Delay, Origin, Slow, Status
from tests.support.client_reads import read_bytes
from tests.support.http_sessions import client_with_session

SECRET = "pl4nt3d-s3cr3t"


class StallingClient(Client):
    """A client that never receives a response."""

    def claims(self, url: URL) -> bool:
        return True

    async def open_url(self, url: URL, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def consume(chunks: AsyncIterator[bytes]) -> None:
    async for _ in chunks:
        pass


async def read_document(href: str, config: Config, callers: list[Client]) -> None:
    async with Clients(config, callers) as clients:
        with pytest.raises(SourceError) as raised:
            await read_stac(href, clients, config)
    assert isinstance(raised.value.__cause__, TransferError)
    raise raised.value.__cause__


Reader = Callable[[str, Config, list[Client]], Coroutine[Any, Any, Any]]


READERS: dict[str, Reader] = {
    "read_href": read_href,
    "open_href": lambda href, config, callers: consume(open_href(href, config, callers)),
    "assert_asset_exists": lambda href, config, callers: assert_asset_exists(
        pystac.Asset(href), config, callers
    ),
    "read_stac": read_document,
}


@pytest.fixture(autouse=True)
def _aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set AWS credentials, because a search for credentials takes network requests."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")


@pytest.fixture
def short_timeout_config() -> Config:
    """Return a configuration with a timeout that all requests of these tests exceed."""
    return Config(http_client_timeout=0.3, http_max_attempts=1, s3_max_attempts=1)


@pytest.fixture(scope="module")
def slow_origin() -> Iterator[Origin]:
    """Run an origin that takes minutes for each response or body."""
    with Origin() as running:
        running.put("/bytes.tif", size=10_000_000)
        running.fault("/bytes.tif", Slow(20_000), times=0)
        running.fault("*/a.*", Delay(300), times=0)
        yield running


@pytest.mark.parametrize("reader", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize("kind", ["http", "session-of-caller", "s3", "client-of-caller"])
async def test_client_timeout_limits_each_read(
    slow_origin: Origin, short_timeout_config: Config, kind: str, reader: Reader
) -> None:
    callers: list[Client] = []
    href = slow_origin.href("/a.json")
    if kind == "s3":
        href, short_timeout_config.s3_endpoint_url = "s3://bucket/a.json", slow_origin.url
    elif kind == "session-of-caller":
        callers = [HttpClient(aiohttp.ClientSession())]
    elif kind == "client-of-caller":
        callers = [StallingClient()]
    try:
        with pytest.raises(StalledError, match=r"a\.json took too long"):
            await reader(href, short_timeout_config, callers)
    finally:
        for client in callers:
            await client.close()


async def test_client_keeps_configured_timeout(
    slow_origin: Origin, short_timeout_config: Config, tmp_path: Path
) -> None:
    href = slow_origin.href("/a.tif")
    async with await HttpClient.from_config(short_timeout_config) as client:
        for operation in (
            read_bytes(client, href),
            client.stat(Request(URL(href))),
            client.assert_href_exists(href),
            client.download_href(href, tmp_path / "a.tif"),
        ):
            with pytest.raises(StalledError, match=r"a\.tif took (too long|longer than 0\.3 sec)"):
                await operation
    assert list(tmp_path.iterdir()) == []


async def test_client_timeout_limits_slow_body(
    slow_origin: Origin, short_timeout_config: Config
) -> None:
    href = slow_origin.href("/bytes.tif")
    async with client_with_session() as caller:
        for callers in ([], [caller]):
            with pytest.raises(StalledError, match=r"bytes\.tif took too long"):
                await consume(open_href(href, short_timeout_config, [*callers]))
            with pytest.raises(StalledError, match=r"bytes\.tif took too long"):
                await read_href(href, short_timeout_config, [*callers])


async def client_of_kind(kind: str, config: Config) -> Client:
    if kind == "block":
        return await HttpCredentials(hosts=["http://127.0.0.1"], token=SECRET).client(config)  # type: ignore[arg-type]
    classes = {
        "http": HttpClient,
        "earthdata": EarthdataClient,
        "planetary-computer": PlanetaryComputerClient,
        "s3": S3Client,
    }
    return await classes[kind].from_config(config)


@pytest.mark.parametrize("kind", ["http", "earthdata", "planetary-computer", "s3", "block"])
async def test_download_href_uses_attempts_of_client(
    origin: Origin, config: Config, tmp_path: Path, kind: str
) -> None:
    config.http_max_attempts = config.s3_max_attempts = 1
    config.s3_endpoint_url, config.earthdata_token = origin.url, "t0ken"
    href = "s3://bucket/a.tif" if kind == "s3" else origin.href("/bucket/a.tif")
    origin.fault("/bucket/a.tif", Status(503), times=2)
    async with await client_of_kind(kind, config) as client:
        config.http_max_attempts = 3  # Without effect: the client is already configured.
        with pytest.raises(ResponseError, match="503"):
            await client.download_href(href, tmp_path / "a.tif")
        assert len(origin.gets()) == 1
        origin.heal()
        await client.download_href(href, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/bucket/a.tif")
