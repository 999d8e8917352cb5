"""Hosts that refuse further connections or later requests: received bytes are kept."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from stac_asset import Config, download_file
from stac_asset.destinations.part_names import part_paths
from stac_asset.errors import NotFoundError, ResponseError, ResponseForbiddenError, TruncatedError
from stac_asset.testing import Origin, Status, Truncate
from tests.support.raw_origin import RawRequest, raw_origin, response_head

MIB = 1024 * 1024
SIZE = 36 * MIB
DATA = (random.Random(6).randbytes(MIB + 1) * 36)[:SIZE]
VERSION = '"version"'


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=4)


class Host:
    """Sends the whole file slowly at first, so that the engine opens further connections."""

    def __init__(self, status: int = 403) -> None:
        self.status = status
        self.refused = 0
        self.end = SIZE
        """Position at which the response with the whole file ends."""

    async def send_whole(self, writer: asyncio.StreamWriter) -> None:
        writer.write(response_head(200, SIZE, ETag=VERSION, Accept_Ranges="bytes"))
        writer.write(DATA[:MIB])
        at = MIB
        # The engine measures the speed only when bytes arrive.
        while self.refused < 1 and at < self.end:
            writer.write(DATA[at : at + 4096])
            await writer.drain()
            await asyncio.sleep(0.05)
            at += 4096
        writer.write(DATA[at : self.end])
        await writer.drain()

    async def until_refused(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.refused < count:
                await asyncio.sleep(0.01)

    def refuse(self, writer: asyncio.StreamWriter) -> None:
        self.refused += 1
        writer.write(response_head(self.status, 0))

    async def send(self, first: int, end: int, writer: asyncio.StreamWriter) -> None:
        content_range = f"bytes {first}-{end - 1}/{SIZE}"
        writer.write(response_head(206, end - first, ETag=VERSION, Content_Range=content_range))
        writer.write(DATA[first:end])
        await writer.drain()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 509])
async def test_first_connection_downloads_file_if_others_are_refused(
    tmp_path: Path, config: Config, status: int
) -> None:
    host = Host(status)
    config.http_max_attempts = 1

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if request.byte_range(SIZE) is None:
            await host.send_whole(writer)
        else:
            host.refuse(writer)

    async with raw_origin(respond) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.full_requests == 1
    assert host.refused == 1


@pytest.mark.parametrize("serves_single", [True, False])
@pytest.mark.parametrize("status", [403, 404])
async def test_single_connection_is_used_after_all_connections_are_refused(
    tmp_path: Path, config: Config, serves_single: bool, status: int
) -> None:
    host = Host(status)
    host.end = 3 * MIB

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        byte_range = request.byte_range(SIZE)
        if byte_range is None:
            await host.send_whole(writer)
        # The engine requests larger ranges if it uses a single connection.
        elif serves_single and byte_range[1] - byte_range[0] > (SIZE - byte_range[0]) // 4:
            await host.send(*byte_range, writer)
        else:
            host.refuse(writer)

    async with raw_origin(respond) as origin:
        if serves_single:
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
            assert (tmp_path / "a.tif").read_bytes() == DATA
        else:
            with pytest.raises(ResponseError, match=str(status)):
                await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
            assert not (tmp_path / "a.tif").exists()
            # After a 403, the next run may have another signature.
            assert part_paths(tmp_path / "a.tif")[0].exists() == (status == 403)
    assert origin.full_requests == 1


@pytest.mark.parametrize("status", [403, 429])
async def test_next_run_resumes_ranges_in_one_attempt_if_host_allows_one_connection(
    tmp_path: Path, config: Config, status: int
) -> None:
    host = Host(status)
    host.end = 3 * MIB
    config.http_max_attempts = 1
    slot = asyncio.Semaphore()

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        byte_range = request.byte_range(SIZE)
        if slot.locked():
            host.refuse(writer)
            return
        async with slot:
            if byte_range is None:
                await host.send_whole(writer)
            else:
                await host.until_refused(1 + 1)
                await host.send(*byte_range, writer)

    async with raw_origin(respond) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.full_requests == 1


async def test_other_connections_download_file_if_first_is_refused(
    tmp_path: Path, config: Config
) -> None:
    host = Host()
    host.end = 3 * MIB
    config.http_max_attempts = 2
    first, second = asyncio.Event(), asyncio.Event()

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        byte_range = request.byte_range(SIZE)
        if byte_range is None:
            await host.send_whole(writer)
        elif not host.refused:
            host.refuse(writer)
        elif not first.is_set():
            first.set()
            await second.wait()
            host.refuse(writer)
        else:
            second.set()
            await host.send(*byte_range, writer)

    async with raw_origin(respond) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.full_requests == 1
    assert host.refused == 2


@pytest.mark.parametrize("status", [401, 403])
async def test_download_is_resumed_after_signature_expires(
    origin: Origin, tmp_path: Path, config: Config, status: int
) -> None:
    href = origin.put("/a.tif", size=MIB)
    origin.fault("/a.tif", Truncate(900_000))
    origin.fault("/a.tif", Status(status))
    with pytest.raises(ResponseForbiddenError):
        await download_file(f"{href}?sig=first", tmp_path / "a.tif", config)
    await download_file(f"{href}?sig=second", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == MIB


async def test_part_file_is_removed_after_not_found(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=MIB)
    origin.fault("/a.tif", Truncate(900_000))
    origin.fault("/a.tif", Status(404))
    with pytest.raises(NotFoundError):
        await download_file(href, tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []
