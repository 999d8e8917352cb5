"""Meters of connections: each request and received byte counts, and waits are no stalls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from stac_asset import Config
from stac_asset.clients import Clients
from stac_asset.destinations import LocalDestinations
from stac_asset.testing import IgnoreRange, Origin, Status, Truncate
from stac_asset.transfer.engine import Engine
from stac_asset.transfer.host_connection import HostConnection
from stac_asset.transfer.host_limits import HostLimits
from stac_asset.transfer.probe import probe
from stac_asset.types import Candidate, Downloaded, Failed, Outcome, Transfer

MIB = 1024 * 1024


class RecordingMeter:
    """A meter that counts, and pauses after received bytes.

    Args:
        pause: Seconds of each pause. 0 never pauses.
    """

    def __init__(self, pause: float = 0) -> None:
        self.pause = pause
        self.requests = self.received = self.paid = 0

    async def wait_to_request(self) -> None:
        self.requests += 1

    def count(self, size: int) -> None:
        self.received += size

    def may_continue(self, size: int) -> bool:
        self.paid += 0 if self.pause else size
        return not self.pause

    async def wait_to_continue(self, size: int) -> None:
        self.paid += size
        await asyncio.sleep(self.pause)


def transfer_of(origin: Origin, directory: Path, href: str) -> Transfer:
    candidate = Candidate(href, str(directory / "a.tif"))
    return Transfer("item 'i'", "a", (candidate,), str(directory))


async def download(
    origin: Origin, directory: Path, href: str, meter: RecordingMeter, config: Config
) -> Outcome:
    limits = HostLimits(config)

    def connect(host: str, endpoint: str | None = None) -> HostConnection:
        return limits.connection(host, endpoint, meter=meter)

    async with Clients(config) as clients:
        transfer = transfer_of(origin, directory, href)
        await probe(transfer, clients, config, connect=connect)
        engine = Engine(clients, config, LocalDestinations(), connect=connect)
        return await engine.download(transfer)


async def test_requests_and_bytes_of_all_attempts_count(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", size=1000)
    for fault in (Status(503), Truncate(after=600), IgnoreRange()):
        origin.fault("/a.tif", fault, method="GET")
    meter = RecordingMeter()
    config = Config(retry_wait=0.001)
    assert isinstance(await download(origin, tmp_path, href, meter, config), Downloaded)
    assert meter.requests == len(origin.requests) == 4
    assert meter.received == meter.paid == 1600


async def test_bytes_of_failed_downloads_count(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", size=1000)
    origin.fault("/a.tif", Truncate(after=600))
    origin.fault("/a.tif", Status(404), method="GET")
    meter = RecordingMeter()
    found = await download(origin, tmp_path, href, meter, Config(retry_wait=0.001))
    assert isinstance(found, Failed)
    assert meter.received == found.received == 600


async def test_each_byte_range_of_a_large_file_is_a_request(origin: Origin, tmp_path: Path) -> None:
    href = origin.put("/a.tif", size=40 * MIB)
    meter = RecordingMeter(pause=0.002)
    found = await download(origin, tmp_path, href, meter, Config(max_connections_per_file=4))
    assert isinstance(found, Downloaded)
    assert meter.requests == len(origin.requests)
    assert meter.received == 40 * MIB
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")


@pytest.mark.parametrize("limit", ["http_read_timeout", "http_client_timeout"])
async def test_waits_of_a_meter_are_no_stalls(origin: Origin, tmp_path: Path, limit: str) -> None:
    href = origin.put("/a.tif", size=1000)
    meter = RecordingMeter(pause=0.6)
    config = Config(**{limit: 0.5}, http_max_attempts=1)
    found = await download(origin, tmp_path, href, meter, config)
    assert isinstance(found, Downloaded)
