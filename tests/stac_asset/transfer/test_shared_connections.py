"""The further connections that large files share, and those that end early."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from pathlib import Path

from stac_asset import Config, download_file, download_item
from stac_asset.stac.parse import stac_of
from stac_asset.testing import Origin, Reset
from stac_asset.transfer.shared_connections import MIB, TRAFFIC, ConnectionShare
from tests.support.raw_origin import RawRequest, raw_origin, response_head

SIZE = 36 * MIB
DATA = (random.Random(14).randbytes(MIB + 1) * 36)[:SIZE]
PIECE = 64 * 1024


def config() -> Config:
    return Config(retry_wait=0.01, retry_wait_max=0.05, max_connections_per_file=4)


def head_of(start: int, end: int) -> bytes:
    content_range = {"Content_Range": f"bytes {start}-{end - 1}/{SIZE}"} if start else {}
    status, length = (206, end - start) if start else (200, SIZE)
    return response_head(status, length, ETag='"1"', Accept_Ranges="bytes", **content_range)


async def test_connection_without_gain_completes_its_range(tmp_path: Path) -> None:
    """Received bytes are not requested again."""
    asked, completed = asyncio.Event(), asyncio.Event()
    bottleneck = asyncio.Lock()

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        start, end = request.byte_range(SIZE) or (0, SIZE)
        writer.write(head_of(start, end))
        if start:
            asked.set()
        for at in range(start, end, PIECE):
            # Until a trial, the source is fast. Two connections are slower together.
            if not completed.is_set() and (asked.is_set() or not at % MIB):
                async with bottleneck:
                    await asyncio.sleep(0.01)
            writer.write(DATA[at : min(at + PIECE, end)])
            await writer.drain()
        if start:
            completed.set()

    async with raw_origin(respond) as origin:
        await download_file(f"{origin.url}/a.tif", tmp_path / "a.tif", config())
    assert (tmp_path / "a.tif").read_bytes() == DATA
    ranges = sorted(found for get in origin.requests if (found := get.byte_range(SIZE)))
    assert ranges
    for (_, end), (start, _) in pairwise(ranges):
        assert end <= start


async def test_connection_that_breaks_after_many_bytes_is_replaced(tmp_path: Path) -> None:
    with Origin(bytes_per_second=24 * MIB) as origin:
        href = origin.put("/a.tif", size=SIZE)
        whole = asyncio.create_task(download_file(href, tmp_path / "a.tif", config()))
        # A request is in the log before its faults are chosen: wait for its body.
        while not origin.bytes_sent:
            await asyncio.sleep(0.001)
        origin.fault("/a.tif", Reset(MIB + PIECE), times=0)
        await whole
        assert (tmp_path / "a.tif").read_bytes() == origin.content("/a.tif")
        _, *parts = origin.gets()
    # More than the three further connections that the file may have at the same time.
    assert sum(part.body_sent == MIB + PIECE for part in parts) > 3


async def test_requested_wait_of_host_does_not_fail_other_files(tmp_path: Path) -> None:
    """The host refuses a further connection of a file for an hour, and serves the other file."""
    refused = asyncio.Event()

    async def respond(request: RawRequest, writer: asyncio.StreamWriter) -> None:
        if request.byte_range(SIZE) is not None:
            writer.write(response_head(429, 0, Retry_After="3600"))
            refused.set()
            return
        is_first = request.target == "/a.tif"
        if not is_first:
            await refused.wait()
        writer.write(head_of(0, SIZE))
        for at in range(0, SIZE, MIB):
            writer.write(DATA[at : at + MIB])
            await writer.drain()
            if not is_first or not refused.is_set():
                await asyncio.sleep(0.02 if is_first else 0.06)

    async with raw_origin(respond) as origin:
        document = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": "item",
            "geometry": None,
            "properties": {"datetime": "2020-01-01T00:00:00Z"},
            "links": [],
            "assets": {name: {"href": f"{origin.url}/{name}.tif"} for name in "ab"},
        }
        item = stac_of(document, f"{origin.url}/item.json", "item")
        await download_item(item, tmp_path, config=config())  # type: ignore[arg-type]
    for name in "ab":
        assert (tmp_path / f"{name}.tif").read_bytes() == DATA


def test_files_of_closed_event_loops_do_not_stop_the_decisions() -> None:
    async def leave() -> None:
        ConnectionShare("closed.example.com", 4, lambda: 8)

    async def receive() -> None:
        share = ConnectionShare("closed.example.com", 4, lambda: 8)
        try:
            while not share.granted:
                TRAFFIC.received += 1000
                await asyncio.sleep(0.005)
        finally:
            share.close()

    asyncio.run(leave())
    asyncio.run(receive())
