"""Hosts that limit connections and requests: the run uses fewer connections, and waits."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pystac
import pytest
from aiohttp import web

from stac_asset import Config, DownloadError, download_file, download_item
from stac_asset.clients import Clients
from stac_asset.errors import ConnectionFailedError, RateLimitError, ResponseForbiddenError
from stac_asset.notices import collect_notices
from stac_asset.testing import Origin, Stall, Status
from stac_asset.transfer import host_connection, host_state
from stac_asset.transfer.host_limits import HostLimits
from stac_asset.transfer.probe import probe_all
from stac_asset.types import Candidate, Transfer
from tests.support.items import item_from_origin
from tests.support.limited_host import DATA, LimitedHost, limited_host
from tests.support.processes import wait_until

REFUSALS = [429, 403, 503, None]


@pytest.fixture
def _successes_stay_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each success count as recent during a test, also on a busy machine."""
    monkeypatch.setattr(host_state, "_RECENT", 3600)


def item_on(host: LimitedHost, count: int) -> pystac.Item:
    """Return an item with numbered assets on a host."""
    item = pystac.Item("limited", None, None, pystac.utils.str_to_datetime("2026-06-01"), {})
    for number in range(count):
        item.add_asset(f"a{number}", pystac.Asset(host.href(f"{number}.tif")))
    return item


def files_in(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in directory.glob("*.tif")]


@pytest.mark.parametrize("status", REFUSALS)
async def test_200_assets_arrive_from_host_that_allows_four_connections(
    tmp_path: Path, status: int | None
) -> None:
    async with limited_host(LimitedHost(status)) as host:
        with collect_notices() as notices:
            await download_item(item_on(host, 200), tmp_path)
    assert files_in(tmp_path) == [DATA] * 200
    assert host.refused
    [line] = notices.lines()
    assert line == (
        "A host refused connections, so fewer were used at the same time: host '127.0.0.1'"
    )


@pytest.mark.parametrize("lingers", [False, True])
@pytest.mark.parametrize("status", REFUSALS)
async def test_refusals_do_not_use_up_attempts(
    tmp_path: Path, status: int | None, lingers: bool
) -> None:
    config = Config(http_max_attempts=2, retry_wait=0.2 if lingers else 0.02)
    async with limited_host(LimitedHost(status, limit=2, lingers=lingers)) as host:
        await download_item(item_on(host, 40), tmp_path, config=config)
    assert files_in(tmp_path) == [DATA] * 40
    assert host.refused > 10


async def test_credentials_are_not_blamed_while_slow_host_answers_other_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A host may take longer to answer than a success counts as recent.
    monkeypatch.setattr(host_state, "_RECENT", 0.2)
    async with limited_host(LimitedHost(403, delay=0.8)) as host:
        await download_item(item_on(host, 12), tmp_path, config=Config(retry_wait=0.02))
    assert files_in(tmp_path) == [DATA] * 12
    assert host.refused


async def test_number_of_connections_is_lowered_once_per_round(tmp_path: Path) -> None:
    async with limited_host(LimitedHost(429)) as host:
        await download_item(item_on(host, 300), tmp_path, config=Config(retry_wait=0.01))
    # 28 of 32 connections, 12 of 16, 4 of 8, and a few while responses end.
    assert host.refused < 90


@pytest.mark.usefixtures("_successes_stay_recent")
async def test_large_file_arrives_from_host_that_allows_two_connections(tmp_path: Path) -> None:
    data = bytes(range(256)) * (40 << 12)
    host = LimitedHost(403, limit=2, delay=0.01, data=data)
    async with limited_host(host):
        item = item_on(host, 3)
        await download_item(item, tmp_path, config=Config(http_max_attempts=2, retry_wait=0.01))
    assert files_in(tmp_path) == [data] * 3
    assert host.refused


async def test_forbidden_asset_fails_after_one_request_if_host_serves_no_other(
    tmp_path: Path,
) -> None:
    paths = frozenset(f"/{number}.tif" for number in range(20))
    async with limited_host(LimitedHost(forbidden=paths)) as host:
        with pytest.raises(DownloadError) as raised:
            await download_item(item_on(host, 20), tmp_path)
    assert raised.value.count == len(host.paths) == 20
    assert all(isinstance(error, ResponseForbiddenError) for error in raised.value.exceptions)


@pytest.mark.usefixtures("_successes_stay_recent")
async def test_forbidden_asset_fails_after_few_requests_if_host_serves_others(
    tmp_path: Path,
) -> None:
    host = LimitedHost(limit=100, forbidden=frozenset({"/3.tif"}))
    async with limited_host(host):
        with pytest.raises(DownloadError, match="asset 'a3'") as raised:
            await download_item(item_on(host, 20), tmp_path, config=Config(retry_wait=0.01))
    assert raised.value.count == 1
    assert host.paths.count("/3.tif") == 2


@pytest.mark.parametrize("status", [429, 403, 503])
@pytest.mark.parametrize("name", ["Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"])
async def test_no_download_requests_a_host_during_the_wait_that_the_host_asks_for(
    tmp_path: Path, status: int, name: str
) -> None:
    early = 0

    class Host(LimitedHost):
        waiting = True

        async def answer(self, request):  # type: ignore[no-untyped-def]
            nonlocal early
            early += self.refused > 0 and self.waiting
            self.limit = 0 if not self.refused else 100
            response = await super().answer(request)
            if self.refused:
                asyncio.get_running_loop().call_later(0.9, setattr, self, "waiting", False)
            return response

    headers = {name.replace("Reset", "Remaining"): "0", name: "1"}
    config = Config(max_connections_per_host=1, http_max_attempts=2, retry_wait=0)
    async with limited_host(Host(status, headers)) as host:
        await download_item(item_on(host, 5), tmp_path, config=config)
    assert (early, host.refused, len(host.paths)) == (0, 1, 6)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_asset_that_always_fails_does_not_hold_the_only_connection(
    tmp_path: Path, status: int
) -> None:
    class Host(LimitedHost):
        async def answer(self, request):  # type: ignore[no-untyped-def]
            if request.path == "/0.tif":
                return web.Response(status=status)
            return await super().answer(request)

    config = Config(
        max_connections_per_host=1, http_max_attempts=50, retry_wait=0.02, retry_wait_max=3600
    )
    async with limited_host(Host()) as host:
        running = asyncio.create_task(download_item(item_on(host, 20), tmp_path, config=config))
        await wait_until(lambda: len(files_in(tmp_path)) == 19, seconds=60)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_no_request_is_sent_after_last_request_that_host_allows(tmp_path: Path) -> None:
    class Host(LimitedHost):
        left = 3

        async def answer(self, request):  # type: ignore[no-untyped-def]
            if not self.left:
                return web.Response(status=429)
            self.left -= 1
            if not self.left:
                asyncio.get_running_loop().call_later(0.8, setattr, self, "left", 3)
            reset = {"RateLimit-Remaining": str(self.left), "RateLimit-Reset": "1"}
            return web.Response(body=DATA, headers=reset)

    config = Config(max_connections_per_host=1, http_max_attempts=1)
    async with limited_host(Host()) as host:
        result = await download_item(item_on(host, 7), tmp_path, config=config)
    assert len(result.assets) == 7
    assert files_in(tmp_path) == [DATA] * 7


async def test_assets_fail_without_requests_if_host_asks_for_very_long_wait(
    tmp_path: Path,
) -> None:
    host = LimitedHost(503, {"Retry-After": "3600"}, limit=0)
    config = Config(max_connections_per_host=2)
    async with limited_host(host):
        with pytest.raises(DownloadError) as raised:
            await download_item(item_on(host, 50), tmp_path, config=config)
    assert len(host.paths) <= 2
    assert all(isinstance(error, RateLimitError) for error in raised.value.exceptions)
    assert "3,600 seconds, which exceeds `host_wait_max` (900 seconds)" in str(raised.value)


async def test_wait_for_host_is_logged_once_and_ends_with_cancellation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = LimitedHost(429, {"Retry-After": "600"}, limit=0)
    async with limited_host(host):
        running = asyncio.create_task(download_item(item_on(host, 40), tmp_path))
        async with asyncio.timeout(60):
            while host.refused < 32 or not caplog.records:
                await asyncio.sleep(0.01)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    waits = [text for text in caplog.messages if "asks for a wait of 600 seconds" in text]
    assert len(waits) == 1
    assert "Host '127.0.0.1'" in waits[0]
    assert host.refused == 32


async def test_fail_fast_ends_run_while_other_downloads_wait_for_host(tmp_path: Path) -> None:
    host = LimitedHost(429, {"Retry-After": "600"}, limit=0)
    async with limited_host(host):
        item = item_on(host, 5)
        item.assets["missing"] = pystac.Asset(str(tmp_path / "missing.tif"))
        config = Config(fail_fast=True, allow_local_hrefs=True)
        async with asyncio.timeout(60):
            with pytest.raises(FileNotFoundError):
                await download_item(item, tmp_path / "to", config=config)


async def test_probes_share_the_limits(tmp_path: Path) -> None:
    config = Config(retry_wait=0.01)
    async with limited_host(LimitedHost(403)) as host, Clients(config) as clients:
        transfers = [
            Transfer("", f"a{n}", (Candidate(host.href(f"{n}.tif"), f"/x/{n}"),), "/x")
            for n in range(60)
        ]
        results = await probe_all(transfers, clients, config)
    assert [result.error for result in results] == [None] * 60
    assert host.refused


async def test_hosts_of_a_known_service_share_its_documented_connections() -> None:
    limits = HostLimits(Config())
    connections = [
        limits.connection(*host)
        for host in (
            ("download.dataspace.copernicus.eu",),
            ("zipper.dataspace.copernicus.eu",),
            ("eodata", "eodata.dataspace.copernicus.eu"),
            ("download.dataspace.copernicus.eu",),
        )
    ]
    further = limits.connection("zipper.dataspace.copernicus.eu")
    for connection in connections:
        await connection.__aenter__()
    waiting = asyncio.create_task(further.__aenter__())
    await asyncio.sleep(0)
    assert not waiting.done()
    await connections[0].__aexit__(None, None, None)
    await waiting


@pytest.mark.parametrize("attempts", [3, 4])
async def test_retries_of_unknown_host_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, attempts: int
) -> None:
    config = Config(http_max_attempts=attempts, retry_wait=0.01)
    caplog.set_level(logging.WARNING)
    href = f"https://no-such-host-{attempts}.invalid/a.tif"
    with pytest.raises(ConnectionFailedError):
        await download_file(href, tmp_path / "a.tif", config)
    [message] = caplog.messages
    assert href in message
    assert f"Trying again in 0.0 s (attempt 3 of {attempts})" in message


async def test_denied_asset_ends_fail_fast_run_while_another_download_stalls(
    tmp_path: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_connection, "_FAIL_FAST_WAIT", 0.05)
    origin.fault("/slow.tif", Stall(after=10), times=0)
    origin.fault("/denied.tif", Status(403), times=0)
    item = item_from_origin(origin, "slow", "denied")
    config = Config(fail_fast=True, http_read_timeout=3600, retry_wait=0.02)
    with pytest.raises(ResponseForbiddenError, match="denied"):
        await download_item(item, tmp_path, config=config)
