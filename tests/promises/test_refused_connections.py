"""A host that refuses further connections, or lets nobody in any more, costs nothing received."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from stac_asset import Config, download_file
from stac_asset.destinations.local.part_names import part_paths
from stac_asset.errors import NotFoundError, ResponseError, ResponseForbiddenError, TruncatedError
from stac_asset.testing import Origin, Status, Truncate
from tests.promises.raw_origin import Asked, RawOrigin, head, serving

MIB = 1024 * 1024
SIZE = 36 * MIB
DATA = random.Random(6).randbytes(SIZE)
VERSION = '"version"'


@pytest.fixture
def config() -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=4)


class Host:
    """Sends the whole file slowly at first, so that others are opened beside it."""

    def __init__(self, status: int = 403) -> None:
        self.origin = RawOrigin()
        self.status = status
        self.refused = 0
        self.end = SIZE
        """Where the whole file breaks off."""

    async def send_whole(self, writer: asyncio.StreamWriter) -> None:
        writer.write(head(200, SIZE, ETag=VERSION, Accept_Ranges="bytes"))
        writer.write(DATA[:MIB])
        at = MIB
        # Something always comes, so that somebody sees how slow it is.
        while self.refused < 3 and at < self.end:
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
        writer.write(head(self.status, 0))

    async def send(self, first: int, end: int, writer: asyncio.StreamWriter) -> None:
        said = f"bytes {first}-{end - 1}/{SIZE}"
        writer.write(head(206, end - first, ETag=VERSION, Content_Range=said))
        writer.write(DATA[first:end])
        await writer.drain()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429, 509])
async def test_refused_connections_leave_the_file_to_the_first(
    tmp_path: Path, config: Config, status: int
) -> None:
    host = Host(status)
    config.http_max_attempts = 1

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.span(SIZE) is None:
            await host.send_whole(writer)
        else:
            host.refuse(writer)

    async with serving(answer) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.wholes == 1
    assert host.refused == 3


@pytest.mark.parametrize("served", [True, False])
@pytest.mark.parametrize("status", [403, 404])
async def test_host_that_refused_all_connections_is_asked_over_one(
    tmp_path: Path, config: Config, served: bool, status: int
) -> None:
    host = Host(status)
    host.end = 3 * MIB

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        span = asked.span(SIZE)
        if span is None:
            await host.send_whole(writer)
        # Pieces are the smaller, the more connections there are.
        elif served and span[1] - span[0] > (SIZE - span[0]) // 4:
            await host.send(*span, writer)
        else:
            host.refuse(writer)

    async with serving(answer) as origin:
        if served:
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
            assert (tmp_path / "a.tif").read_bytes() == DATA
        else:
            with pytest.raises(ResponseError, match=str(status)):
                await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
            assert not (tmp_path / "a.tif").exists()
            # Who is not let in now may be so later, with another signature.
            assert part_paths(tmp_path / "a.tif")[0].exists() == (status == 403)
    assert origin.wholes == 1


@pytest.mark.parametrize("status", [403, 429])
async def test_host_of_one_connection_at_a_time_goes_on_with_pieces_in_one_attempt(
    tmp_path: Path, config: Config, status: int
) -> None:
    host = Host(status)
    host.end = 3 * MIB
    config.http_max_attempts = 1
    free = asyncio.Semaphore()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        span = asked.span(SIZE)
        if free.locked():
            host.refuse(writer)
            return
        async with free:
            if span is None:
                await host.send_whole(writer)
            else:
                await host.until_refused(3 + 3)
                await host.send(*span, writer)

    async with serving(answer) as origin:
        with pytest.raises(TruncatedError):
            await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.wholes == 1


async def test_first_connection_that_is_refused_leaves_the_file_to_the_others(
    tmp_path: Path, config: Config
) -> None:
    host = Host()
    host.end = 3 * MIB
    config.http_max_attempts = 2
    waiting = asyncio.Event()

    async def answer(asked: Asked, writer: asyncio.StreamWriter) -> None:
        span = asked.span(SIZE)
        if span is None:
            await host.send_whole(writer)
        elif host.refused < 3 + 1:
            host.refuse(writer)
            waiting.set()
        else:
            await waiting.wait()
            await host.send(*span, writer)

    async with serving(answer) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == DATA
    assert origin.wholes == 1
    assert host.refused == 4


@pytest.mark.parametrize("status", [401, 403])
async def test_signature_that_expires_in_between_costs_no_byte(
    origin: Origin, tmp_path: Path, config: Config, status: int
) -> None:
    href = origin.put("/a.tif", size=MIB)
    origin.fault("/a.tif", Truncate(900_000))
    origin.fault("/a.tif", Status(status))
    with pytest.raises(ResponseForbiddenError):
        await download_file(f"{href}?sig=one", tmp_path / "a.tif", config)
    await download_file(f"{href}?sig=two", tmp_path / "a.tif", config)
    assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
    assert origin.bytes_sent == MIB


async def test_file_that_is_gone_leaves_no_part(
    origin: Origin, tmp_path: Path, config: Config
) -> None:
    href = origin.put("/a.tif", size=MIB)
    origin.fault("/a.tif", Truncate(900_000))
    origin.fault("/a.tif", Status(404))
    with pytest.raises(NotFoundError):
        await download_file(href, tmp_path / "a.tif", config)
    assert list(tmp_path.iterdir()) == []
